//! Plugins that take part in the worker's life: which of them is in the directory decides how a pool's workers live and end,
//! and none of them keeps a worker from its work.

use std::{fs, path::PathBuf};

use queue::wire::TaskState;
use serde_json::{Value, json};

use crate::{
    kit::{
        Call, Definition, Expected, Fault, Plugin, Proxy, Scene, WorkerOptions, WorkerProcess, check,
        check_all, eventually, shell,
    },
    named_by_tests::{IDLE_SHUTDOWN, LIFETIME, MISBEHAVE, STOPONERROR, TROUBLED},
};

/// A worker with one of the plugins that end it.
fn ended_by<'a>(scene: &'a Scene, plugin: &str, config: &Value) -> WorkerOptions<'a> {
    scene
        .worker()
        .mock()
        .plugin(Plugin::ordinary(plugin))
        .set(&format!("/plugins/{plugin}"), json!({ "config": config }))
}

/// A worker with the guest that has trouble when it hears something.
fn with_trouble<'a>(scene: &'a Scene, when: &str, how: &str) -> WorkerOptions<'a> {
    scene
        .worker()
        .mock()
        .plugin(Plugin::misbehaving(TROUBLED, &[]))
        .set(
            "/plugins/troubled",
            json!({"config": {"when": when, "how": how}, "required": false}),
        )
}

/// The worker ends because a plugin says so, for this reason.
async fn ends_because(worker: &mut WorkerProcess, plugin: &str, why: &str) {
    assert_eq!(worker.ended().await, Some(0));
    let said = format!("why=\"plugin {plugin}: {why}");
    assert!(worker.err().contains(&said), "{said}\n{}", worker.err());
}

async fn completes(scene: &Scene, what: &str) {
    check_all(scene, vec![(what, json!({"steps": []}), Expected::completed())]).await;
}

/// A task that leaves a file behind, which is an error that the worker survives.
fn leaves_a_file() -> Value {
    json!({"steps": [], "faults": {"dispose": {"error": {"kind": "files", "message": "a file stays"}}}})
}

/// How often the guest that has trouble has heard something.
fn heard(worker: &WorkerProcess, what: &str) -> usize {
    worker
        .err()
        .matches(&format!("troubled edition 1: {what}"))
        .count()
}

/// The guest that has trouble, in another version.
fn second_edition(scene: &Scene) -> PathBuf {
    let mut bytes = fs::read(Plugin::misbehaving(TROUBLED, &[]).file).unwrap();
    let text = b"edition 1";
    let places: Vec<usize> = (0..bytes.len() - text.len())
        .filter(|at| bytes[*at..].starts_with(text))
        .collect();
    assert_ne!(places, [0; 0]);
    for at in places {
        bytes[at + text.len() - 1] = b'2';
    }
    let path = scene.home().path().join("second.wasm");
    fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn an_idle_worker_is_ended_by_idle_shutdown_before_it_claims() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = ended_by(&scene, IDLE_SHUTDOWN, &json!({"afterIdle": 0}))
        .through(&proxy)
        .start();
    ends_because(&mut worker, IDLE_SHUTDOWN, "nothing to do for ").await;
    assert_eq!(proxy.seen(Call::Claim), 0);
}

#[tokio::test]
async fn an_idle_worker_is_ended_by_idle_shutdown_near_the_end_of_a_billing_cycle() {
    let scene = Scene::new().await;
    // Every moment of an hour is near its end.
    let config = json!({"afterIdle": 0, "billingCycle": 3600, "nearEnd": 3600});
    let mut worker = ended_by(&scene, IDLE_SHUTDOWN, &config).start();
    ends_because(&mut worker, IDLE_SHUTDOWN, "nothing to do for ").await;
    assert!(worker.err().contains(", and the billing cycle ends in "));
}

#[tokio::test]
async fn an_idle_worker_that_is_paid_for_goes_on_claiming() {
    let scene = Scene::new().await;
    // A cycle that began with the machine and ends in a year.
    let config = json!({"afterIdle": 0, "billingCycle": 31_536_000, "nearEnd": 1});
    let mut worker = ended_by(&scene, IDLE_SHUTDOWN, &config).start();
    completes(&scene, "the first").await;
    completes(&scene, "the second").await;
    assert!(worker.runs());
}

#[tokio::test]
async fn a_worker_is_ended_by_lifetime_after_so_many_tasks_and_claims_no_other() {
    let scene = Scene::new().await;
    let mut worker = ended_by(&scene, LIFETIME, &json!({"tasks": 2})).start();
    completes(&scene, "the first").await;
    completes(&scene, "the second").await;
    let third = scene.create_task(&json!({"steps": []})).await;
    ends_because(&mut worker, LIFETIME, "2 tasks are done").await;
    assert_eq!(scene.status(&third).await.state, TaskState::Pending);
}

#[tokio::test]
async fn a_worker_that_is_ended_by_lifetime_lets_its_other_task_finish() {
    let scene = Scene::new().await;
    let mut worker = ended_by(&scene, LIFETIME, &json!({"tasks": 1}))
        .set("/engine", json!("native"))
        .concurrency(2)
        .start();
    let gate = scene.home().path().join("gate");
    let script = format!("while ! test -e {}; do sleep 0.01; done", gate.display());
    let long = scene.create_task(&shell(&script)).await;
    worker.until_stage(&long, "running").await;
    check_all(
        &scene,
        vec![("a short one", shell("true"), Expected::completed())],
    )
    .await;
    worker.until_err("tasks are done").await;
    fs::write(&gate, "").unwrap();
    check(&scene, &long, "the long one", &Expected::completed()).await;
    ends_because(&mut worker, LIFETIME, "1 tasks are done").await;
}

#[tokio::test]
async fn a_worker_is_ended_by_lifetime_after_so_much_time() {
    let scene = Scene::new().await;
    let mut worker = ended_by(&scene, LIFETIME, &json!({"uptime": 1}))
        .set("/worker/tick", json!("50ms"))
        .start();
    ends_because(&mut worker, LIFETIME, "it has been up for ").await;
}

#[tokio::test]
async fn a_worker_is_ended_by_stoponerror_after_errors_of_its_own_and_not_after_those_of_tasks() {
    let scene = Scene::new().await;
    let mut worker = ended_by(&scene, STOPONERROR, &json!({"errors": 2}))
        .plugin(Plugin::misbehaving(MISBEHAVE, &[]))
        .start();
    let malformed = json!({"steps": 5});
    let internal = json!({"steps": [], "misbehave": {"hook": "stopped", "how": "internal"}});
    for (what, payload, expected) in [
        (
            "one that fails",
            json!({"steps": [{"exitCode": 1}]}),
            Expected::failed(),
        ),
        ("malformed", malformed, Expected::exception("malformed-payload")),
        ("the engine's error", leaves_a_file(), Expected::completed()),
        (
            "one without an error",
            json!({"steps": []}),
            Expected::completed(),
        ),
        (
            "a plugin's error",
            internal,
            Expected::exception("internal-error"),
        ),
    ] {
        check_all(&scene, vec![(what, payload, expected)]).await;
    }
    ends_because(
        &mut worker,
        STOPONERROR,
        "2 errors, at last: plugin misbehave: misbehaving in Stopped",
    )
    .await;
}

#[tokio::test]
async fn a_report_that_the_queue_refuses_is_an_error_of_the_workers_own() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = ended_by(&scene, STOPONERROR, &json!({})).through(&proxy).start();
    proxy.fault(Call::Report, Fault::Status(400), 1);
    scene.create_task(&json!({"steps": []})).await;
    ends_because(
        &mut worker,
        STOPONERROR,
        "an error, at last: the queue refuses the report",
    )
    .await;
}

#[tokio::test]
async fn a_plugin_that_ends_workers_does_nothing_without_its_grant() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().mock().start();
    worker.replace_plugin(IDLE_SHUTDOWN, &Plugin::ordinary(IDLE_SHUTDOWN).file);
    completes(&scene, "the first").await;
    worker
        .until_err("plugins.idle-shutdown.grants: [lifecycle]")
        .await;
    completes(&scene, "the second").await;
    assert!(worker.runs());
}

/// A worker that would be ended by any of the plugins, of which it has that one which never does so.
fn of_a_pool(scene: &Scene) -> WorkerOptions<'_> {
    let entry = |config: Value| json!({"grants": ["lifecycle"], "config": config, "required": false});
    scene
        .worker()
        .mock()
        .plugin(Plugin::ordinary(IDLE_SHUTDOWN))
        .set("/plugins/idle-shutdown", entry(json!({"afterIdle": 31_536_000})))
        .set("/plugins/lifetime", entry(json!({"tasks": 3})))
        .set("/plugins/stoponerror", entry(json!({"errors": 1})))
}

/// Puts another plugin in the place of the one that is there.
fn swap(worker: &WorkerProcess, former: &str, next: &str) {
    fs::remove_file(worker.plugins().join(format!("{former}.wasm"))).unwrap();
    worker.replace_plugin(next, &Plugin::ordinary(next).file);
}

#[tokio::test]
async fn swapping_the_plugin_of_a_running_worker_changes_how_it_lives() {
    let scene = Scene::new().await;
    let mut worker = of_a_pool(&scene).start();
    for task in ["the first", "the second", "the third"] {
        completes(&scene, task).await;
    }
    assert!(worker.runs());
    swap(&worker, IDLE_SHUTDOWN, STOPONERROR);
    completes(&scene, "one under another plugin").await;
    assert!(worker.runs());
    check_all(&scene, vec![("an error", leaves_a_file(), Expected::completed())]).await;
    ends_because(&mut worker, STOPONERROR, "an error, at last: ").await;
}

#[tokio::test]
async fn swapping_the_plugin_between_two_starts_changes_how_the_pool_lives() {
    let scene = Scene::new().await;
    let mut worker = of_a_pool(&scene).start();
    check_all(&scene, vec![("an error", leaves_a_file(), Expected::completed())]).await;
    for task in ["the first", "the second", "the third"] {
        completes(&scene, task).await;
    }
    worker.stop(1).await;
    assert_eq!(worker.ended().await, Some(0));
    swap(&worker, IDLE_SHUTDOWN, LIFETIME);
    worker.restart(scene.home());
    for task in ["the first again", "the second again", "the third again"] {
        completes(&scene, task).await;
    }
    ends_because(&mut worker, LIFETIME, "3 tasks are done").await;
}

#[tokio::test]
async fn a_plugin_that_traps_is_started_again_and_serves_again() {
    let scene = Scene::new().await;
    let mut worker = with_trouble(&scene, "report-progress (running: 0, resolved: 1)", "trap")
        .set("/worker/tick", json!("1h"))
        .start();
    completes(&scene, "the one that is too much for it").await;
    worker.until_err("a worker plugin serves again").await;
    assert_eq!(heard(&worker, "worker-started"), 2);
    completes(&scene, "the next").await;
    worker
        .until_err("troubled edition 1: report-progress (running: 0, resolved: 2)")
        .await;
    assert!(worker.runs());
}

#[tokio::test]
async fn what_goes_wrong_while_a_plugin_is_started_again_it_hears_afterwards() {
    let scene = Scene::new().await;
    let mut worker = with_trouble(&scene, "report-progress (running: 0, resolved: 1)", "trap")
        .set("/worker/tick", json!("1h"))
        .start();
    completes(&scene, "the one that is too much for it").await;
    check_all(&scene, vec![("an error", leaves_a_file(), Expected::completed())]).await;
    worker
        .until_err("troubled edition 1: report-non-fatal-error (")
        .await;
    assert_eq!(heard(&worker, "worker-started"), 2);
}

#[tokio::test]
async fn a_plugin_that_traps_again_and_again_is_given_up_and_the_worker_goes_on() {
    let scene = Scene::new().await;
    let mut worker = with_trouble(&scene, "report-progress", "trap")
        .set("/worker/tick", json!("20ms"))
        .set("/plugins/faultLimit", json!(0))
        .start();
    worker
        .until_err("a worker plugin broke too often, the worker goes on without it")
        .await;
    assert_eq!(heard(&worker, "worker-started"), 4, "not three restarts");
    completes(&scene, "the next").await;
    assert_eq!(heard(&worker, "worker-started"), 4);
    assert!(worker.runs());
}

#[tokio::test]
async fn a_worker_without_a_plugin_that_it_requires_claims_nothing_until_there_is_another_version() {
    let scene = Scene::new().await;
    let mut worker = with_trouble(&scene, "edition 1: report-progress", "trap")
        .set("/plugins/troubled/required", json!(true))
        .set("/worker/tick", json!("20ms"))
        .set("/plugins/faultLimit", json!(0))
        .start();
    worker.until_err("the worker goes on without it").await;
    // It may have asked for work already: then it gives this one back.
    let definition = Definition::new(&json!({"steps": []})).retries(1);
    let task_id = scene.create(&definition).await;
    worker.until_err("claiming no tasks until it is").await;
    // Each time that it looks again is a line of the debug log.
    let looks = |worker: &WorkerProcess| worker.err().matches("not claiming").count();
    let before = looks(&worker);
    eventually("it has looked again", async || {
        (looks(&worker) > before + 1).then_some(())
    })
    .await;
    assert_eq!(scene.status(&task_id).await.state, TaskState::Pending);
    worker.replace_plugin(TROUBLED, &second_edition(&scene));
    assert_eq!(scene.resolved(&task_id).await.state, TaskState::Completed);
    worker.until_err("troubled edition 2: report-progress").await;
}

#[tokio::test]
async fn a_plugin_that_does_not_want_to_be_started_again_is_given_up() {
    let scene = Scene::new().await;
    let worker = with_trouble(&scene, "worker-started", "refuse").start();
    completes(&scene, "one without it").await;
    assert_eq!(heard(&worker, "report-"), 0);
    assert!(worker.err().contains("it does not want to"));
}

#[tokio::test]
async fn what_a_required_plugin_says_when_it_does_not_want_to_be_started_is_no_line_of_the_worker() {
    let scene = Scene::new().await;
    let mut worker = with_trouble(&scene, "worker-started", "refuse")
        .set("/plugins/troubled/required", json!(true))
        .start();
    assert!(worker.ended().await.is_some_and(|status| status != 0));
    let log = worker.err();
    assert!(log.contains("it does not want to"), "{log}");
    assert!(!log.contains('\u{1b}') && !log.contains("\n2026-01-01"), "{log}");
}

#[tokio::test]
async fn a_plugin_that_hangs_when_the_worker_is_idle_does_not_keep_it_from_its_work() {
    let scene = Scene::new().await;
    let mut worker = with_trouble(&scene, "report-idle", "sleep")
        // Longer than any test may take.
        .set("/plugins/troubled/limits", json!({"hookMs": 3_600_000}))
        .start();
    completes(&scene, "the first").await;
    completes(&scene, "the second").await;
    assert_eq!(heard(&worker, "report-idle"), 1);
    worker.stop(1).await;
    assert_eq!(worker.ended().await, Some(0));
}

#[tokio::test]
async fn the_other_plugins_hear_of_one_that_breaks() {
    let scene = Scene::new().await;
    let mut worker = with_trouble(&scene, "report-progress", "trap")
        .plugin(Plugin::ordinary(STOPONERROR))
        .start();
    completes(&scene, "the one that is too much for it").await;
    ends_because(
        &mut worker,
        STOPONERROR,
        "an error, at last: worker plugin troubled: report-progress trapped",
    )
    .await;
}

#[tokio::test]
async fn a_new_version_that_does_not_start_leaves_the_former_one_in_service() {
    let scene = Scene::new().await;
    let mut worker = with_trouble(&scene, "edition 2: worker-started", "refuse").start();
    completes(&scene, "the first").await;
    worker.replace_plugin(TROUBLED, &second_edition(&scene));
    completes(&scene, "the second").await;
    worker.until_err("troubled edition 2: worker-started").await;
    completes(&scene, "the third").await;
    worker
        .until_err("troubled edition 1: report-progress (running: 0, resolved: 3)")
        .await;
    assert!(!worker.err().contains("troubled edition 2: report-"));
}

#[tokio::test]
async fn a_new_version_that_takes_long_to_start_leaves_the_worker_and_the_former_one_at_work() {
    let scene = Scene::new().await;
    let mut worker = with_trouble(&scene, "edition 2: worker-started", "sleep")
        // Longer than any test may take.
        .set("/plugins/troubled/limits", json!({"hookMs": 3_600_000}))
        .start();
    completes(&scene, "the first").await;
    worker.replace_plugin(TROUBLED, &second_edition(&scene));
    completes(&scene, "the second").await;
    worker.until_err("troubled edition 2: worker-started").await;
    completes(&scene, "the third").await;
    worker
        .until_err("troubled edition 1: report-progress (running: 0, resolved: 3)")
        .await;
    worker.stop(1).await;
    assert_eq!(worker.ended().await, Some(0));
}
