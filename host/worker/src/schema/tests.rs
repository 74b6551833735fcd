//! What authors are told about values that do not fit.

use serde_json::json;

use super::*;

fn told(schema: Value, value: Value) -> Vec<String> {
    let checker = Checker::new(schema, Show::Short).unwrap();
    checker
        .check("task", &value)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn where_there_could_be_very_many_problems_the_first_is_told() {
    let schema = json!({"items": {"allOf": vec![json!({"type": "string"}); 100]}});
    assert_eq!(told(schema.clone(), json!([1, 2])).len(), 2);
    assert_eq!(told(schema, json!(vec![1; 10_000])).len(), 1);
}

#[test]
fn every_problem_is_told_with_its_path_and_description() {
    let schema = json!({
        "type": "object",
        "required": ["command"],
        "properties": {
            "command": {"description": "What to run.", "type": "array"},
            "artifacts": {"type": "array", "items": {
                "type": "object",
                "properties": {"type": {"description": "What it is.", "enum": ["file", "directory"]}},
                "additionalProperties": false,
            }},
            "maxRunTime": {"type": "integer", "minimum": 1},
        },
    });
    let value = json!({"artifacts": [{"type": "fil"}, {"tpye": "file"}], "maxRunTime": "60"});
    assert_eq!(
        told(schema, value),
        [
            "task.command is missing (What to run.)",
            "task.artifacts[0].type must be one of \"file\", \"directory\", not the string \"fil\", did you mean \"file\"? (What it is.)",
            "task.artifacts[1].tpye is not known, did you mean type?",
            "task.maxRunTime must be an integer, not the string \"60\"",
        ]
    );
}

#[test]
fn of_several_forms_the_near_one_is_explained() {
    let schema = json!({"anyOf": [
        {"type": "null"},
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false},
    ]});
    assert_eq!(
        told(schema.clone(), json!({"a": 1})),
        ["task.a must be a string, not 1"]
    );
    assert_eq!(
        told(schema, json!(1)),
        ["task has none of its possible forms, but is 1"]
    );
}

#[test]
fn references_into_the_schema_are_followed() {
    let schema = json!({
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"type": "object", "properties": {"size": {}}, "additionalProperties": false}},
    });
    assert_eq!(
        told(schema, json!({"a": {"sice": 1}})),
        ["task.a.sice is not known, did you mean size?"]
    );
}

#[test]
fn a_value_that_may_be_a_secret_is_not_shown() {
    let schema = json!({"properties": {"a": {"type": "integer"}, "b": {"enum": ["x"]}, "c": {"not": {}}}});
    let checker = Checker::new(schema, Show::Nothing).unwrap();
    let value = json!({"a": "s3cret", "b": "s3cret", "c": "s3cret"});
    let problems = checker.check("config", &value);
    assert_eq!(problems.len(), 3);
    for problem in problems {
        assert!(!problem.to_string().contains("s3cret"), "{problem}");
    }
}

#[test]
fn long_values_and_odd_names_do_not_flood_the_log() {
    let schema = json!({"additionalProperties": {"type": "integer"}});
    let told = told(schema, json!({"a\nb": "x".repeat(1000), "y".repeat(1000): null}));
    assert_eq!(told[0], "task[\"a\\nb\"] must be an integer, not a string");
    assert!(told[1].len() < 200, "{}", told[1]);
}

#[test]
fn the_nearest_name_is_near() {
    let known = ["maxRunTime", "command", "env"];
    let nearest = |name| nearest(name, known.into_iter());
    assert_eq!(nearest("max_run_time"), Some("maxRunTime"));
    assert_eq!(nearest("comand"), Some("command"));
    assert_eq!(nearest("envs"), Some("env"));
    assert_eq!(nearest("image"), None);
}

#[test]
fn schemas_that_refer_to_the_outside_are_refused() {
    assert!(Checker::new(json!({"$ref": "https://example.com/a.json"}), Show::Short).is_err());
    assert!(Checker::new(json!({"type": "strin"}), Show::Short).is_err());
}
