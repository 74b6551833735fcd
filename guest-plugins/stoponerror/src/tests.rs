//! Which errors are too many, and that schema and type agree.

use plugin_sdk::testing::agreement;
use serde_json::json;

use super::*;

/// Counts errors that come at these seconds, and answers at which of them the worker is told to stop.
fn stops(config: serde_json::Value, seconds: &[u64]) -> Vec<u64> {
    let mut plugin = StopOnError::new(&serde_json::from_value(config).unwrap());
    let begin = Instant::now();
    let seconds = seconds.iter().copied();
    seconds
        .filter(|second| {
            plugin
                .count(begin + Duration::from_secs(*second), "an error")
                .is_some()
        })
        .collect()
}

#[test]
fn schema_and_type_agree() {
    agreement::<Config>(
        StopOnError::CONFIG_SCHEMA,
        &[
            json!({}),
            json!({"errors": 3}),
            json!({"errors": 3.0, "withinSeconds": 60}),
        ],
        &[
            json!({"errors": 0}),
            json!({"errors": "1"}),
            json!({"errors": 1e9}),
            json!({"withinSeconds": 0}),
            json!({"within": 1}),
        ],
    )
    .unwrap();
}

#[test]
fn one_error_is_too_many_where_the_operator_says_nothing() {
    assert_eq!(stops(json!({}), &[7]), [7]);
}

#[test]
fn errors_add_up_for_as_long_as_the_worker_lives() {
    assert_eq!(stops(json!({"errors": 3}), &[0, 100_000, 200_000]), [200_000]);
}

#[test]
fn errors_that_are_too_old_do_not_count() {
    let config = json!({"errors": 2, "withinSeconds": 10});
    assert_eq!(stops(config.clone(), &[0, 11, 22]), [0; 0]);
    assert_eq!(stops(config.clone(), &[0, 10]), [10]);
    assert_eq!(stops(config, &[0, 11, 12]), [12]);
}

#[test]
fn no_more_errors_are_kept_than_decide() {
    let mut plugin = StopOnError::new(&serde_json::from_value(json!({"errors": 2})).unwrap());
    let now = Instant::now();
    assert_eq!(plugin.count(now, "one"), None);
    for _ in 0..100 {
        assert!(plugin.count(now, "another").is_some());
    }
    assert_eq!(plugin.recent.len(), 2);
}

#[test]
fn the_reason_names_the_last_error() {
    let config = json!({"errors": 2, "withinSeconds": 60});
    let mut plugin = StopOnError::new(&serde_json::from_value(config).unwrap());
    plugin.count(Instant::now(), "the first");
    assert_eq!(
        plugin.count(Instant::now(), "the second").unwrap(),
        "2 errors within 60 s, at last: the second"
    );
}

#[test]
fn a_long_error_is_cut_between_characters() {
    let long = format!("x{}", "ä".repeat(1000));
    assert_eq!(beginning(&long).len(), MAX_MESSAGE - 1);
    assert_eq!(beginning("short"), "short");
    assert_eq!(beginning(""), "");
}
