//! The target `payload`: `{"engine": SCHEMA, "plugins": {NAME: SCHEMA}, "payload": {…}}`.

use serde_json::{Map, Value};
use taskcluster_worker::fuzz::{self, Payload};

use crate::{Place, Ready};

pub(crate) fn ready(_place: &Place) -> Ready {
    Box::new(|input| {
        let Ok(Value::Object(mut members)) = serde_json::from_slice(input) else {
            return;
        };
        let engine = members.remove("engine").unwrap_or_default();
        let plugins = object(members.remove("plugins")).into_iter().collect();
        let payload = object(members.remove("payload"));
        let Ok(read) = fuzz::payload(engine, plugins, &payload) else {
            return;
        };
        check(&read, &payload);
    })
}

/// Nobody gets what the task's author did not write, and a payload that is wrong has a line that says so.
fn check(read: &Payload, payload: &Map<String, Value>) {
    let whole = Value::Object(payload.clone());
    for part in &read.parts {
        assert!(is_part(part, &whole), "{part} is no part of {whole}");
    }
    assert!(read.lines.len() <= 51, "{} lines", read.lines.len());
}

/// Whether a value is another, members of objects left out.
fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(key, member)| whole.get(key).is_some_and(|whole| is_part(member, whole))),
        _ => part == whole,
    }
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}
