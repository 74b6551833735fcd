//! The time limit, and that schemas and types agree.

use std::cell::Cell;

use plugin_sdk::testing::agreement;
use serde_json::json;

use super::*;

fn config(value: serde_json::Value) -> Config {
    serde_json::from_value(value).unwrap()
}

#[test]
fn schemas_and_types_agree() {
    agreement::<Payload>(
        &MaxRunTime::payload_schema(&config(json!({"maxRunTime": 3600}))).unwrap(),
        &[
            json!({"maxRunTime": 1}),
            json!({"maxRunTime": 60.0}),
            json!({"maxRunTime": 3600}),
        ],
        &[
            json!({}),
            json!({"maxRunTime": 0}),
            json!({"maxRunTime": -1}),
            json!({"maxRunTime": 1.5}),
            json!({"maxRunTime": "60"}),
            json!({"maxRunTime": 3601}),
            json!({"maxRunTime": 1e300}),
        ],
    )
    .unwrap();
    agreement::<Config>(
        MaxRunTime::CONFIG_SCHEMA,
        &[json!({}), json!({"maxRunTime": 1}), json!({"maxRunTime": 60.0})],
        &[
            json!({"maxRunTime": 0}),
            json!({"maxRunTime": 1e300}),
            json!({"maxruntime": 1}),
        ],
    )
    .unwrap();
}

#[test]
fn a_task_may_ask_for_a_day_where_the_operator_says_nothing() {
    let schema = MaxRunTime::payload_schema(&config(json!({}))).unwrap();
    agreement::<Payload>(
        &schema,
        &[json!({"maxRunTime": 86_400})],
        &[json!({"maxRunTime": 86_401})],
    )
    .unwrap();
}

#[test]
fn the_limit_counts_seconds() {
    let payload: Payload = serde_json::from_value(json!({"maxRunTime": 60.0})).unwrap();
    assert_eq!(milliseconds(payload.max_run_time), 60_000);
    assert_eq!(milliseconds(i64::MAX.into()), u64::MAX);
}

#[test]
fn a_task_that_ends_in_time_is_not_killed() {
    let waited = Cell::new(0);
    let ended = end_in_time(
        1500,
        |limit| {
            waited.set(limit);
            true
        },
        || unreachable!(),
    );
    assert!(matches!(ended, Ok(false)), "{ended:?}");
    assert_eq!(waited.get(), 1500);
}

#[test]
fn a_task_that_does_not_is_killed_once() {
    let killed = Cell::new(0);
    let ended = end_in_time(
        1,
        |_| false,
        || {
            killed.set(killed.get() + 1);
            Ok(())
        },
    );
    assert!(matches!(ended, Ok(true)), "{ended:?}");
    assert_eq!(killed.get(), 1);
}

#[test]
fn a_task_that_ends_by_itself_in_the_last_moment_has_not_exceeded_its_time() {
    for error in [Error::Closed, Error::Cancelled] {
        let ended = end_in_time(1, |_| false, || Err(error));
        assert!(matches!(ended, Ok(false)), "{ended:?}");
    }
}

#[test]
fn a_task_that_can_not_be_killed_does_not_run_on() {
    for error in [
        Error::NotSupported("no".to_owned()),
        Error::Other("no".to_owned()),
    ] {
        let ended = end_in_time(1, |_| false, || Err(error));
        assert!(matches!(&ended, Err(HookError::Internal(_))), "{ended:?}");
    }
}
