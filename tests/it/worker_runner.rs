//! Under worker-runner: the protocol on standard input and output, and how the worker ends.

use nix::sys::signal::Signal;
use queue::wire::TaskState;
use serde_json::{Value, json};

use crate::kit::{
    Call, Definition, Expected, Fault, HELLO, Process, Proxy, RunOptions, Scene, WELCOME, alive, check,
    eventually, written,
};

const FINISH: &str = "~{\"finish-tasks\":true,\"type\":\"graceful-termination\"}\n";
const ABORT: &str = "~{\"finish-tasks\":false,\"type\":\"graceful-termination\"}\n";

/// A payload that lasts until a file is there.
fn until(gate: &std::path::Path) -> Value {
    let script = format!("while ! test -e {}; do sleep 0.01; done", gate.display());
    json!({"command": [["/bin/sh", "-c", script]], "maxRunTime": 600})
}

fn new_credentials(client_id: &str, access_token: &str) -> String {
    let message = json!({"type": "new-credentials", "client-id": client_id, "access-token": access_token});
    format!("~{message}\n")
}

/// The events for the tools that watch pools.
fn metrics(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("WORKER_METRICS ")?).ok())
        .collect()
}

#[tokio::test]
async fn nothing_is_said_before_the_welcome_and_everything_that_is_logged_after_it_is_a_message() {
    let scene = Scene::new().await;
    let mut worker = RunOptions::new(&scene)
        .set("/numberOfTasksToRun", json!(1))
        .start_with_runner();
    let task_id = scene
        .create_task(&json!({"command": [["true"]], "maxRunTime": 600}))
        .await;
    worker.say("this is for somebody else\n~{\"type\":\"from-tomorrow\"}\n");
    assert_eq!(worker.out(), "");
    worker.say(WELCOME);
    assert_eq!(worker.ended_and_heard().await, Some(0));
    check(&scene, &task_id, "the task", &Expected::completed()).await;
    let out = worker.out();
    assert!(out.starts_with(HELLO), "{out}");
    assert_eq!(worker.messages().len(), out.lines().count());
    assert!(worker.log().contains(&task_id));
    for kind in ["shutdown", "error-report"] {
        assert_eq!(worker.messages_of(kind), [json!(null); 0]);
    }
    let events: Vec<_> = metrics(&worker.log())
        .iter()
        .map(|event| event["eventType"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        events,
        [
            "instanceBoot",
            "workerReady",
            "taskQueued",
            "taskStart",
            "taskFinish"
        ]
    );
}

#[tokio::test]
async fn a_worker_runner_without_capabilities_is_sent_nothing_but_hello() {
    let scene = Scene::new().await;
    let mut worker = RunOptions::new(&scene)
        .mock()
        .set("/numberOfTasksToRun", json!(1))
        .start_with_runner();
    worker.say("~{\"type\":\"welcome\",\"capabilities\":[]}\n");
    let task_id = scene.create_task(&json!({"steps": []})).await;
    assert_eq!(worker.ended_and_heard().await, Some(0));
    check(&scene, &task_id, "the task", &Expected::completed()).await;
    assert_eq!(worker.out(), HELLO);
    assert!(worker.err().contains(&task_id));
}

#[tokio::test]
async fn a_worker_goes_on_when_worker_runner_is_gone() {
    let scene = Scene::new().await;
    let mut worker = RunOptions::new(&scene)
        .mock()
        .set("/numberOfTasksToRun", json!(1))
        .start_greeted()
        .await;
    worker.hang_up();
    worker.until_logged(&["worker-runner says nothing more"]).await;
    let task_id = scene.create_task(&json!({"steps": []})).await;
    assert_eq!(worker.ended_and_heard().await, Some(0));
    check(&scene, &task_id, "the task", &Expected::completed()).await;
}

#[tokio::test]
async fn a_worker_works_while_worker_runner_does_not_read_and_its_log_is_not_lost() {
    let scene = Scene::new().await;
    let tasks = 60;
    let mut worker = RunOptions::new(&scene)
        .mock()
        .set("/capacity", json!(8))
        .set("/numberOfTasksToRun", json!(tasks))
        .start_unheard();
    worker.say(WELCOME);
    let mut created = Vec::new();
    for _ in 0..tasks {
        created.push(scene.create_task(&json!({"steps": []})).await);
    }
    for task_id in &created {
        check(&scene, task_id, "a task", &Expected::completed()).await;
    }
    worker.listen();
    assert_eq!(worker.ended_and_heard().await, Some(0));
    let log = worker.log();
    // More than a pipe holds.
    assert!(log.len() > 128 << 10, "{}", log.len());
    for task_id in &created {
        assert!(log.contains(task_id.as_str()), "{task_id}");
    }
}

#[tokio::test]
async fn credentials_that_are_renewed_during_a_task_are_used_from_then_on() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = RunOptions::new(&scene)
        .through(&proxy)
        .set("/numberOfTasksToRun", json!(2))
        .start_greeted()
        .await;
    let gate = scene.home().path().join("gate");
    let first = scene.create_task(&until(&gate)).await;
    worker.until_stage(&first, "running").await;
    worker.say(&new_credentials("nobody", "wrong"));
    worker.until_logged(&["new credentials", "nobody"]).await;
    std::fs::write(&gate, "").unwrap();
    // What the run does is signed with the task's own credentials.
    check(&scene, &first, "the running task", &Expected::completed()).await;
    eventually("a claim is refused", async || {
        let claims = proxy.calls(Call::Claim);
        claims.iter().any(|claim| claim.answer == Some(401)).then_some(())
    })
    .await;
    let second = scene.create_task(&until(&gate)).await;
    let credentials = scene.queue().credentials();
    worker.say(&new_credentials(
        &credentials.client_id,
        &credentials.access_token,
    ));
    assert_eq!(worker.ended_and_heard().await, Some(0));
    check(&scene, &second, "the next task", &Expected::completed()).await;
    // Neither tells its secret.
    for said in [worker.out(), worker.err()] {
        assert!(!said.contains("wrong") && !said.contains(&credentials.access_token));
    }
}

#[tokio::test]
async fn a_worker_that_may_finish_its_tasks_does_and_claims_no_other() {
    let scene = Scene::new().await;
    let mut worker = RunOptions::new(&scene).start_greeted().await;
    let gate = scene.home().path().join("gate");
    let running = scene.create_task(&until(&gate)).await;
    worker.until_stage(&running, "running").await;
    let pending = scene.create_task(&until(&gate)).await;
    worker.say(FINISH);
    worker.until_logged(&["level=Graceful"]).await;
    std::fs::write(&gate, "").unwrap();
    assert_eq!(worker.ended_and_heard().await, Some(72));
    check(&scene, &running, "the running task", &Expected::completed()).await;
    assert_eq!(scene.status(&pending).await.state, TaskState::Pending);
    assert_eq!(worker.messages_of("shutdown"), [json!(null); 0]);
}

/// A running task that would never end: its taskId, and its process.
async fn endless_task(scene: &Scene) -> (String, i32) {
    let file = scene.home().path().join("pid");
    let script = format!("echo $$ > {}; while :; do sleep 1; done", file.display());
    let payload = json!({"command": [["/bin/sh", "-c", script]], "maxRunTime": 600});
    let task_id = scene.create(&Definition::new(&payload).retries(1)).await;
    let pid = written(&file).await.parse().unwrap();
    (task_id, pid)
}

/// The run was given back, and nothing is left of it.
async fn given_back(scene: &Scene, task_id: &str, pid: i32) {
    let status = scene.status(task_id).await;
    assert_eq!(status.runs[0].reason_resolved.as_deref(), Some("worker-shutdown"));
    assert_eq!(status.state, TaskState::Pending);
    assert!(!alive(pid));
}

#[tokio::test]
async fn a_worker_that_may_not_finish_its_tasks_gives_them_back() {
    let scene = Scene::new().await;
    let mut worker = RunOptions::new(&scene).start_greeted().await;
    let (task_id, pid) = endless_task(&scene).await;
    worker.say(ABORT);
    assert_eq!(worker.ended_and_heard().await, Some(72));
    given_back(&scene, &task_id, pid).await;
}

#[tokio::test]
async fn sigterm_leaves_no_time_for_tasks() {
    let scene = Scene::new().await;
    let mut worker = RunOptions::new(&scene).start_alone();
    let (task_id, pid) = endless_task(&scene).await;
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().await, Some(72));
    given_back(&scene, &task_id, pid).await;
}

#[tokio::test]
async fn sigint_lets_tasks_finish_and_the_next_does_not() {
    let scene = Scene::new().await;
    let mut worker = RunOptions::new(&scene).start_alone();
    let (task_id, pid) = endless_task(&scene).await;
    worker.signal(Signal::SIGINT);
    worker.until_err("level=Graceful").await;
    assert!(alive(pid));
    worker.signal(Signal::SIGINT);
    assert_eq!(worker.ended().await, Some(71));
    given_back(&scene, &task_id, pid).await;
}

#[tokio::test]
async fn a_worker_that_is_idle_for_too_long_asks_for_its_machines_end() {
    let scene = Scene::new().await;
    let mut worker = RunOptions::new(&scene)
        .mock()
        .set("/idleTimeoutSecs", json!(1))
        .set("/shutdownMachineOnIdle", json!(true))
        .start_greeted()
        .await;
    assert_eq!(worker.ended_and_heard().await, Some(68));
    assert_eq!(worker.messages_of("shutdown"), [json!({"type": "shutdown"})]);
    assert!(
        metrics(&worker.log())
            .iter()
            .any(|event| event["eventType"] == "instanceShutdown")
    );
}

#[tokio::test]
async fn a_worker_that_worker_manager_does_not_want_asks_for_its_machines_end() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    // The only other call of a worker that has nothing to do.
    let terminate = r#"{"terminate": true, "reason": "too many"}"#;
    proxy.fault(Call::Other, Fault::Wrong(terminate), 1);
    let mut worker = RunOptions::new(&scene)
        .mock()
        .through(&proxy)
        .start_greeted()
        .await;
    assert_eq!(worker.ended_and_heard().await, Some(70));
    let asked = &proxy.calls(Call::Other)[0].path;
    assert!(asked.ends_with("/eu-1/run/should-terminate"), "{asked}");
    assert_eq!(worker.messages_of("shutdown"), [json!({"type": "shutdown"})]);
}

#[tokio::test]
async fn what_is_broken_is_reported_and_the_machine_goes_where_the_config_says_so() {
    let scene = Scene::new().await;
    // A file is where the worker's directory is to be.
    let file = scene.home().path().join("taskcluster-worker");
    std::fs::write(&file, "").unwrap();
    let mut worker = RunOptions::new(&scene)
        .mock()
        .set("/shutdownMachineOnInternalError", json!(true))
        .set("/instanceType", json!("m1"))
        .start_greeted()
        .await;
    assert_eq!(worker.ended_and_heard().await, Some(69));
    let reports = worker.messages_of("error-report");
    let [report] = &*reports else {
        panic!("{reports:?}")
    };
    assert_eq!(report["kind"], "worker-error");
    assert_eq!(report["title"], "taskcluster-worker error");
    assert!(
        report["description"]
            .as_str()
            .unwrap()
            .contains("taskcluster-worker"),
        "{report}"
    );
    let extra = &report["extra"];
    assert_eq!(
        (&extra["workerId"], &extra["instanceType"], &extra["engine"]),
        (&json!("run"), &json!("m1"), &json!("mock"))
    );
    assert_eq!(worker.messages_of("shutdown"), [json!({"type": "shutdown"})]);
}

#[tokio::test]
async fn a_config_that_is_wrong_is_reported_with_everything_that_is_wrong() {
    let scene = Scene::new().await;
    let mut worker = RunOptions::new(&scene)
        .set("/capacity", json!("two"))
        .set("/workerType", json!(null))
        .start_greeted()
        .await;
    assert_eq!(worker.ended_and_heard().await, Some(73));
    let reports = worker.messages_of("error-report");
    let description = reports[0]["description"].as_str().unwrap();
    for problem in ["capacity must be a whole number", "workerType is missing"] {
        assert!(description.contains(problem), "{description}");
        assert!(worker.log().contains(problem));
    }
    // What our own part gets wrong is told by our own keys.
    let mut worker = RunOptions::new(&scene)
        .set("/taskclusterWorker/worker", json!({"concurency": 1}))
        .start_alone();
    assert_eq!(worker.ended().await, Some(73));
    assert!(
        worker
            .err()
            .contains("worker.concurency is not known, did you mean concurrency?")
    );
}

#[tokio::test]
async fn a_config_that_can_not_be_loaded_and_a_pipe_that_is_not_there_have_statuses_of_their_own() {
    let scene = Scene::new().await;
    let home = scene.home();
    let broken = home.path().join("broken.config");
    std::fs::write(&broken, "{").unwrap();
    for (arguments, status, said) in [
        (&["run"][..], 64, "generic-worker.config"),
        (&["run", "--config", "broken.config"], 64, "is no JSON"),
        (
            &[
                "run",
                "--with-worker-runner",
                "--worker-runner-protocol-pipe",
                "nowhere",
            ],
            78,
            "nowhere-input",
        ),
    ] {
        let mut process = Process::start(home, "command", arguments);
        assert_eq!(process.ended().await, Some(status), "{arguments:?}");
        assert!(process.err().contains(said), "{}", process.err());
    }
}

#[tokio::test]
async fn the_protocol_may_go_over_two_named_pipes() {
    let scene = Scene::new().await;
    let mut worker = RunOptions::new(&scene)
        .mock()
        .set("/numberOfTasksToRun", json!(1))
        .start_over_pipes();
    worker.say(WELCOME);
    let task_id = scene.create_task(&json!({"steps": []})).await;
    assert_eq!(worker.ended_and_heard().await, Some(0));
    check(&scene, &task_id, "the task", &Expected::completed()).await;
    assert!(worker.out().starts_with(HELLO));
    assert!(worker.log().contains(&task_id));
}
