//! When a worker has lived for long enough, and that schema and type agree.

use plugin_sdk::testing::agreement;
use serde_json::json;

use super::*;

/// Why a worker stops that has so many tasks behind it and is so many seconds old.
fn stops(config: &serde_json::Value, resolved: u64, seconds: u64) -> Option<String> {
    why_stop(
        &serde_json::from_value(config.clone()).unwrap(),
        &WorkerStatus {
            uptime_ms: seconds * 1000 + 999,
            host_uptime_ms: 1_000_000,
            idle_ms: 0,
            running: 1,
            resolved,
        },
    )
}

#[test]
fn schema_and_type_agree() {
    agreement::<Config>(
        Lifetime::CONFIG_SCHEMA,
        &[
            json!({"tasks": 1}),
            json!({"tasks": 1e18}),
            json!({"uptime": 86_400.0}),
            json!({"tasks": 10, "uptime": 60}),
        ],
        &[
            // A worker without an end needs no plugin for it.
            json!({}),
            json!({"tasks": 0}),
            json!({"uptime": 0}),
            json!({"uptime": "1d"}),
            json!({"task": 1}),
        ],
    )
    .unwrap();
}

#[test]
fn a_worker_stops_after_its_last_task() {
    let config = json!({"tasks": 3});
    assert_eq!(stops(&config, 2, 1_000_000), None);
    assert_eq!(stops(&config, 3, 0).unwrap(), "3 tasks are done");
    // Several ended between two looks.
    assert!(stops(&config, 5, 0).is_some());
}

#[test]
fn a_worker_stops_when_its_time_is_up() {
    let config = json!({"uptime": 60});
    assert_eq!(stops(&config, 1_000_000, 59), None);
    assert_eq!(stops(&config, 0, 60).unwrap(), "it has been up for 60 s");
}

#[test]
fn what_comes_first_counts() {
    let config = json!({"tasks": 3, "uptime": 60});
    assert_eq!(stops(&config, 2, 59), None);
    assert!(stops(&config, 3, 0).is_some());
    assert!(stops(&config, 0, 60).is_some());
}
