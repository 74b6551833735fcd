//! Plugins that break too often are used no more, and a worker without a plugin that it requires claims nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use queue::wire::TaskState;
use serde_json::{Value, json};

use crate::{
    kit::{Expected, Plugin, Process, Scene, WorkerOptions, WorkerProcess, check, check_all, eventually},
    named_by_tests::{LIVELOG, MISBEHAVE, RECORDER},
};

const QUARANTINED: &str = "plugin misbehave is in quarantine";
const NOT_CLAIMING: &str = "claiming no tasks until it is";

/// A worker with the guest that misbehaves, which after two faults is one too many.
fn worker(scene: &Scene) -> WorkerOptions<'_> {
    scene
        .worker()
        .mock()
        .plugin(Plugin::ordinary(LIVELOG))
        .plugin(Plugin::misbehaving(MISBEHAVE, &[]))
        .plugin(Plugin::misbehaving(RECORDER, &[]))
        .set("/plugins/faultLimit", json!(2))
}

/// The same, where it is not required.
fn tolerant_worker(scene: &Scene) -> WorkerOptions<'_> {
    worker(scene).set("/plugins/misbehave", json!({"required": false}))
}

fn order(hook: &str, how: &str) -> Value {
    json!({"steps": [], "misbehave": {"hook": hook, "how": how}})
}

fn harmless() -> Value {
    json!({"steps": []})
}

/// The same plugin in a file of another hash: with a section that means nothing.
fn other_version(scene: &Scene) -> PathBuf {
    let mut bytes = fs::read(Plugin::misbehaving(MISBEHAVE, &[]).file).unwrap();
    bytes.extend([0, 2, 1, b'x']);
    let file = scene.home().path().join("other.wasm");
    fs::write(&file, bytes).unwrap();
    file
}

/// Puts the plugin into quarantine.
async fn break_twice(scene: &Scene, expected: &Expected) {
    let breaks = [order("stopped", "trap"), order("new-task", "trap")];
    for payload in breaks {
        let task_id = scene.create_task(&payload).await;
        check(scene, &task_id, "one that breaks the plugin", expected).await;
    }
}

/// What is kept of plugins, once it says something.
async fn kept(worker: &WorkerProcess, says: &str) -> String {
    let file = worker.directory().join("plugin-faults.json");
    eventually(&format!("{} says {says}", file.display()), async || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.contains(says).then_some(text)
    })
    .await
}

/// A command that ends, with its exit status and all that it says.
async fn command(scene: &Scene, name: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut process = Process::start(scene.home(), name, arguments);
    let status = process.ended().await;
    (status, format!("{}{}", process.out(), process.err()))
}

async fn release(scene: &Scene, plugin: &str, config: &Path) -> (Option<i32>, String) {
    let config = config.to_str().unwrap();
    command(
        scene,
        "release",
        &["plugin", "release", plugin, "--config", config],
    )
    .await
}

async fn list(scene: &Scene, config: &Path) -> Vec<Value> {
    let config = config.to_str().unwrap();
    let (status, said) = command(scene, "list", &["plugin", "list", "--json", "--config", config]).await;
    assert_eq!(status, Some(0), "{said}");
    serde_json::from_str(&said).unwrap()
}

/// Waits until the worker says that it claims nothing, and shows that a task stays where it is.
async fn stands_still(scene: &Scene, worker: &mut WorkerProcess) -> String {
    worker.until_err(NOT_CLAIMING).await;
    let task_id = scene.create_task(&harmless()).await;
    // It looks again and again meanwhile: each look is a line of the debug log.
    let looks = |worker: &WorkerProcess| worker.err().matches("not claiming").count();
    let before = looks(worker);
    eventually("it has looked again", async || {
        (looks(worker) > before + 1).then_some(())
    })
    .await;
    assert_eq!(scene.status(&task_id).await.state, TaskState::Pending);
    assert!(worker.runs());
    task_id
}

#[tokio::test]
async fn a_plugin_that_breaks_too_often_is_used_for_no_new_task_and_the_others_go_on() {
    let scene = Scene::new().await;
    let mut worker = tolerant_worker(&scene).start();
    break_twice(&scene, &Expected::completed()).await;
    check_all(
        &scene,
        vec![
            (
                "one that uses it",
                order("stopped", "false"),
                Expected::exception("malformed-payload").says("misbehave"),
            ),
            ("one that does not", harmless(), Expected::completed()),
            ("another", harmless(), Expected::completed()),
        ],
    )
    .await;
    worker.until_err("plugin release misbehave").await;
    // Said once, however many runs there are after it.
    assert_eq!(worker.err().matches(QUARANTINED).count(), 1, "{}", worker.err());
    assert!(worker.err().contains("recorder: finished"));
}

#[tokio::test]
async fn the_task_that_was_one_too_many_says_so_in_its_log() {
    let scene = Scene::new().await;
    let _worker = tolerant_worker(&scene).start();
    let too_often = "plugin misbehave has broken too often: this worker uses it for no new task";
    check_all(
        &scene,
        vec![(
            "the first",
            order("stopped", "trap"),
            Expected::completed().says_nothing_of(too_often),
        )],
    )
    .await;
    check_all(
        &scene,
        vec![(
            "the second",
            order("stopped", "trap"),
            Expected::completed().says(too_often),
        )],
    )
    .await;
}

#[tokio::test]
async fn a_worker_claims_nothing_while_a_plugin_that_it_requires_is_in_quarantine_and_goes_on_with_another_version()
 {
    let scene = Scene::new().await;
    let mut worker = worker(&scene).start();
    break_twice(&scene, &Expected::exception("internal-error")).await;
    let task_id = stands_still(&scene, &mut worker).await;
    worker.replace_plugin("misbehave", &other_version(&scene));
    check(&scene, &task_id, "the task that waited", &Expected::completed()).await;
    worker.until_err("claiming tasks again").await;
    assert_eq!(worker.err().matches(NOT_CLAIMING).count(), 1);
}

#[tokio::test]
async fn a_quarantine_outlasts_a_crash_and_ends_when_the_plugin_is_released() {
    let scene = Scene::new().await;
    let mut worker = worker(&scene).start();
    let (status, said) = release(&scene, "misbehave", worker.config()).await;
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("no faults are known of a plugin misbehave"),
        "{said}"
    );
    break_twice(&scene, &Expected::exception("internal-error")).await;
    worker.until_err(NOT_CLAIMING).await;
    kept(&worker, r#""quarantined": "2"#).await;
    worker.kill();
    worker.restart(scene.home());
    let task_id = stands_still(&scene, &mut worker).await;
    let (status, said) = release(&scene, "misbehave", worker.config()).await;
    assert_eq!(status, Some(0), "{said}");
    check(&scene, &task_id, "the task that waited", &Expected::completed()).await;
    // Its faults are forgotten, too.
    let task_id = scene.create_task(&order("stopped", "trap")).await;
    check(
        &scene,
        &task_id,
        "one fault",
        &Expected::exception("internal-error"),
    )
    .await;
    check_all(&scene, vec![("after it", harmless(), Expected::completed())]).await;
}

#[tokio::test]
async fn runs_in_progress_keep_a_plugin_that_is_put_into_quarantine() {
    let scene = Scene::new().await;
    let mut worker = tolerant_worker(&scene)
        .set("/engine", json!("native"))
        .concurrency(2)
        .start();
    let gate = scene.home().path().join("gate");
    let script = format!("while ! test -e {}; do sleep 0.01; done", gate.display());
    let with = |script: &str, hook: &str, how: &str| {
        json!({
            "command": [["/bin/sh", "-c", script]], "misbehave": {"hook": hook, "how": how},
        })
    };
    // Only a plugin that is still there can fail it.
    let running = scene.create_task(&with(&script, "stopped", "false")).await;
    worker.until_stage(&running, "running").await;
    for _ in 0..2 {
        let task_id = scene.create_task(&with("true", "new-task", "trap")).await;
        check(&scene, &task_id, "one that breaks it", &Expected::completed()).await;
    }
    let task_id = scene.create_task(&with("true", "stopped", "false")).await;
    let malformed = Expected::exception("malformed-payload");
    check(&scene, &task_id, "a new one", &malformed).await;
    fs::write(&gate, "").unwrap();
    check(&scene, &running, "the one in progress", &Expected::failed()).await;
}

#[tokio::test]
async fn a_task_that_is_granted_after_its_plugin_broke_is_given_back() {
    let scene = Scene::new().await;
    // With room for another one the worker waits for work while the first one runs.
    let mut worker = worker(&scene)
        .concurrency(2)
        .set("/plugins/faultLimit", json!(1))
        .start();
    let task_id = scene.create_task(&order("stopped", "trap")).await;
    let broke = Expected::exception("internal-error");
    check(&scene, &task_id, "one that breaks it", &broke).await;
    worker.until_err("run over").await;
    let task_id = scene.create_task(&harmless()).await;
    let given_back =
        Expected::exception("worker-shutdown").says("plugin misbehave, which this worker requires");
    check(&scene, &task_id, "one that comes too late", &given_back).await;
    worker.until_err(NOT_CLAIMING).await;
}

#[tokio::test]
async fn what_a_plugin_answers_and_what_it_does_after_a_cancel_is_no_fault() {
    let scene = Scene::new().await;
    let mut worker = worker(&scene)
        .set("/plugins/faultLimit", json!(1))
        .set("/plugins/misbehave", json!({"limits": {"hookMs": 600_000}}))
        .set("/queue/statusInterval", json!("50ms"))
        .start();
    for how in ["internal", "malformed-payload", "resource-unavailable"] {
        let task_id = scene.create_task(&order("stopped", how)).await;
        scene.resolved(&task_id).await;
    }
    // It does not return within its grace.
    let task_id = scene.create_task(&order("started", "sleep")).await;
    worker.until_stage(&task_id, "running").await;
    scene.queue.cancel_task(&task_id).await.unwrap();
    worker.until_err("resolution=exception/canceled").await;
    check_all(
        &scene,
        vec![(
            "the plugin is there",
            order("stopped", "false"),
            Expected::failed(),
        )],
    )
    .await;
    assert!(!worker.err().contains(QUARANTINED));
}

#[tokio::test]
async fn the_list_of_plugins_tells_how_each_fares() {
    let scene = Scene::new().await;
    let worker = tolerant_worker(&scene).start();
    let find = |plugins: Vec<Value>, name: &str| {
        let is = |plugin: &Value| plugin["name"] == name;
        plugins.into_iter().find(is).unwrap()
    };
    let before = find(list(&scene, worker.config()).await, "misbehave");
    assert_eq!(
        (&before["state"], &before["faults"]),
        (&json!("in-service"), &json!(0))
    );
    break_twice(&scene, &Expected::completed()).await;
    kept(&worker, r#""quarantined": "2"#).await;
    // What hooks have cost is written a little later.
    let plugins = eventually("time spent is listed", async || {
        let plugins = list(&scene, worker.config()).await;
        let recorder = find(plugins.clone(), "recorder");
        (recorder["calls"].as_u64()? >= 10).then_some(plugins)
    })
    .await;
    let broken = find(plugins.clone(), "misbehave");
    assert_eq!(
        (&broken["state"], &broken["faults"]),
        (&json!("quarantined"), &json!(2))
    );
    assert_eq!(broken["lastFault"]["kind"], "trap");
    assert_eq!(broken["lastFault"]["hook"], "new-task");
    let recorder = find(plugins, "recorder");
    assert_eq!(
        (&recorder["state"], &recorder["faults"]),
        (&json!("in-service"), &json!(0))
    );
    assert!(recorder["spentMs"].is_u64(), "{recorder}");
    let config = worker.config().to_str().unwrap();
    let (_, said) = command(&scene, "list", &["plugin", "list", "--config", config]).await;
    assert!(said.contains("quarantined: new-task trapped"), "{said}");
    assert!(said.contains("2 faults"), "{said}");
}

#[tokio::test]
async fn a_file_of_faults_that_makes_no_sense_is_set_aside_and_the_worker_works() {
    let scene = Scene::new().await;
    let options = worker(&scene);
    let folder = scene.home().path().join("worker");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("plugin-faults.json"), "{\"version\": ").unwrap();
    let mut worker = options.start();
    check_all(&scene, vec![("a task", harmless(), Expected::completed())]).await;
    worker
        .until_err("the file that keeps them makes no sense, and is set aside")
        .await;
    let aside = fs::read_to_string(folder.join("plugin-faults.broken")).unwrap();
    assert_eq!(aside, "{\"version\": ");
}
