//! How commands run, and what the log says of them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use engine_api::{LogLevel, LogSink, RunContext, SandboxEnd};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    kit::{Kit, shell},
    runner::tests,
};

tests![
    commands_run_in_turn_and_the_log_tells_them_apart,
    nothing_runs_after_a_command_that_failed,
    a_command_that_can_not_be_executed_fails_the_task_and_says_why,
    a_command_that_a_signal_ended_has_no_exit_code,
    a_program_is_found_in_the_path_of_the_task,
    both_outputs_come_in_the_order_in_which_they_were_written,
    output_of_many_megabytes_comes_whole,
    the_log_ends_with_the_command_though_a_process_that_got_away_holds_the_pipe,
];

async fn run(kit: &Kit, commands: Value) -> (String, bool, Option<i32>) {
    let (log, results) = kit.suite.run(json!({"command": commands}), &[]).await;
    kit.suite.dispose(results.as_ref()).await;
    (log.text(), results.success(), results.exit_code())
}

async fn commands_run_in_turn_and_the_log_tells_them_apart() {
    let kit = Kit::new();
    let commands = json!([
        ["printf", "one, no line end"],
        ["sh", "-c", "echo 'it'\\''s two'"]
    ]);
    let (log, success, exit_code) = run(&kit, commands).await;
    assert!(success, "{log}");
    assert_eq!(exit_code, Some(0));
    let told: Vec<_> = log.lines().filter(|line| !line.contains(" Time: ")).collect();
    assert_eq!(
        told,
        [
            "[taskcluster] Executing command 0: printf 'one, no line end'",
            "one, no line end",
            "[taskcluster]    Exit Code: 0",
            "[taskcluster]       Result: SUCCEEDED",
            r"[taskcluster] Executing command 1: sh -c 'echo '\''it'\''\'\'''\''s two'\'''",
            "it's two",
            "[taskcluster]    Exit Code: 0",
            "[taskcluster]       Result: SUCCEEDED",
        ]
    );
    assert!(
        log.contains("[taskcluster]    Wall Time: ") && log.contains("[taskcluster]    User Time: "),
        "{log}"
    );
}

async fn nothing_runs_after_a_command_that_failed() {
    let kit = Kit::new();
    let (log, success, exit_code) = run(
        &kit,
        json!([["true"], ["sh", "-c", "exit 7"], ["echo", "not reached"]]),
    )
    .await;
    assert!(!success);
    assert_eq!(exit_code, Some(7));
    assert!(
        log.contains("Exit Code: 7") && log.contains("Result: FAILED"),
        "{log}"
    );
    assert!(!log.contains("not reached"), "{log}");
}

async fn a_command_that_can_not_be_executed_fails_the_task_and_says_why() {
    let kit = Kit::new();
    for (command, why) in [
        (
            json!(["no-such-program"]),
            "Could not execute \"no-such-program\": it is in none of the folders of PATH",
        ),
        (
            json!(["./nothing/here"]),
            "Could not execute \"./nothing/here\": there is no such file",
        ),
        (
            json!(["./plain"]),
            "Could not execute \"./plain\": it is not executable (chmod +x)",
        ),
        (
            json!(["/etc"]),
            "Could not execute \"/etc\": it is not executable",
        ),
        (
            json!(["./noise"]),
            "Could not execute \"./noise\": it is neither a program for this machine nor a script",
        ),
        (
            json!([""]),
            "Could not execute \"\": it is in none of the folders of PATH",
        ),
    ] {
        let prepare = json!([
            "sh",
            "-c",
            "echo x >plain; head -c 100 /dev/zero >noise; chmod +x noise"
        ]);
        let (log, success, exit_code) = run(&kit, json!([prepare, command, ["echo", "not reached"]])).await;
        assert!(!success);
        assert_eq!(exit_code, None);
        assert!(log.contains(&format!("[taskcluster:error] {why}")), "{log}");
        assert!(!log.contains("not reached"), "{log}");
    }
}

async fn a_command_that_a_signal_ended_has_no_exit_code() {
    let kit = Kit::new();
    let (log, success, exit_code) = run(&kit, json!([["sh", "-c", "kill -SEGV $$"]])).await;
    assert!(!success);
    assert_eq!(exit_code, None);
    assert!(log.contains("Exit Code: none, it was ended by SIGSEGV"), "{log}");
}

async fn a_program_is_found_in_the_path_of_the_task() {
    let kit = Kit::new();
    let script = "mkdir bin; printf '#!/bin/sh\\necho found' >bin/mine; chmod +x bin/mine";
    let payload = json!({"command": [["/bin/sh", "-c", script], ["mine"]]});
    let (log, results) = kit
        .suite
        .run(payload, &[("PATH", "/nowhere:bin:/bin:/usr/bin")])
        .await;
    assert!(results.success(), "{}", log.text());
    assert!(log.contains("\nfound\n"), "{}", log.text());
    kit.suite.dispose(results.as_ref()).await;
}

async fn both_outputs_come_in_the_order_in_which_they_were_written() {
    let kit = Kit::new();
    let ended = kit
        .run("i=0; while [ $i -lt 300 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done")
        .await;
    let log = ended.log.text();
    let printed: Vec<_> = log
        .lines()
        .filter(|line| !line.starts_with("[taskcluster]"))
        .collect();
    let expected: Vec<_> = (0..300)
        .flat_map(|i| [format!("out {i}"), format!("err {i}")])
        .collect();
    assert_eq!(printed, expected);
    kit.suite.dispose(ended.results.as_ref()).await;
}

#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl LogSink for Counter {
    fn write(&self, bytes: &[u8]) {
        assert!(bytes.iter().all(|&byte| byte == b'x'));
        self.0.fetch_add(bytes.len() as u64, Ordering::SeqCst);
    }

    fn line(&self, _: LogLevel, _: &str) {}
}

async fn output_of_many_megabytes_comes_whole() {
    let kit = Kit::new();
    let counter = Arc::new(Counter::default());
    let (_, context) = kit.suite.context();
    let context = RunContext {
        log: counter.clone(),
        ..context
    };
    let token = CancellationToken::new();
    let payload = shell("head -c 100000000 /dev/zero | tr '\\0' x");
    let builder = kit
        .suite
        .engine()
        .new_builder(context, payload, &token)
        .await
        .unwrap();
    let sandbox = builder.start(&token).await.unwrap();
    let SandboxEnd::Ended(results) = sandbox.wait(&token).await.unwrap() else {
        panic!("aborted")
    };
    assert!(results.success());
    assert_eq!(counter.0.load(Ordering::SeqCst), 100_000_000);
    kit.suite.dispose(results.as_ref()).await;
}

async fn the_log_ends_with_the_command_though_a_process_that_got_away_holds_the_pipe() {
    let kit = Kit::new();
    let ended = kit
        .run("setsid sh -c 'while :; do echo noise; done' & echo last words")
        .await;
    assert!(ended.results.success(), "{}", ended.log.text());
    assert!(ended.log.contains("last words\n"));
    assert!(
        ended
            .log
            .contains("Killed the processes that the commands had left running"),
        "{}",
        ended.log.text()
    );
    kit.suite.dispose(ended.results.as_ref()).await;
}
