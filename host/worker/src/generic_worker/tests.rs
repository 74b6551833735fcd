//! What each key of generic-worker's config comes to, and what is said of those that come to nothing.

use std::collections::BTreeMap;

use plugin_host::{Capability, Grants};
use serde_json::{Value, json};

use super::{
    keys::{KEYS, Kind, Meaning},
    translate::Translated,
    *,
};

/// The least that a config says.
fn least() -> Value {
    json!({
        "rootURL": "https://tc.example.com", "clientId": "me", "accessToken": "s3cret",
        "workerId": "w1", "workerType": "linux",
    })
}

fn translated_with(more: &Value) -> Result<Translated, WrongConfig> {
    let mut members = least();
    for (key, value) in more.as_object().unwrap() {
        members[key] = value.clone();
    }
    let Value::Object(members) = members else {
        unreachable!()
    };
    translate(
        Members {
            file: "gw.config".to_owned(),
            members,
        },
        &BTreeMap::from([
            ("maxruntime", Grants::from_iter([Capability::Kill])),
            ("exit-status", Grants::default()),
        ]),
    )
}

fn ok(more: &Value) -> Translated {
    translated_with(more).unwrap()
}

fn problems(more: &Value) -> Vec<String> {
    translated_with(more).unwrap_err().problems
}

#[test]
fn the_least_config_has_generic_workers_defaults() {
    let Translated {
        config,
        shutdown,
        warnings,
        notes,
    } = ok(&json!({}));
    assert_eq!(
        config,
        json!({
            "taskcluster": {
                "rootUrl": "https://tc.example.com",
                "credentials": {"clientId": "me", "accessToken": "s3cret"},
            },
            "worker": {
                "taskQueueId": "test-provisioner/linux", "workerGroup": "test-worker-group", "workerId": "w1",
                "directory": "taskcluster-worker", "metadata": {},
            },
            "liveLog": {},
            "plugins": {"exit-status": {"grants": []}, "maxruntime": {"grants": ["kill"]}},
        })
    );
    assert_eq!(shutdown, ShutdownMachine::default());
    assert!(warnings.is_empty() && notes.is_empty(), "{warnings:?} {notes:?}");
}

fn comes_to(table: &[(Value, &str, Value)]) {
    for (more, pointer, expected) in table {
        let translated = ok(more);
        assert_eq!(translated.config.pointer(pointer), Some(expected), "{more}");
        assert!(translated.warnings.is_empty(), "{:?}", translated.warnings);
    }
}

#[test]
#[rustfmt::skip]
fn keys_of_the_worker_come_to_what_they_mean() {
    comes_to(&[
        (json!({"certificate": "{}"}), "/taskcluster/credentials/certificate", json!("{}")),
        (json!({"provisionerId": "proj"}), "/worker/taskQueueId", json!("proj/linux")),
        (json!({"workerGroup": "eu"}), "/worker/workerGroup", json!("eu")),
        (json!({"capacity": 8}), "/worker/concurrency", json!(8)),
        (json!({"numberOfTasksToRun": 3}), "/worker/taskLimit", json!(3)),
        (json!({"idleTimeoutSecs": 90}), "/worker/idleTimeout", json!("90s")),
        (json!({"tasksDir": "/t"}), "/worker/directory", json!("/t/taskcluster-worker")),
        (json!({"createObjectArtifacts": true}), "/artifacts/storageType", json!("object")),
        (json!({"maxTaskRunTime": 60}), "/plugins/maxruntime/config/maxRunTime", json!(60)),
    ]);
    for key in ["shutdownMachineOnIdle", "shutdownMachineOnInternalError"] {
        let ShutdownMachine { when_idle, on_internal_error } = ok(&json!({key: true})).shutdown;
        assert_eq!((when_idle, on_internal_error), (key.ends_with("Idle"), key.ends_with("Error")));
    }
}

#[test]
#[rustfmt::skip]
fn keys_of_the_machine_come_to_what_they_mean() {
    let here = "192.0.2.1";
    comes_to(&[
        (json!({"enableLiveLog": false}), "/liveLog/enabled", json!(false)),
        (json!({"wstServerURL": "https://wst"}), "/liveLog/enabled", json!(false)),
        (json!({"publicIP": here}), "/liveLog/publicUrl", json!("http://192.0.2.1:60098")),
        (json!({"publicIP": here}), "/liveLog/listen", json!("0.0.0.0:60098")),
        (json!({"publicIP": "2001:db8::1", "livelogPortBase": 7}), "/liveLog/publicUrl", json!("http://[2001:db8::1]:7")),
        (json!({"publicIP": "2001:db8::1", "livelogPortBase": 7}), "/liveLog/listen", json!("[::]:7")),
        (json!({"publicIP": here, "livelogPortBase": 7, "livelogExposePort": 8}), "/liveLog/listen", json!("0.0.0.0:8")),
        (json!({"publicIP": here}), "/worker/metadata/publicIP", json!(here)),
        (json!({"privateIP": "10.0.0.1"}), "/worker/metadata/privateIP", json!("10.0.0.1")),
        (json!({"region": "eu-1"}), "/worker/metadata/region", json!("eu-1")),
        (json!({"availabilityZone": "eu-1a"}), "/worker/metadata/availabilityZone", json!("eu-1a")),
        (json!({"instanceType": "big"}), "/worker/metadata/instanceType", json!("big")),
        (json!({"instanceID": "i-1"}), "/worker/metadata/instanceId", json!("i-1")),
        (json!({"workerLocation": r#"{"cloud":"aws"}"#}), "/worker/metadata/location", json!(r#"{"cloud":"aws"}"#)),
        (json!({"workerLocation": {"cloud": "aws"}}), "/worker/metadata/location", json!(r#"{"cloud":"aws"}"#)),
        (json!({"workerTypeMetadata": {"a": {"b": 1}}}), "/worker/metadata/workerTypeMetadata", json!(r#"{"a":{"b":1}}"#)),
    ]);
}

#[test]
fn zero_is_without_end_and_nothing_is_nothing() {
    let more = json!({
        "numberOfTasksToRun": 0, "idleTimeoutSecs": 0, "maxTaskRunTime": 0, "workerLocation": "null", "publicIP": "",
        "region": null, "certificate": "", "workerTypeMetadata": {},
    });
    assert_eq!(ok(&more).config, ok(&json!({})).config);
}

#[test]
fn letter_case_does_not_count() {
    let translated =
        ok(&json!({"CAPACITY": 2, "WorkerGroup": "eu", "taskclusterworker": {"engine": "mock"}}));
    assert_eq!(translated.config["worker"]["concurrency"], 2);
    assert_eq!(translated.config["worker"]["workerGroup"], "eu");
    assert_eq!(translated.config["engine"], "mock");
    let twice = ok(&json!({"instanceId": "a", "instanceID": "b"}));
    assert_eq!(twice.config["worker"]["metadata"]["instanceId"], "b");
    assert!(twice.warnings[0].starts_with("instanceId is there more than once"));
}

#[test]
fn unknown_keys_are_a_warning_each_with_the_nearest() {
    let warnings = ok(&json!({"capactiy": 2, "somethingOfOurs": {"secret": "s3cret"}})).warnings;
    assert!(warnings[0].ends_with("did you mean capacity?"), "{warnings:?}");
    assert!(
        warnings[1].starts_with("\"somethingOfOurs\" is no key"),
        "{warnings:?}"
    );
    assert!(!warnings.concat().contains("s3cret"));
}

#[test]
fn every_known_key_of_a_wrong_type_is_a_problem_and_all_are_told() {
    let wrong: Value = KEYS
        .iter()
        .map(|key| (key.name.to_owned(), json!([1])))
        .collect::<Map<_, _>>()
        .into();
    let problems = problems(&wrong);
    assert_eq!(problems.len(), KEYS.len(), "{problems:#?}");
    for key in KEYS {
        let begin = format!("{} must be ", key.name);
        assert!(
            problems.iter().any(|problem| problem.starts_with(&begin)),
            "{}",
            key.name
        );
    }
}

#[test]
fn values_are_never_shown() {
    let problems =
        problems(&json!({"accessToken": 1234, "capacity": "s3cret", "publicIP": "s3cret", "workerId": ""}));
    assert_eq!(
        problems,
        [
            "accessToken must be a string, not this number",
            "capacity must be a whole number from 0 to 255, not this string",
            "publicIP must be an IP address, not this string",
            "workerId is missing",
        ]
    );
}

#[test]
fn problems_are_told_a_line_each() {
    let error = translated_with(&json!({"capacity": "two", "workerId": ""})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "gw.config: capacity must be a whole number from 0 to 255, not this string\ngw.config: workerId is missing"
    );
}

#[test]
fn numbers_are_whole_and_within_bounds() {
    for number in [json!(-1), json!(1.5), json!(256)] {
        let problems = problems(&json!({"capacity": number}));
        assert!(
            problems[0].starts_with("capacity must be a whole number from 0 to 255"),
            "{problems:?}"
        );
    }
}

#[test]
fn what_is_asked_for_and_not_done_is_told() {
    for key in KEYS {
        let asks = match (key.kind, key.meaning) {
            (_, Meaning::Translated | Meaning::Nothing) => continue,
            (_, Meaning::MissedIfFalse(_)) => json!(false),
            (Kind::Flag, _) => json!(true),
            (Kind::Number(_), _) => json!(1),
            _ => json!("a"),
        };
        let notes = ok(&json!({key.name: asks})).notes;
        assert!(
            notes.len() == 1 && notes[0].starts_with(key.name),
            "{}: {notes:?}",
            key.name
        );
    }
    assert_eq!(ok(&json!({"d2gConfig": {"enableD2G": true}})).notes.len(), 1);
    assert!(
        ok(&json!({"d2gConfig": {"enableD2G": false}, "enableMounts": false, "cleanUpTaskDirs": true}))
            .notes
            .is_empty()
    );
}

#[test]
fn our_own_part_is_laid_over_all() {
    let own = json!({
        "worker": {"directory": "/d", "metadata": {"rack": "7"}},
        "plugins": {"maxruntime": {"required": false}, "env": {"grants": ["environment"]}},
        "engines": {"native": {"killGrace": "1s"}},
    });
    let config = ok(&json!({"region": "eu", "taskclusterWorker": own})).config;
    assert_eq!(config["worker"]["directory"], "/d");
    assert_eq!(config["worker"]["metadata"], json!({"region": "eu", "rack": "7"}));
    assert_eq!(
        config["plugins"]["maxruntime"],
        json!({"grants": ["kill"], "required": false})
    );
    assert_eq!(config["plugins"]["env"]["grants"], json!(["environment"]));
    let problems = problems(&json!({"taskclusterWorker": {"taskcluster": {}}}));
    assert!(problems[0].starts_with("taskclusterWorker.taskcluster can't be given"));
}

#[test]
fn files_that_can_not_be_loaded_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("generic-worker.config");
    assert!(matches!(load(&file), Err(LoadError::Read { .. })));
    std::fs::write(&file, "rootURL: a").unwrap();
    assert!(matches!(load(&file), Err(LoadError::NotJson { .. })));
    std::fs::write(&file, "[]").unwrap();
    assert!(matches!(load(&file), Err(LoadError::NotAnObject { .. })));
    std::fs::write(&file, r#"{"TaskclusterWorker": {"pluginDirectory": "/p"}}"#).unwrap();
    assert_eq!(load(&file).unwrap().plugin_directory(), Some(Path::new("/p")));
}
