//! What is published of what a task left behind, and what that says of the task; and that schemas and types agree.

use plugin_sdk::testing::agreement;
use serde_json::{Value, json};

use super::*;

pub(crate) mod fake;
mod judging;
mod listing;
mod telling;
mod uploading;

const DEADLINE: &str = "2026-08-22T17:00:00.000Z";
const EXPIRES: &str = "2026-09-21T17:00:00.000Z";

fn bounds() -> Bounds {
    let time = |text: &str| Time::parse(text.to_owned()).unwrap();
    Bounds {
        deadline: time(DEADLINE),
        expires: time(EXPIRES),
    }
}

/// Reads a payload's list of artifacts.
fn listed(list: Value) -> Result<Vec<Wanted>, String> {
    let payload: Payload = serde_json::from_value(json!({ "artifacts": list })).unwrap();
    payload::read(payload.artifacts, &bounds())
}

#[test]
fn schemas_and_types_agree() {
    let one = |entry: Value| json!({"artifacts": [entry]});
    agreement::<Payload>(
        Artifacts::PAYLOAD_SCHEMA,
        &[
            json!({}),
            json!({"artifacts": []}),
            one(json!({"type": "file", "path": "a"})),
            one(json!({"type": "directory", "path": "/tmp/ä", "name": "ä", "optional": true})),
            one(json!({"type": "file", "path": "a", "expires": EXPIRES, "contentType": "text/plain; charset=utf-8"})),
            one(json!({"type": "file", "path": "a", "contentEncoding": "gzip"})),
            one(json!({"type": "file", "path": "a", "contentEncoding": "identity", "optional": false})),
        ],
        &[
            one(json!({"type": "file"})),
            one(json!({"path": "a"})),
            one(json!({"type": "volume", "path": "a"})),
            one(json!({"type": "file", "path": ""})),
            one(json!({"type": "file", "path": "a", "name": ""})),
            one(json!({"type": "file", "path": "a", "name": null})),
            one(json!({"type": "file", "path": "a", "expires": "tomorrow"})),
            one(json!({"type": "file", "path": "a", "contentType": ""})),
            one(json!({"type": "file", "path": "a", "contentType": "text/plain\n"})),
            one(json!({"type": "file", "path": "a", "contentEncoding": "br"})),
            one(json!({"type": "file", "path": "a", "optional": "yes"})),
            one(json!({"type": "file", "path": "a", "contenttype": "text/plain"})),
            json!({"artifacts": {"a": {"type": "file", "path": "a"}}}),
        ],
    )
    .unwrap();
    agreement::<Config>(
        Artifacts::CONFIG_SCHEMA,
        &[json!({}), json!({"reserved": []}), json!({"reserved": ["a"]})],
        &[json!({"reserved": "a"}), json!({"reserve": []})],
    )
    .unwrap();
}

#[test]
fn the_names_of_the_log_are_reserved_where_the_operator_says_nothing() {
    let config: Config = serde_json::from_value(json!({})).unwrap();
    let schema: Value = serde_json::from_str(Artifacts::CONFIG_SCHEMA).unwrap();
    assert_eq!(
        json!(config.reserved),
        schema["properties"]["reserved"]["default"]
    );
    assert_eq!(
        config.reserved,
        ["public/logs/live.log", "public/logs/live_backing.log"]
    );
}
