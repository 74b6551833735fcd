//! How tasks are ended, and what of them.

use std::{sync::Arc, time::Duration};

use engine_api::Sandbox;
use engine_native::NativeConfig;

use crate::{
    kit::{Ended, Kit, lives, marked, number_in, shell},
    runner::tests,
};

tests![
    a_daemon_that_left_group_and_session_is_gone_at_the_natural_end,
    a_daemon_that_left_group_and_session_is_gone_after_a_kill,
    a_daemon_that_left_group_and_session_is_gone_after_an_abort,
    a_tree_of_hundreds_is_gone_after_an_abort,
    a_process_that_forks_and_ends_without_end_is_caught,
    a_killed_process_is_asked_first,
    a_process_that_does_not_listen_is_killed_after_the_grace,
    a_stopped_process_is_asked_too,
    the_whole_tree_is_asked_not_the_command_alone,
    a_task_that_kills_its_supervisor_fails_and_gains_nothing,
    a_task_that_stops_its_supervisor_is_aborted_all_the_same,
    a_sandbox_that_nobody_waits_for_is_ended,
];

/// Leaves a process behind that is in a session of its own and whose parent has ended, with its number in `daemon`.
const DAEMON: &str = "setsid sh -c 'sleep 1000 & echo $! >daemon.new; mv daemon.new daemon' & wait; ";

async fn a_daemon_that_left_group_and_session_is_gone_at_the_natural_end() {
    let kit = Kit::new();
    let Ended { log, results } = kit.run(DAEMON).await;
    assert!(results.success(), "{}", log.text());
    assert!(!lives(number_in(&kit.directory().join("daemon"))));
    assert!(
        log.contains("Killed the processes that the commands had left running: 1"),
        "{}",
        log.text()
    );
    kit.suite.dispose(results.as_ref()).await;
}

async fn a_daemon_that_left_group_and_session_is_gone_after_a_kill() {
    let kit = Kit::new();
    let (_, sandbox) = kit.start(&format!("{DAEMON} echo ready; sleep 1000")).await;
    let daemon = number_in(&kit.directory().join("daemon"));
    assert!(lives(daemon));
    sandbox.kill().unwrap();
    let results = kit.suite.end(sandbox.as_ref()).await;
    assert!(!lives(daemon));
    assert!(!results.success());
    kit.suite.dispose(results.as_ref()).await;
}

async fn a_daemon_that_left_group_and_session_is_gone_after_an_abort() {
    let kit = Kit::new();
    let (_, sandbox) = kit.start(&format!("{DAEMON} echo ready; sleep 1000")).await;
    let daemon = number_in(&kit.directory().join("daemon"));
    assert!(lives(daemon));
    kit.abort(sandbox.as_ref()).await;
    assert!(!lives(daemon));
}

async fn a_tree_of_hundreds_is_gone_after_an_abort() {
    let kit = Kit::new();
    let script = "export MARK=tree-$TASK_WORKDIR
        cat >tree <<'END'
if [ $1 -gt 0 ]; then setsid sh tree $(($1-1)) & sh tree $(($1-1)) & fi; : >up.$$; exec sleep 1000
END
        sh tree 7 &
        while [ $(ls up.* 2>/dev/null | wc -l) -lt 255 ]; do sleep 0.01; done; echo ready; sleep 1000";
    let (_, sandbox) = kit.start(script).await;
    let mark = format!("tree-{}", kit.directory().display());
    assert!(marked(&mark).len() >= 255);
    kit.abort(sandbox.as_ref()).await;
    assert_eq!(marked(&mark), Vec::<i32>::new());
}

async fn a_process_that_forks_and_ends_without_end_is_caught() {
    let kit = Kit::new();
    let script = "export MARK=hop-$TASK_WORKDIR
        echo 'setsid sh hop & : >>hopped' >hop
        sh hop; while ! [ -e hopped ]; do sleep 0.01; done; echo ready; sleep 1000";
    let (_, sandbox) = kit.start(script).await;
    let mark = format!("hop-{}", kit.directory().display());
    kit.abort(sandbox.as_ref()).await;
    assert_eq!(marked(&mark), Vec::<i32>::new());
}

async fn a_killed_process_is_asked_first() {
    let kit = patient();
    let (log, sandbox) = kit
        .start("trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
        .await;
    sandbox.kill().unwrap();
    let results = kit.suite.end(sandbox.as_ref()).await;
    assert!(
        log.contains("\nasked\n") && log.contains("Result: ABORTED"),
        "{}",
        log.text()
    );
    assert!(!results.success());
    assert_eq!(results.exit_code(), None);
    kit.suite.dispose(results.as_ref()).await;
}

async fn a_process_that_does_not_listen_is_killed_after_the_grace() {
    let kit = Kit::new();
    let (log, sandbox) = kit
        .start("trap '' TERM; echo $$ >pid; echo ready; while :; do sleep 0.01; done")
        .await;
    let pid = number_in(&kit.directory().join("pid"));
    sandbox.kill().unwrap();
    let results = kit.suite.end(sandbox.as_ref()).await;
    assert!(!lives(pid));
    assert!(log.contains("Result: ABORTED"), "{}", log.text());
    kit.suite.dispose(results.as_ref()).await;
}

async fn a_stopped_process_is_asked_too() {
    let kit = patient();
    let (log, sandbox) = kit
        .start("(trap 'echo asked; exit' TERM; echo ready; while :; do sleep 0.01; kill -STOP $$; done); :")
        .await;
    sandbox.kill().unwrap();
    let results = kit.suite.end(sandbox.as_ref()).await;
    assert!(log.contains("\nasked\n"), "{}", log.text());
    kit.suite.dispose(results.as_ref()).await;
}

async fn the_whole_tree_is_asked_not_the_command_alone() {
    let kit = patient();
    let script =
        "setsid sh -c 'trap \"echo asked; exit\" TERM; echo ready; while :; do sleep 0.01; done' & wait";
    let (log, sandbox) = kit.start(script).await;
    sandbox.kill().unwrap();
    let results = kit.suite.end(sandbox.as_ref()).await;
    assert!(log.contains("\nasked\n"), "{}", log.text());
    kit.suite.dispose(results.as_ref()).await;
}

async fn a_task_that_kills_its_supervisor_fails_and_gains_nothing() {
    let kit = Kit::new();
    // Processes that are in the tree, and such that left it as far as they can.
    let script = format!("{DAEMON} echo $$ >pid.new; mv pid.new pid; kill -KILL $PPID; sleep 1000");
    let Ended { log, results } = kit.run(&script).await;
    for file in ["daemon", "pid"] {
        assert!(!lives(number_in(&kit.directory().join(file))), "{file}");
    }
    assert!(!results.success());
    assert_eq!(results.exit_code(), None);
    assert!(
        log.contains("The process that supervises this task was killed with SIGKILL"),
        "{}",
        log.text()
    );
    kit.suite.dispose(results.as_ref()).await;
}

async fn a_task_that_stops_its_supervisor_is_aborted_all_the_same() {
    let kit = Kit::new();
    let script =
        format!("{DAEMON} echo $$ >pid.new; mv pid.new pid; kill -STOP $PPID; echo ready; sleep 1000");
    let (_, sandbox) = kit.start(&script).await;
    let [daemon, pid] = ["daemon", "pid"].map(|file| number_in(&kit.directory().join(file)));
    kit.abort(sandbox.as_ref()).await;
    assert!(!lives(daemon) && !lives(pid));
}

async fn a_sandbox_that_nobody_waits_for_is_ended() {
    let tasks = tempfile::tempdir().unwrap();
    let engine = Arc::new(crate::kit::engine(NativeConfig::default(), tasks.path()));
    let suite = engine_api::conformance::Suite::new(engine, Vec::new);
    let (log, sandbox): (_, Arc<dyn Sandbox>) = suite
        .start(
            shell("echo $$ >pid.new; mv pid.new pid; echo ready; sleep 1000"),
            &[],
        )
        .await;
    log.until_contains("\nready\n").await;
    let directory = std::fs::read_dir(tasks.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let pid = number_in(&directory.join("pid"));
    assert!(lives(pid));
    drop(sandbox);
    tokio::task::spawn_blocking(move || {
        while lives(pid) {
            std::thread::yield_now()
        }
    })
    .await
    .unwrap();
    // The next engine removes the directory.
    drop(suite);
    let engine = crate::kit::engine(NativeConfig::default(), tasks.path());
    assert_eq!(std::fs::read_dir(tasks.path()).unwrap().count(), 0);
    engine_api::Engine::dispose(&engine).await.unwrap();
}

/// An engine whose grace no test gets to the end of.
fn patient() -> Kit {
    Kit::with(NativeConfig {
        kill_grace: Duration::from_secs(3600),
        ..NativeConfig::default()
    })
}
