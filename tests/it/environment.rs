//! What tasks find in their environment, whatever language the plugin that sets it is written in.

use serde_json::{Value, json};

use crate::{
    kit::{EnvPlugin, Expected, Language, Scene, WorkerOptions, check_all, places},
    named_by_tests::ENV,
};

/// Holds claims of the plugin that is written in one language.
macro_rules! claims_in {
    ($name:ident, $language:ident, $($claim:ident),*) => {
        mod $name {
            use crate::kit::Language;

            $(#[tokio::test]
            async fn $claim() {
                if let Some(plugin) = Language::$language.env_plugin() {
                    super::$claim(plugin).await;
                }
            })*
        }
    };
}

/// Holds each claim of the plugin in each language.
macro_rules! claims {
    ($($claim:ident),*) => {
        claims_in!(rust, Rust, $($claim),*);
        claims_in!(python, Python, $($claim),*);
        claims_in!(javascript, JavaScript, $($claim),*);
    };
}

claims! {
    a_task_knows_who_it_is_and_can_not_pass_for_another,
    nothing_of_the_workers_environment_is_there,
    variables_that_no_environment_can_hold_are_malformed,
    a_variable_that_is_not_granted_is_denied_in_words
}

/// A worker with all plugins, among them this one.
fn worker<'a>(scene: &'a Scene, plugin: &EnvPlugin) -> WorkerOptions<'a> {
    scene
        .worker()
        .all_plugins()
        .plugin(plugin.plugin.clone())
        .set(&format!("/plugins/{ENV}/sha256"), json!(plugin.sha256))
}

async fn a_task_knows_who_it_is_and_can_not_pass_for_another(plugin: EnvPlugin) {
    let scene = Scene::new().await;
    let _worker = worker(&scene, &plugin)
        .set(
            "/worker/metadata",
            json!({"location": "{\"cloud\":\"none\"}", "instanceType": "m1"}),
        )
        .set(
            &format!("/plugins/{ENV}/config"),
            json!({"extra": {"OPERATOR": "operator", "BOTH": "operator"}}),
        )
        .start();
    let payload = json!({
        "command": [["/bin/sh", "-c", "env | sort; test \"$PWD\" = \"$TASK_WORKDIR\" -a \"$PWD\" = \"$HOME\""]],
        "maxRunTime": 600,
        "env": {"OWN": "own value", "BOTH": "own", "TASK_ID": "another", "RUN_ID": "7"},
    });
    let task_id = scene.create_task(&payload).await;
    scene.resolved(&task_id).await;
    let log = scene.log(&task_id).await;
    let root_url = scene.queue().root_url();
    for line in [
        &format!("TASK_ID={task_id}"),
        "RUN_ID=0",
        &format!("TASK_GROUP_ID={task_id}"),
        &format!("TASKCLUSTER_ROOT_URL={root_url}"),
        "TASKCLUSTER_WORKER_LOCATION={\"cloud\":\"none\"}",
        "TASKCLUSTER_INSTANCE_TYPE=m1",
        "OWN=own value",
        "OPERATOR=operator",
        "BOTH=own",
        "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    ] {
        assert!(
            log.lines().any(|found| found == line),
            "there is no {line}\n{log}"
        );
    }
    assert!(log.contains("Exit Code: 0"), "{log}");
}

async fn nothing_of_the_workers_environment_is_there(plugin: EnvPlugin) {
    let scene = Scene::new().await;
    let _worker = worker(&scene, &plugin)
        .variable("TASKCLUSTER_ACCESS_TOKEN", "s3cret")
        .variable("LANG", "xx_XX")
        .start();
    let payload = json!({"command": [["env"]], "maxRunTime": 600, "env": {"OWN": "own"}});
    let expected = Expected::completed()
        .says("OWN=own")
        .says_nothing_of("s3cret")
        .says_nothing_of("xx_XX")
        .says_nothing_of("XDG_");
    check_all(&scene, vec![("the environment", payload, expected)]).await;
}

async fn variables_that_no_environment_can_hold_are_malformed(plugin: EnvPlugin) {
    let scene = Scene::new().await;
    let _worker = worker(&scene, &plugin).concurrency(4).start();
    let with = |env: serde_json::Value| json!({"command": [["true"]], "maxRunTime": 600, "env": env});
    let malformed = Expected::exception("malformed-payload");
    check_all(
        &scene,
        vec![
            (
                "a number",
                with(json!({"A": 5})),
                malformed.clone().says("task.payload.env.A must be a string"),
            ),
            (
                "an equals sign",
                with(json!({"A=B": "x"})),
                malformed.clone().says("A=B"),
            ),
            ("an empty name", with(json!({"": "x"})), malformed.clone()),
            ("a NUL", with(json!({"A": "x\u{0}"})), malformed),
        ],
    )
    .await;
}

async fn a_variable_that_is_not_granted_is_denied_in_words(plugin: EnvPlugin) {
    let scene = Scene::new().await;
    let _worker = worker(&scene, &plugin)
        .set(
            &format!("/plugins/{ENV}/grants"),
            json!([{"environment": {"names": ["TASK_*", "RUN_ID", "TASKCLUSTER_*", "OWN"]}}]),
        )
        .concurrency(2)
        .start();
    let with = |name: &str| json!({"command": [["env"]], "maxRunTime": 600, "env": {name: "own"}});
    check_all(
        &scene,
        vec![
            ("granted", with("OWN"), Expected::completed().says("OWN=own")),
            (
                "not granted",
                with("OTHER"),
                Expected::exception("malformed-payload")
                    .says("OTHER among the names of environment in plugins.env.grants would grant it"),
            ),
        ],
    )
    .await;
}

/// What does not depend on the language a plugin is written in.
const ALIKE: [&str; 9] = [
    "name",
    "version",
    "summary",
    "documentation",
    "exports",
    "capabilities",
    "configSchema",
    "payloadSchema",
    "verdict",
];

#[tokio::test]
async fn the_plugin_is_the_same_in_all_languages_and_needs_no_more_in_any() {
    let scene = Scene::new().await;
    let report = |plugin: EnvPlugin| {
        let mut report = plugin.check(scene.home().path(), places::cache_home(), Some(&plugin.sha256));
        // A file has them in whatever order.
        let exports = report["exports"].as_array_mut().unwrap();
        exports.sort_by_key(Value::to_string);
        report
    };
    let rust = Language::Rust.env_plugin().map(report).unwrap();
    for language in [Language::Python, Language::JavaScript] {
        let Some(other) = language.env_plugin().map(report) else {
            continue;
        };
        for key in ALIKE {
            assert_eq!(other[key], rust[key], "{language:?}: {key}");
        }
        assert_eq!(other["wasi"], json!([]), "{language:?}");
    }
}

#[tokio::test]
async fn an_interpreter_is_compiled_only_where_the_operator_has_pinned_the_file() {
    let scene = Scene::new().await;
    for language in [Language::Python, Language::JavaScript] {
        let Some(plugin) = language.env_plugin() else {
            continue;
        };
        // What is compiled already has cost what it costs.
        let no_cache = scene.home().path().join("no-cache");
        let report = plugin.check(scene.home().path(), &no_cache, None);
        assert_eq!(
            report["verdict"]["reason"], "too-large",
            "{language:?}: {report:#}"
        );
        let advice = report["verdict"]["advice"].as_str().unwrap();
        assert!(advice.contains("plugins.<name>.sha256"), "{advice}");
    }
}
