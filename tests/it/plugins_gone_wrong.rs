//! Plugins that misbehave, in each hook, each way: the run ends as it should, and neither the task's other plugins nor the
//! next task are harmed.

use serde_json::{Value, json};

use crate::{
    kit::{Expected, Plugin, Scene, WorkerOptions, check, check_all, eventually},
    named_by_tests::{KEEPER, LIFECYCLE, LIVELOG, MISBEHAVE, RECORDER, WAITS},
};

const HOOKS: [&str; 6] = [
    "new-task",
    "build-sandbox",
    "started",
    "stopped",
    "finished",
    "exception",
];
/// What breaks an instance, in any hook.
const BREAKS: [&str; 8] = [
    "trap",
    "panic",
    "exit",
    "loop",
    "recurse",
    "sleep",
    "eat-memory",
    "hoard-handles",
];

/// How a run ends whose plugin misbehaves, as `(state and reason, whether the plugins are told of an exception)`.
fn expected(hook: &str, how: &str) -> Expected {
    match (hook, how) {
        // So that there is an exception to misbehave in.
        ("exception", _) => Expected::exception("intermittent-task"),
        (_, how) if BREAKS.contains(&how) => Expected::exception("internal-error"),
        ("build-sandbox" | "started" | "stopped", "keep-handle" | "use-kept-handle") => {
            Expected::exception("internal-error")
        }
        (_, "malformed-payload") => Expected::exception("malformed-payload"),
        (_, "resource-unavailable") => Expected::exception("resource-unavailable"),
        (_, "intermittent-task") => Expected::exception("intermittent-task"),
        // Only a plugin that may stop the worker can be fatal.
        (_, "internal" | "fatal") => Expected::exception("internal-error"),
        ("stopped", "false") => Expected::failed(),
        _ => Expected::completed(),
    }
}

/// How long hooks of the guest that misbehaves may take.
#[derive(Clone, Copy)]
enum Patience {
    /// So long that no machine is too slow for what ends by itself.
    Long,
    /// So short that what does not end is soon ended.
    Short,
}

/// A worker with the guest that misbehaves, under limits that it soon meets, and one that records every hook.
fn worker(scene: &Scene, patience: Patience) -> WorkerOptions<'_> {
    let (cpu, hook) = match patience {
        Patience::Long => (20_000, 60_000),
        Patience::Short => (300, 1500),
    };
    let limits = json!({
        "memoryBytes": 8 << 20, "handles": 100, "logLines": 50, "logBytes": 100_000, "cpuMs": cpu, "hookMs": hook,
    });
    scene
        .worker()
        .mock()
        .concurrency(8)
        .plugin(Plugin::misbehaving(MISBEHAVE, &[]))
        .plugin(Plugin::misbehaving(RECORDER, &[]))
        .set("/plugins/misbehave", json!({ "limits": limits }))
        // It breaks again and again, and is to be there all the same.
        .set("/plugins/faultLimit", json!(0))
}

fn order(hook: &str, how: &str) -> Value {
    json!({"steps": [], "misbehave": {"hook": hook, "how": how}})
}

/// Lets the plugin misbehave in every hook, and checks what becomes of each task, what the other plugin heard of it, and that
/// the worker goes on.
async fn check_in_every_hook(patience: Patience, ways: &[&str]) {
    let scene = Scene::new().await;
    let mut worker = worker(&scene, patience).start();
    let mut tasks = Vec::new();
    for how in ways {
        for hook in HOOKS {
            tasks.push((hook, *how, scene.create_task(&order(hook, how)).await));
        }
    }
    for (hook, how, task_id) in &tasks {
        let what = format!("{how} in {hook}");
        let expected = expected(hook, how);
        check(&scene, task_id, &what, &expected).await;
        eventually(&format!("{what} is over"), async || {
            worker
                .err()
                .contains(&format!("run over run={task_id}/0"))
                .then_some(())
        })
        .await;
        let log = worker.err();
        let heard = |hook: &str| {
            log.lines()
                .any(|line| line.contains(&format!("recorder: {hook}")) && line.contains(&**task_id))
        };
        assert!(heard("new-task"), "{what}");
        let last = match expected.exception_reason() {
            Some(reason) => format!("exception ({reason})"),
            None => format!("finished (success: {})", expected.is_success()),
        };
        assert!(heard(&last), "{what}: the other plugin did not hear {last}");
    }
    assert!(worker.runs());
    check_all(
        &scene,
        vec![("the next task", json!({"steps": []}), Expected::completed())],
    )
    .await;
}

#[tokio::test]
async fn a_plugin_that_ends_itself_ends_one_run() {
    check_in_every_hook(Patience::Long, &["trap", "panic", "exit", "recurse"]).await;
}

#[tokio::test]
async fn a_plugin_that_computes_or_sleeps_without_end_ends_one_run() {
    check_in_every_hook(Patience::Short, &["loop", "sleep"]).await;
}

#[tokio::test]
async fn a_plugin_that_takes_all_it_can_get_ends_one_run() {
    check_in_every_hook(Patience::Long, &["eat-memory", "hoard-handles"]).await;
}

#[tokio::test]
async fn a_plugin_that_keeps_what_it_was_lent_ends_one_run() {
    check_in_every_hook(Patience::Long, &["keep-handle", "use-kept-handle"]).await;
}

#[tokio::test]
async fn a_plugin_that_writes_without_end_is_cut_short() {
    check_in_every_hook(Patience::Long, &["flood-log", "flood-output"]).await;
}

#[tokio::test]
async fn every_error_of_a_plugin_has_its_reason() {
    check_in_every_hook(
        Patience::Long,
        &[
            "malformed-payload",
            "resource-unavailable",
            "intermittent-task",
            "internal",
            "fatal",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_plugin_fails_a_task_by_a_word() {
    check_in_every_hook(Patience::Long, &["false"]).await;
}

#[tokio::test]
async fn the_messages_name_the_plugin_the_limit_and_the_key_in_the_config() {
    let scene = Scene::new().await;
    let mut worker = worker(&scene, Patience::Short)
        .plugin(Plugin::ordinary(LIVELOG))
        .start();
    for (how, key) in [
        ("loop", "cpuMs"),
        ("sleep", "hookMs"),
        ("eat-memory", "memoryBytes"),
        ("hoard-handles", "handles"),
    ] {
        let task_id = scene.create_task(&order("started", how)).await;
        scene.resolved(&task_id).await;
        let key = format!("plugins.misbehave.limits.{key}");
        worker.until_err(&key).await;
        let log = scene.log(&task_id).await;
        assert!(
            log.contains("internal error of plugin misbehave") && log.contains(&key),
            "{how}: {log}"
        );
    }
}

#[tokio::test]
async fn what_becomes_of_a_plugin_that_is_not_required_is_a_warning() {
    let scene = Scene::new().await;
    let _worker = worker(&scene, Patience::Short)
        .set("/plugins/misbehave/required", json!(false))
        .plugin(Plugin::ordinary(LIVELOG))
        .start();
    let mut table = Vec::new();
    for hook in ["new-task", "build-sandbox", "started", "stopped"] {
        for how in ["trap", "loop"] {
            let expected = Expected::completed().says("[taskcluster:warn").says("misbehave");
            table.push((hook, order(hook, how), expected));
        }
    }
    check_all(&scene, table).await;
}

#[tokio::test]
async fn an_error_while_the_sandbox_runs_ends_it() {
    let scene = Scene::new().await;
    let _worker = worker(&scene, Patience::Short).start();
    let forever = |how: &str| json!({"steps": ["forever"], "misbehave": {"hook": "started", "how": how}});
    check_all(
        &scene,
        vec![
            (
                "an error",
                forever("intermittent-task"),
                Expected::exception("intermittent-task"),
            ),
            ("a trap", forever("trap"), Expected::exception("internal-error")),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_fatal_error_of_a_plugin_that_may_stop_the_worker_stops_it() {
    let scene = Scene::new().await;
    let mut worker = scene
        .worker()
        .mock()
        .plugin(Plugin::misbehaving(MISBEHAVE, &["lifecycle"]))
        .start();
    let task_id = scene.create_task(&order("stopped", "fatal")).await;
    assert_eq!(worker.ended().await, Some(0));
    check(&scene, &task_id, "fatal", &Expected::exception("internal-error")).await;
}

#[tokio::test]
async fn a_plugin_that_may_stop_the_worker_stops_it_gracefully_or_now() {
    for (how, steps, reason) in [
        ("stop-gracefully", json!([{"sleepMs": 100}]), "completed"),
        ("stop-now", json!(["forever"]), "worker-shutdown"),
    ] {
        let scene = Scene::new().await;
        let mut worker = scene
            .worker()
            .mock()
            .plugin(Plugin::misbehaving(LIFECYCLE, &["lifecycle"]))
            .start();
        let task_id = scene
            .create_task(&json!({"steps": steps, "lifecycle": how}))
            .await;
        assert_eq!(worker.ended().await, Some(0));
        assert_eq!(
            scene.status(&task_id).await.runs[0].reason_resolved.as_deref(),
            Some(reason),
            "{how}"
        );
    }
}

#[tokio::test]
async fn a_plugin_that_waits_for_the_sandbox_uses_up_no_limit() {
    let scene = Scene::new().await;
    let mut worker = scene
        .worker()
        .mock()
        .concurrency(2)
        .plugin(Plugin::misbehaving(WAITS, &[]))
        .set(
            "/plugins/waits",
            json!({"limits": {"cpuMs": 100, "hookMs": 400, "callMs": 400}}),
        )
        .start();
    // Many times what a hook may take.
    let steps = json!([{"sleepMs": 4000}]);
    check_all(
        &scene,
        vec![
            ("in one wait", json!({ "steps": steps }), Expected::completed()),
            (
                "in many",
                json!({"steps": steps, "waits": {"everyMs": 50}}),
                Expected::completed(),
            ),
        ],
    )
    .await;
    worker
        .until_err("waits: the sandbox has ended after 1 waits")
        .await;
}

#[tokio::test]
async fn what_belongs_to_a_phase_ends_with_it_and_what_belongs_to_the_run_does_not() {
    let scene = Scene::new().await;
    let mut worker = scene
        .worker()
        .mock()
        .plugin(Plugin::misbehaving(KEEPER, &["results"]))
        .start();
    let payload = json!({"steps": [{"file": {"path": "folder/a", "content": "kept"}}], "keeper": "folder"});
    check_all(&scene, vec![("kept", payload, Expected::completed())]).await;
    worker
        .until_err("keeper: the walk is closed, the file is not")
        .await;
}
