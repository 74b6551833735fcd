//! Schemas are merged property by property, and a payload is taken apart the same way.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn engine() -> Value {
    json!({
        "type": "object",
        "required": ["command"],
        "properties": {
            "command": {"description": "What to run.", "type": "array", "items": {"type": "array", "items": {"type": "string"}}},
            "features": {"type": "object", "properties": {"runAsAdministrator": {"type": "boolean"}}},
        },
    })
}

fn livelog() -> (String, Value) {
    let schema = json!({
        "type": "object",
        "properties": {
            "features": {"type": "object", "properties": {"liveLog": {"type": "boolean"}, "backingLog": {"type": "boolean"}}},
            "logs": {"type": "object", "properties": {"live": {"type": "string"}}},
        },
    });
    ("livelog".to_owned(), schema)
}

fn artifacts() -> (String, Value) {
    let schema = json!({
        "type": "object",
        "properties": {"artifacts": {"type": "array", "items": {"$ref": "#/$defs/Artifact"}}},
        "$defs": {"Artifact": {
            "type": "object",
            "required": ["path"],
            "properties": {"path": {"type": "string"}, "type": {"enum": ["file", "directory"]}},
        }},
    });
    ("artifacts".to_owned(), schema)
}

fn merged() -> PayloadSchema {
    PayloadSchema::merge("native", engine(), vec![livelog(), artifacts()]).unwrap()
}

fn told(payload: Value) -> Vec<String> {
    merged().read(payload.as_object().unwrap()).lines()
}

#[test]
fn each_owner_gets_its_own_properties_and_no_others() {
    let payload = json!({
        "command": [["true"]],
        "features": {"liveLog": true, "runAsAdministrator": false},
        "artifacts": [{"path": "a"}],
        "supersederUrl": "https://example.com",
    });
    let parts = merged().read(payload.as_object().unwrap());
    assert_eq!(parts.problems, []);
    let engine = json!({"command": [["true"]], "features": {"runAsAdministrator": false}});
    assert_eq!(parts.engine_part(), Ok(engine));
    assert_eq!(
        parts.plugins["livelog"],
        Some(json!({"features": {"liveLog": true}}))
    );
    assert_eq!(
        parts.plugins["artifacts"],
        Some(json!({"artifacts": [{"path": "a"}]}))
    );
}

#[test]
fn an_owner_of_nothing_that_is_there_gets_an_empty_part() {
    let parts = merged().read(json!({"command": []}).as_object().unwrap());
    assert_eq!(parts.plugins["artifacts"], Some(json!({})));
}

#[test]
fn only_owners_of_invalid_parts_get_none() {
    let parts = merged().read(
        json!({"command": [], "artifacts": [{"type": "file"}]})
            .as_object()
            .unwrap(),
    );
    assert_eq!(parts.plugins["artifacts"], None);
    assert_eq!(parts.plugins["livelog"], Some(json!({})));
    assert!(parts.engine.is_some());
    assert_eq!(
        parts.engine_part(),
        Err(vec!["task.payload.artifacts[0].path is missing".to_owned()])
    );
}

#[test]
fn unknown_properties_are_told_at_every_level() {
    let told = told(json!({
        "command": [],
        "artefacts": [],
        "features": {"livelog": true, "x": 1},
        "artifacts": [{"path": "a", "typo": 1}],
    }));
    assert_eq!(
        told,
        [
            "task.payload.artefacts is not known to this worker, did you mean artifacts?",
            "task.payload.features.livelog is not known to this worker, did you mean liveLog?",
            "task.payload.features.x is not known to this worker; there is runAsAdministrator, liveLog, backingLog",
            "task.payload.artifacts[0].typo is not known, did you mean type?",
        ]
    );
}

#[test]
fn every_problem_is_told_once() {
    let told = told(json!({"features": true, "artifacts": [{}]}));
    assert_eq!(
        told,
        [
            "task.payload.features must be an object, not true",
            "task.payload.command is missing (What to run.)",
            "task.payload.artifacts[0].path is missing",
        ]
    );
}

#[test]
fn an_empty_payload_is_malformed() {
    assert_eq!(
        told(json!({})),
        ["task.payload.command is missing (What to run.)"]
    );
}

#[test]
fn a_flood_of_problems_is_counted() {
    let artifacts = vec![json!({}); 1000];
    let told = told(json!({"command": [], "artifacts": artifacts}));
    assert_eq!(told.len(), MAX_TOLD + 1);
    assert_eq!(told.last().unwrap(), "and 950 more problems");
}

#[test]
fn two_owners_that_disagree_are_both_named() {
    let other = json!({"type": "object", "properties": {"features": {"type": "object", "properties": {"liveLog": {"type": "string"}}}}});
    let error =
        PayloadSchema::merge("native", engine(), vec![livelog(), ("mine".to_owned(), other)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin livelog and plugin mine both read task.payload.features.liveLog, with different schemas; \
         remove one of the two plugins"
    );
    let leaf = json!({"type": "object", "properties": {"features": {"type": "array"}}});
    let error = PayloadSchema::merge("native", engine(), vec![("mine".to_owned(), leaf)]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the native engine and plugin mine both read task.payload.features,")
    );
}

#[test]
fn two_owners_that_agree_both_see_the_property() {
    let same = json!({"type": "object", "properties": {"maxRunTime": {"type": "integer"}}});
    let plugins = vec![("a".to_owned(), same.clone()), ("b".to_owned(), same)];
    let schema = PayloadSchema::merge("native", engine(), plugins).unwrap();
    let parts = schema.read(json!({"command": [], "maxRunTime": 1}).as_object().unwrap());
    assert_eq!(parts.plugins["a"], Some(json!({"maxRunTime": 1})));
    assert_eq!(parts.plugins["a"], parts.plugins["b"]);
    assert!(
        schema
            .validate(&json!({"command": [], "maxRunTime": "x"}))
            .is_err_and(|told| told.len() == 1)
    );
}

#[test]
fn schemas_that_would_constrain_others_are_refused() {
    for schema in [
        json!({"type": "object", "minProperties": 1}),
        json!({"type": "object", "additionalProperties": true}),
        json!({"type": "array"}),
        json!({"properties": {}}),
        json!(true),
        json!({"type": "object", "properties": {"a": {"$ref": "#/properties/b"}}}),
    ] {
        let merged = PayloadSchema::merge("native", engine(), vec![("mine".to_owned(), schema.clone())]);
        assert!(matches!(merged, Err(MergeError::NotMergeable { .. })), "{schema}");
    }
}

#[test]
fn the_document_is_a_schema_that_accepts_what_is_valid() {
    let schema = merged();
    let checker = Checker::new(schema.document().clone(), Show::Short).unwrap();
    let good =
        json!({"command": [], "artifacts": [{"path": "a", "type": "file"}], "features": {"liveLog": true}});
    assert_eq!(checker.check("task.payload", &good), []);
    for bad in [
        json!({}),
        json!({"command": [], "artifacts": [{}]}),
        json!({"command": [], "features": {"x": 1}}),
    ] {
        assert!(!checker.check("task.payload", &bad).is_empty(), "{bad}");
    }
}

/// Values that are made of the names that schemas have, and of others.
fn payload() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z]{0,4}".prop_map(Value::from),
    ];
    let names = prop_oneof![
        Just("command"),
        Just("features"),
        Just("liveLog"),
        Just("logs"),
        Just("live"),
        Just("artifacts"),
        Just("path"),
        Just("type"),
        Just("other/~name"),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|members| Value::Object(
                members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn the_parts_and_the_document_agree_on_what_is_valid(value in payload()) {
        let schema = merged();
        let payload = match &value { Value::Object(payload) => payload.clone(), _ => Map::new() };
        let parts = schema.read(&payload);
        let checker = Checker::new(schema.document().clone(), Show::Short).unwrap();
        let by_document = checker.check("task.payload", &Value::Object(payload.clone())).is_empty();
        prop_assert_eq!(parts.problems.is_empty(), by_document);
        prop_assert_eq!(parts.engine_part().is_ok(), by_document);
        if by_document {
            prop_assert!(parts.plugins.values().all(Option::is_some));
        }
        // Every part is made of the payload, and nothing of it is in two of them.
        for name in payload.keys().filter(|name| *name != "features") {
            let owners = parts.plugins.values().flatten().chain(&parts.engine).filter(|part| part.get(name).is_some());
            prop_assert!(owners.count() <= 1);
        }
    }
}

#[test]
fn of_very_many_unknown_members_some_are_told_and_all_are_counted() {
    let mut payload = json!({"command": []});
    for number in 0..200 {
        payload[format!("unknown{number}")] = json!(number);
    }
    let lines = merged().read(payload.as_object().unwrap()).lines();
    assert_eq!(lines.len(), MAX_TOLD + 1);
    assert_eq!(lines[MAX_TOLD], "and 150 more problems");
}
