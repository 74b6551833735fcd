//! What each form of a grant is for, and what it is not for.

use serde_json::{Value, json};

use super::*;

fn grants(value: Value) -> Grants {
    serde_json::from_value(value).unwrap()
}

fn wrong(value: Value) -> String {
    serde_json::from_value::<Grants>(value).unwrap_err().to_string()
}

fn settable(grants: &Grants, names: &[&'static str]) -> Vec<&'static str> {
    let may = |name: &&str| grants.may_set("p", name).is_ok();
    names.iter().copied().filter(may).collect()
}

const NAMES: [&str; 8] = [
    "FOO",
    "GECKO_HEAD",
    "PATH",
    "PATHS",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "path",
];

#[test]
fn a_capability_alone_is_for_everything_but_what_must_be_named() {
    assert_eq!(
        settable(&grants(json!(["environment"])), &NAMES),
        ["FOO", "GECKO_HEAD", "PATHS", "path"]
    );
    assert_eq!(settable(&grants(json!([])), &NAMES), [""; 0]);
    assert_eq!(settable(&grants(json!(["artifacts"])), &NAMES), [""; 0]);
}

#[test]
fn names_are_for_these_alone() {
    let of = |names: Value| settable(&grants(json!([{"environment": {"names": names}}])), &NAMES);
    assert_eq!(of(json!(["FOO", "GECKO_*"])), ["FOO", "GECKO_HEAD"]);
    assert_eq!(of(json!(["PATH"])), ["PATH"]);
    assert_eq!(of(json!(["*"])), ["FOO", "GECKO_HEAD", "PATHS", "path"]);
    assert_eq!(
        of(json!(["*", "PATH"])),
        ["FOO", "GECKO_HEAD", "PATH", "PATHS", "path"]
    );
}

#[test]
fn what_must_be_named_is_not_granted_by_a_pattern_that_is_for_more() {
    let of = |names: Value| settable(&grants(json!([{"environment": {"names": names}}])), &NAMES);
    assert_eq!(of(json!(["P*", "PATH*", "*PATH", "L*"])), ["PATHS"]);
    assert_eq!(of(json!(["LD_*"])), ["LD_PRELOAD", "LD_LIBRARY_PATH"]);
    assert_eq!(of(json!(["LD_LIBRARY_*"])), ["LD_LIBRARY_PATH"]);
    assert_eq!(of(json!(["LD_PRELOAD", "PYTHON*"])), ["LD_PRELOAD", "PYTHONPATH"]);
}

#[test]
fn the_plugin_that_sets_what_tasks_say_may_set_everything() {
    assert_eq!(settable(&Grants::every_variable(), &NAMES), NAMES);
    for (name, _) in loading::NAMES {
        let name = name.replace('*', "X");
        assert!(Grants::every_variable().may_set("p", &name).is_ok(), "{name}");
        assert!(
            grants(json!(["environment"])).may_set("p", &name).is_err(),
            "{name}"
        );
    }
}

#[test]
fn what_is_denied_says_which_line_would_grant_it() {
    let denied = |value: Value, name| grants(value).may_set("p", name).unwrap_err().to_string();
    assert_eq!(
        denied(json!(["environment"]), "PATH"),
        "plugin p may not set the variable \"PATH\", which decides what a program's name stands for and so must be named; \
         [{environment: {names: [\"*\", PATH]}}] in plugins.p.grants would grant it"
    );
    assert_eq!(
        denied(json!([{"environment": {"names": ["A"]}}]), "B C"),
        "plugin p may not set the variable \"B C\"; \"B C\" among the names of environment in plugins.p.grants would grant it"
    );
}

#[test]
fn artifacts_are_granted_by_name() {
    let some = grants(json!([{"artifacts": {"names": ["public/build/*"]}}]));
    let may = |grants: &Grants, name: &str| grants.may_create("p", name).is_ok();
    assert!(may(&some, "public/build/a/b.zip"));
    for name in ["public/build", "public/builds/a", "private/public/build/a"] {
        assert!(!may(&some, name), "{name}");
    }
    assert!(may(&grants(json!(["artifacts"])), "LD_PRELOAD"));
    let denied = grants(json!(["kill"]))
        .may_create("p", "a")
        .unwrap_err()
        .to_string();
    assert!(
        denied.contains("[{artifacts: {names: [a]}}] in plugins.p.grants"),
        "{denied}"
    );
}

#[test]
fn grants_are_written_as_they_are_read() {
    let list = json!([{"environment": {"names": ["*", "PATH", "yes", "a b"]}}, "kill"]);
    assert_eq!(serde_json::to_value(grants(list.clone())).unwrap(), list);
    assert_eq!(
        grants(list).to_string(),
        r#"[{environment: {names: ["*", PATH, "yes", "a b"]}}, kill]"#
    );
    // Parameters that say nothing are as none.
    assert_eq!(grants(json!([{"kill": {}}])), grants(json!(["kill"])));
}

#[test]
fn grants_that_make_no_sense_are_errors_in_words() {
    for (value, expected) in [
        (
            json!(["enviroment"]),
            r#"there is no capability "enviroment"; did you mean environment?"#,
        ),
        (json!([{"enviroment": {}}]), "did you mean environment?"),
        (json!(["everything"]), "there are environment, task-definition,"),
        (json!(["kill", {"kill": {}}]), "kill is granted twice"),
        (
            json!([{"kill": {"names": ["a"]}}]),
            "a grant of kill takes no names",
        ),
        (json!([{"environment": {"name": ["a"]}}]), "unknown field `name`"),
        (
            json!([{"environment": {"names": []}}]),
            "the names of environment are 1 to",
        ),
        (
            json!([{"environment": {"names": [""]}}]),
            "the names of environment are 1 to",
        ),
        (
            json!([{"kill": {}, "results": {}}]),
            "a grant is of one capability",
        ),
        (json!([5]), "a capability, or one with its parameters"),
        (json!("kill"), "a list of capabilities"),
    ] {
        let told = wrong(value.clone());
        assert!(told.contains(expected), "{value}: {told}");
    }
}

#[test]
fn a_star_is_any_run_of_characters_and_nothing_else_is_special() {
    for (pattern, name, expected) in [
        ("", "", true),
        ("", "a", false),
        ("a", "a", true),
        ("a", "ab", false),
        ("*", "", true),
        ("a*c", "abbc", true),
        ("a*c", "abbcd", false),
        ("a*b*c", "a/b/b/c", true),
        ("*a", "aaa", true),
        ("a?c", "abc", false),
        ("[a]", "a", false),
        ("é*", "éa", true),
        ("**a**", "a", true),
    ] {
        assert_eq!(Pattern::from(pattern).matches(name), expected, "{pattern} {name}");
    }
    // One that would never end if each star tried everything.
    let stars = "*a".repeat(500);
    assert!(!Pattern::from(stars.as_str()).matches(&"b".repeat(1024)));
}

#[test]
fn the_schema_tells_what_each_capability_allows() {
    let schema = schemars::schema_for!(Grants).to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for capability in Capability::ALL {
        assert!(validator.is_valid(&json!([capability.name(), {(capability.name()): {}}])));
        assert!(schema.to_string().contains(capability.allows()));
    }
    for good in [json!([]), json!([{"artifacts": {"names": ["public/*"]}}])] {
        assert!(validator.is_valid(&good), "{good}");
    }
    for bad in [
        json!(["x"]),
        json!([{}]),
        json!([{"kill": {"names": ["a"]}}]),
        json!([{"environment": {"names": []}}]),
        json!([{"environment": {"names": ["a"]}, "kill": {}}]),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}
