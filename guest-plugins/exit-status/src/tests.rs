//! Exit codes, and that schema and types agree.

use plugin_sdk::testing::agreement;
use serde_json::json;

use super::*;

fn payload(value: serde_json::Value) -> Payload {
    serde_json::from_value(value).unwrap()
}

#[test]
fn schema_and_type_agree() {
    agreement::<Payload>(
        ExitStatus::PAYLOAD_SCHEMA,
        &[
            json!({}),
            json!({"onExitStatus": {}}),
            json!({"onExitStatus": {"retry": [], "purgeCaches": []}}),
            json!({"onExitStatus": {"retry": [1, 75.0, 1e300], "purgeCaches": [0]}}),
        ],
        &[
            json!({"onExitStatus": []}),
            json!({"onExitStatus": {"retry": 1}}),
            json!({"onExitStatus": {"retry": [0]}}),
            json!({"onExitStatus": {"retry": [-1]}}),
            json!({"onExitStatus": {"retry": [1.5]}}),
            json!({"onExitStatus": {"retry": ["1"]}}),
            json!({"onExitStatus": {"purgeCaches": [-1]}}),
            json!({"onExitStatus": {"retries": [1]}}),
        ],
    )
    .unwrap();
    agreement::<NoConfig>(ExitStatus::CONFIG_SCHEMA, &[json!({})], &[json!({"retry": [1]})]).unwrap();
}

#[test]
fn a_listed_code_is_chance_and_no_other_is() {
    let retry = payload(json!({"onExitStatus": {"retry": [1, 75.0]}}))
        .on_exit_status
        .retry;
    for code in [1, 75] {
        let judged = judge(&retry, code);
        assert!(
            matches!(&judged, Err(HookError::IntermittentTask(why)) if why.contains(&format!("with {code},"))),
            "{judged:?}"
        );
    }
    for code in [0, 2, -1, 331] {
        assert!(matches!(judge(&retry, code), Ok(true)), "{code}");
    }
}

#[test]
fn an_empty_list_and_none_retry_nothing() {
    for value in [
        json!({}),
        json!({"onExitStatus": {"retry": []}}),
        json!({"onExitStatus": {"purgeCaches": [1]}}),
    ] {
        let retry = payload(value).on_exit_status.retry;
        assert!(matches!(judge(&retry, 1), Ok(true)));
    }
}
