//! Which variables a task has, and that schemas and types agree.

use plugin_sdk::testing::agreement;
use serde_json::json;

use super::*;

fn task() -> TaskInfo {
    TaskInfo {
        task_id: "fN1SbArXTPSVFNUvaOlinQ".to_owned(),
        run_id: 3,
        task_group_id: "dSlITZ4yQgmvxxAi4A8fHQ".to_owned(),
        created: "2026-08-21T17:00:00.000Z".to_owned(),
        deadline: "2026-08-22T17:00:00.000Z".to_owned(),
        expires: "2026-09-21T17:00:00.000Z".to_owned(),
        scopes: Vec::new(),
    }
}

fn worker(metadata: &[(&str, &str)]) -> WorkerInfo {
    let metadata = metadata.iter();
    WorkerInfo {
        root_url: "https://tc.example.com".to_owned(),
        task_queue_id: "local/worker".to_owned(),
        worker_group: "here".to_owned(),
        worker_id: "w1".to_owned(),
        engine: "native".to_owned(),
        metadata: metadata
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn map(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    let variables = variables.iter();
    variables
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn schemas_and_types_agree() {
    agreement::<Payload>(
        Env::PAYLOAD_SCHEMA,
        &[
            json!({}),
            json!({"env": {}}),
            json!({"env": {"A": "", "B": "b=c"}}),
        ],
        &[
            json!({"env": []}),
            json!({"env": {"A": 1}}),
            json!({"env": {"A": null}}),
        ],
    )
    .unwrap();
    agreement::<Config>(
        Env::CONFIG_SCHEMA,
        &[json!({}), json!({"extra": {"CI": "true"}})],
        &[json!({"extra": {"CI": true}}), json!({"extras": {}})],
    )
    .unwrap();
}

#[test]
fn a_task_is_told_who_it_is() {
    assert_eq!(
        of_worker(&task(), &worker(&[])),
        map(&[
            ("TASK_ID", "fN1SbArXTPSVFNUvaOlinQ"),
            ("RUN_ID", "3"),
            ("TASK_GROUP_ID", "dSlITZ4yQgmvxxAi4A8fHQ"),
            ("TASKCLUSTER_ROOT_URL", "https://tc.example.com"),
        ])
    );
}

#[test]
fn a_task_is_told_of_the_machine_what_the_operator_says_of_it() {
    let worker = worker(&[
        ("location", "here"),
        ("instanceType", "large"),
        ("region", "north"),
    ]);
    let variables = of_worker(&task(), &worker);
    assert_eq!(
        variables.get("TASKCLUSTER_WORKER_LOCATION").map(String::as_str),
        Some("here")
    );
    assert_eq!(
        variables.get("TASKCLUSTER_INSTANCE_TYPE").map(String::as_str),
        Some("large")
    );
    assert_eq!(variables.len(), 6);
}

#[test]
fn a_task_replaces_the_operators_variables_and_not_the_workers() {
    let merged = merge(
        map(&[("CI", "true"), ("LANG", "C"), ("RUN_ID", "operator")]),
        map(&[("LANG", "de"), ("OWN", "1"), ("TASK_ID", "task")]),
        map(&[("TASK_ID", "worker"), ("RUN_ID", "0")]),
    );
    assert_eq!(
        merged,
        map(&[
            ("CI", "true"),
            ("LANG", "de"),
            ("OWN", "1"),
            ("TASK_ID", "worker"),
            ("RUN_ID", "0")
        ])
    );
}
