//! `run-task`: one task from a file, with everything that comes with the worker.

use serde_json::json;

use crate::kit::{Home, Plugin, Process, files_below, processes_of, repository};

/// Runs a task's file to its end.
async fn run(home: &Home, task: &str, arguments: &[&str]) -> (Option<i32>, Process) {
    let file = home.path().join("task.yml");
    std::fs::write(&file, task).unwrap();
    let mut process = Process::start(
        home,
        "run-task",
        ["run-task", file.to_str().unwrap()].iter().chain(arguments),
    );
    (process.ended().await, process)
}

#[tokio::test]
async fn the_exit_status_tells_how_the_task_ended() {
    for (task, status, said) in [
        (
            "payload: {command: [['true']], maxRunTime: 60}",
            0,
            "completed in ",
        ),
        ("payload: {command: [['false']], maxRunTime: 60}", 1, "failed in "),
        (
            "payload: {command: [['true']], maxRunTime: 60, commnd: x}",
            3,
            "exception (malformed-payload) in ",
        ),
        (
            "payload: {command: [[sh, -c, exit 5]], maxRunTime: 60, onExitStatus: {retry: [5]}}",
            3,
            "exception (intermittent-task) in ",
        ),
        (
            "payload: {command: [['true']], maxRunTime: 60}\nscope: []",
            2,
            "task.yml:2:1: task.scope is not known",
        ),
        ("payload: [", 2, "task.yml:"),
        // The queue does not take it.
        ("payload: {}\ntaskQueueId: not one", 2, "error: "),
    ] {
        let home = Home::new();
        let (found, process) = run(&home, task, &[]).await;
        assert_eq!(found, Some(status), "{task}\n{}", process.err());
        assert!(process.err().contains(said), "{task}: {said}\n{}", process.err());
    }
}

#[tokio::test]
async fn what_can_not_be_run_at_all_has_a_status_of_its_own() {
    let home = Home::new();
    let nowhere = home.path().join("nowhere");
    let task = "payload: {command: [['true']], maxRunTime: 60}";
    let (status, process) = run(&home, task, &["--plugins", nowhere.to_str().unwrap()]).await;
    assert_eq!(status, Some(4), "{}", process.err());
    assert!(process.err().contains("nowhere"), "{}", process.err());
}

#[tokio::test]
async fn a_task_that_is_not_there_is_the_users_error() {
    let home = Home::new();
    let mut process = Process::start(&home, "run-task", ["run-task", "no-such-task.yml"]);
    assert_eq!(process.ended().await, Some(2));
    assert!(process.err().contains("no-such-task.yml"), "{}", process.err());
}

#[tokio::test]
async fn the_log_is_on_standard_output_and_the_rest_is_not() {
    let home = Home::new();
    let task = "payload: {command: [[echo, hel lo]], maxRunTime: 60}";
    let (status, process) = run(&home, task, &[]).await;
    assert_eq!(status, Some(0));
    let (out, err) = (process.out(), process.err());
    assert!(
        out.contains("=== Task Starting ===") && out.contains("\nhel lo\n"),
        "{out}"
    );
    assert!(out.contains("=== Task Finished ==="), "{out}");
    assert_eq!(out.matches("\nhel lo\n").count(), 1, "{out}");
    for stage in [
        "stages: ",
        "prepare ",
        "build ",
        "start ",
        "running ",
        "stopped ",
        "finished ",
        "report ",
    ] {
        assert!(err.contains(stage), "{stage}\n{err}");
    }
    assert!(
        err.contains("public/logs/live_backing.log") && !err.contains("hel lo"),
        "{err}"
    );
}

#[tokio::test]
async fn artifacts_are_kept_where_the_user_wants_them() {
    let home = Home::new();
    let task = json!({"payload": {
        "command": [["sh", "-c", "mkdir -p out/deep; echo one > out/1.txt; echo two > out/deep/2.bin"]],
        "maxRunTime": 60,
        "artifacts": [{"type": "directory", "path": "out", "name": "public/out"}],
    }});
    let (status, process) = run(&home, &task.to_string(), &["--artifacts", "kept"]).await;
    assert_eq!(status, Some(0), "{}", process.err());
    let kept = home.path().join("kept");
    let files: Vec<_> = files_below(&kept)
        .into_iter()
        .filter(|path| kept.join(path).is_file())
        .collect();
    assert_eq!(
        files,
        [
            "public/logs/live_backing.log",
            "public/out/1.txt",
            "public/out/deep/2.bin"
        ]
    );
    // As the task made them: they are stored compressed.
    assert_eq!(
        std::fs::read_to_string(kept.join("public/out/1.txt")).unwrap(),
        "one\n"
    );
    assert_eq!(
        std::fs::read_to_string(kept.join("public/logs/live_backing.log")).unwrap(),
        process.out()
    );
}

#[tokio::test]
async fn variables_are_passed_in_by_name() {
    let home = Home::new();
    let file = home.path().join("task.yml");
    let payload = "payload: {command: [[sh, -c, 'echo \"<$A|$B|$C>\"']], maxRunTime: 60, env: {A: a, C: c}}";
    std::fs::write(&file, payload).unwrap();
    let arguments = ["run-task", "task.yml", "--env", "A=x y", "--env", "B"];
    let mut process = Process::start_with(
        &home,
        "run-task",
        arguments,
        &[("B", "from here"), ("C", "not passed")],
    );
    assert_eq!(process.ended().await, Some(0), "{}", process.err());
    assert!(
        process.out().contains("\n<x y|from here|c>\n"),
        "{}",
        process.out()
    );
    let mut unset = Process::start(&home, "unset", ["run-task", "task.yml", "--env", "NOT_SET"]);
    assert_eq!(unset.ended().await, Some(2));
    assert!(unset.err().contains("--env NOT_SET"), "{}", unset.err());
}

#[tokio::test]
async fn an_interrupt_cancels_the_task() {
    let home = Home::new();
    let file = home.path().join("task.yml");
    std::fs::write(
        &file,
        "payload: {command: [[sh, -c, 'echo rea\"\"dy; sleep 100000']], maxRunTime: 600}",
    )
    .unwrap();
    let mut process = Process::start(&home, "run-task", ["run-task", "task.yml"]);
    process.until_out("\nready\n").await;
    process.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(process.ended().await, Some(3), "{}", process.err());
    assert!(
        process.err().contains("exception (canceled) in "),
        "{}",
        process.err()
    );
    assert!(process.out().contains("task aborted - the task was canceled"));
    assert_eq!(home.processes(), []);
}

#[tokio::test]
async fn the_example_runs_and_leaves_nothing() {
    let home = Home::new();
    // Every plugin that comes with the worker takes part.
    drop(Plugin::all_ordinary());
    let example = repository().join("examples/hello.yml");
    let arguments = ["run-task".as_ref(), example.as_os_str()];
    let mut process = Process::start(&home, "run-task", arguments);
    assert_eq!(process.ended().await, Some(0), "{}", process.err());
    assert!(process.out().contains("Hello from a task."));
    assert!(process.err().contains("public/when.txt"));
    assert_eq!(files_below(&home.temporary()), [""; 0]);
    assert_eq!(processes_of(&home.path().to_string_lossy()), []);
}
