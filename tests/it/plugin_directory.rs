//! The plugin directory: what is dropped into it is taken up, what may not be loaded is not, and why is said.

use serde_json::{Value, json};

use crate::{
    kit::{Expected, Plugin, Process, Scene, WorkerProcess, check, check_all, shell},
    named_by_tests::{UNGRANTED, VERSIONED_A, VERSIONED_B},
};

/// The plugin `versioned` as one of its files has it.
fn versioned(file: &str) -> Plugin {
    Plugin {
        name: "versioned".to_owned(),
        ..Plugin::misbehaving(file, &[])
    }
}

/// How often a version of the plugin has seen a task stop.
fn stops(worker: &WorkerProcess, version: &str) -> usize {
    worker
        .err()
        .matches(&format!("versioned {version}: stopped"))
        .count()
}

#[tokio::test]
async fn a_replaced_plugin_is_taken_up_by_the_next_task_and_not_by_a_running_one() {
    let scene = Scene::new().await;
    let mut worker = scene
        .worker()
        .concurrency(2)
        .plugin(versioned(VERSIONED_A))
        .start();
    let gate = scene.home().path().join("gate");
    let script = format!("while ! test -e {}; do sleep 0.01; done", gate.display());
    let running = scene.create_task(&shell(&script)).await;
    worker.until_stage(&running, "running").await;
    worker.replace_plugin("versioned", &versioned(VERSIONED_B).file);
    check_all(
        &scene,
        vec![("the next task", shell("true"), Expected::completed())],
    )
    .await;
    assert_eq!((stops(&worker, "1.0.0"), stops(&worker, "2.0.0")), (0, 1));
    std::fs::write(&gate, "").unwrap();
    check(&scene, &running, "the running task", &Expected::completed()).await;
    assert_eq!((stops(&worker, "1.0.0"), stops(&worker, "2.0.0")), (1, 1));
    assert!(worker.runs());
}

#[tokio::test]
async fn a_new_version_that_can_not_be_loaded_leaves_the_old_one_in_service() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().plugin(versioned(VERSIONED_A)).start();
    check_all(&scene, vec![("before", shell("true"), Expected::completed())]).await;
    let broken = scene.home().path().join("broken.wasm");
    std::fs::write(&broken, "no component").unwrap();
    for (number, file) in [(2, broken), (3, Plugin::misbehaving(UNGRANTED, &[]).file)] {
        worker.replace_plugin("versioned", &file);
        check_all(&scene, vec![("after", shell("true"), Expected::completed())]).await;
        assert_eq!(stops(&worker, "1.0.0"), number);
    }
    worker.until_err("it is not a WebAssembly component").await;
    worker.until_err("capability kill").await;
}

#[tokio::test]
async fn a_plugin_that_is_dropped_in_while_the_worker_runs_is_taken_up() {
    let scene = Scene::new().await;
    let worker = scene.worker().start();
    check_all(&scene, vec![("before", shell("true"), Expected::completed())]).await;
    assert_eq!(stops(&worker, "1.0.0"), 0);
    worker.replace_plugin("versioned", &versioned(VERSIONED_A).file);
    check_all(&scene, vec![("after", shell("true"), Expected::completed())]).await;
    assert_eq!(stops(&worker, "1.0.0"), 1);
}

#[tokio::test]
async fn a_plugin_without_its_grant_is_refused_by_name_and_with_the_line_that_would_grant_it() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().plugin(Plugin::misbehaving(UNGRANTED, &[])).start();
    // The config names it, so that the worker does not start without it.
    assert_eq!(worker.ended().await, Some(4));
    let said = worker.err();
    for part in [
        "plugin ungranted needs the capability kill, which the config does not grant",
        "plugins.ungranted.grants: [kill]",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

#[tokio::test]
async fn a_plugin_that_nobody_asked_for_is_refused_without_harm_and_its_part_of_the_payload_is_unknown() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().mock().start();
    worker.replace_plugin("ungranted", &Plugin::misbehaving(UNGRANTED, &[]).file);
    let uses = json!({"steps": [], "ungranted": true});
    check_all(
        &scene,
        vec![
            ("one that uses it", uses, Expected::exception("malformed-payload")),
            ("one that does not", json!({"steps": []}), Expected::completed()),
        ],
    )
    .await;
    worker.until_err("plugins.ungranted.grants: [kill]").await;
}

#[tokio::test]
async fn a_plugin_with_its_grant_uses_it() {
    let scene = Scene::new().await;
    let _worker = scene
        .worker()
        .mock()
        .plugin(Plugin::misbehaving(UNGRANTED, &["kill"]))
        .start();
    let payload = json!({"steps": ["forever"], "ungranted": true});
    check_all(&scene, vec![("killed", payload, Expected::failed())]).await;
}

#[tokio::test]
async fn two_files_of_one_name_are_both_refused() {
    let scene = Scene::new().await;
    let plugins = scene.home().path().join("twice");
    std::fs::create_dir(&plugins).unwrap();
    for file in [VERSIONED_A, VERSIONED_B] {
        std::fs::copy(versioned(file).file, plugins.join(format!("{file}.wasm"))).unwrap();
    }
    let arguments = ["plugin", "list", "--json", "--plugins", plugins.to_str().unwrap()];
    let mut list = Process::start(scene.home(), "list", arguments);
    assert_eq!(list.ended().await, Some(0));
    let reports: Value = serde_json::from_str(&list.out()).unwrap();
    let verdicts: Vec<_> = reports
        .as_array()
        .unwrap()
        .iter()
        .map(|report| &report["verdict"]["reason"])
        .collect();
    assert_eq!(verdicts, [&json!("duplicate"), &json!("duplicate")]);
}

#[tokio::test]
async fn a_plugin_that_is_pinned_to_other_bytes_is_refused() {
    let scene = Scene::new().await;
    let mut worker = scene
        .worker()
        .plugin(versioned(VERSIONED_A))
        .set("/plugins/versioned", json!({"sha256": "0".repeat(64)}))
        .start();
    assert_eq!(worker.ended().await, Some(4));
    assert!(
        worker.err().contains("pinned by plugins.versioned.sha256"),
        "{}",
        worker.err()
    );
}
