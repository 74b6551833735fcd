//! When an idle worker stops, and that schema and type agree.

use plugin_sdk::testing::agreement;
use serde_json::json;

use super::*;

/// What becomes of a worker that is idle for so many seconds, on a machine that has been up for so many.
fn stops(config: &serde_json::Value, idle: u64, host_uptime: u64) -> Option<String> {
    let plugin = IdleShutdown::new(&serde_json::from_value(config.clone()).unwrap());
    plugin.why_stop(&WorkerStatus {
        uptime_ms: 1_000_000,
        host_uptime_ms: host_uptime * 1000,
        idle_ms: idle * 1000,
        running: 0,
        resolved: 0,
    })
}

#[test]
fn schema_and_type_agree() {
    agreement::<Config>(
        IdleShutdown::CONFIG_SCHEMA,
        &[
            json!({"afterIdle": 0}),
            json!({"afterIdle": 600.0}),
            json!({"afterIdle": 600, "billingCycle": 3600}),
            json!({"afterIdle": 600, "billingCycle": 3600, "nearEnd": 300}),
        ],
        &[
            json!({}),
            json!({"billingCycle": 3600}),
            json!({"afterIdle": -1}),
            json!({"afterIdle": "10m"}),
            json!({"afterIdle": 1, "billingCycle": 0}),
            // The end of what?
            json!({"afterIdle": 1, "nearEnd": 60}),
            json!({"afterIdle": 1, "nearend": 60}),
        ],
    )
    .unwrap();
}

#[test]
fn a_worker_stops_once_it_has_been_idle_for_long_enough() {
    let config = json!({"afterIdle": 600});
    assert_eq!(stops(&config, 599, 5000), None);
    assert_eq!(stops(&config, 600, 5000).unwrap(), "nothing to do for 600 s");
}

#[test]
fn a_worker_that_is_paid_for_stays_until_its_cycle_is_near_its_end() {
    let config = json!({"afterIdle": 600, "billingCycle": 3600, "nearEnd": 300});
    for (host_uptime, stop) in [
        (600, false),
        (3299, false),
        (3300, true),
        (3599, true),
        // The next cycle has begun.
        (3600, false),
        (6899, false),
        (6900, true),
    ] {
        assert_eq!(stops(&config, 600, host_uptime).is_some(), stop, "{host_uptime}");
    }
    assert_eq!(
        stops(&config, 600, 3350).unwrap(),
        "nothing to do for 600 s, and the billing cycle ends in 250 s"
    );
}

#[test]
fn a_worker_with_work_stays_however_near_the_end_is() {
    let config = json!({"afterIdle": 600, "billingCycle": 3600, "nearEnd": 300});
    assert_eq!(stops(&config, 0, 3599), None);
    assert_eq!(stops(&config, 599, 3599), None);
}

#[test]
fn the_end_of_a_cycle_is_two_minutes_where_the_operator_says_nothing() {
    let config = json!({"afterIdle": 0, "billingCycle": 3600});
    assert_eq!(stops(&config, 0, 3479), None);
    assert!(stops(&config, 0, 3480).is_some());
}

#[test]
fn an_end_that_is_as_long_as_the_cycle_is_always() {
    let config = json!({"afterIdle": 1, "billingCycle": 60, "nearEnd": 60});
    for host_uptime in [1, 59, 60, 61] {
        assert!(stops(&config, 1, host_uptime).is_some(), "{host_uptime}");
    }
}

#[test]
fn where_nobody_knows_the_age_of_the_machine_that_of_the_worker_counts() {
    // The worker is 1000 s old.
    assert!(
        stops(
            &json!({"afterIdle": 1, "billingCycle": 1010, "nearEnd": 10}),
            1,
            0
        )
        .is_some()
    );
    assert!(
        stops(
            &json!({"afterIdle": 1, "billingCycle": 1011, "nearEnd": 10}),
            1,
            0
        )
        .is_none()
    );
}
