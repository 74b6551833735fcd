//! Each capability, used by a plugin that has it. That a plugin without the grant is refused, for each of them, is tested
//! where files are admitted: `every_capability_needs_its_own_grant`.

use super::*;
use crate::capabilities;

#[test]
fn every_capability_has_a_test_here() {
    for capability in capabilities::ALL {
        let test = format!("async fn {}_works()", capability.name.replace('-', "_"));
        assert!(include_str!("capabilities.rs").contains(&test), "{test}");
    }
}

/// A plugin that uses a capability in one hook, with all others as they are.
async fn begun(guest: Guest) -> (Bench, RunPlugins, Arc<Artifacts>) {
    let bench = Bench::new().with("a", guest);
    let (run, artifacts) = bench.begun().await;
    (bench, run, artifacts)
}

#[tokio::test(flavor = "multi_thread")]
async fn environment_works() {
    let (_bench, run, _) = begun(Guest {
        build_sandbox: "(call $set_variable (local.get $handle) (i32.const 0) (i32.const 4) (i32.const 16) (i32.const 8) (i32.const 512))
            (call $expect (i32.const 99))
            (call $set_variable (local.get $handle) (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 512))
            (call $expect (i32.const 2)) (call $ok)",
        ..Guest::default()
    })
    .await;
    let (phase, _told) = builder();
    assert_eq!(run.build_sandbox(phase).await.failures, []);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn task_definition_works() {
    let (bench, run, _) = begun(Guest {
        new_task: "(call $definition (i32.const 512)) (call $say (i32.const 512)) (call $ok)",
        ..Guest::default()
    })
    .await;
    assert_eq!(bench.log.lines(), [r#"{"payload":{"of":"another plugin"}}"#]);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_works() {
    let (_bench, run, _) = begun(Guest {
        started: "(call $kill (local.get $handle) (i32.const 512)) (call $expect (i32.const 99)) (call $ok)",
        ..Guest::default()
    })
    .await;
    let (phase, running, _heard) = sandbox();
    assert_eq!(run.started(phase).await.failures, []);
    assert_eq!(running.0.load(Ordering::SeqCst), 1);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_works() {
    let (_bench, run, _) = begun(Guest {
        stopped: "(call $extract_file (local.get $handle) (i32.const 0) (i32.const 4) (i32.const 512)) (call $expect (i32.const 99))
            (if (i64.ne (call $size (i32.load (i32.const 516))) (i64.const 4)) (then unreachable))
            (call $extract_folder (local.get $handle) (i32.const 16) (i32.const 8) (i32.const 512)) (call $expect (i32.const 0))
            (call $extract_folder (local.get $handle) (i32.const 0) (i32.const 4) (i32.const 512)) (call $expect (i32.const 99))
            (global.set $memory (i32.load (i32.const 516)))
            (call $next_entry (global.get $memory) (i32.const 512)) (call $expect (i32.const 99))
            (if (i32.load8_u (i32.const 528)) (then unreachable))
            (if (i64.ne (call $size (i32.load (i32.const 532))) (i64.const 4)) (then unreachable))
            (call $next_entry (global.get $memory) (i32.const 512)) (call $expect (i32.const 99))
            (if (i32.ne (i32.load (i32.const 524)) (i32.const 1)) (then unreachable))
            (if (i32.eqz (i32.load8_u (i32.const 528))) (then unreachable))
            (if (i32.ne (i32.load8_u (i32.const 532)) (i32.const 1)) (then unreachable))
            (call $next_entry (global.get $memory) (i32.const 512)) (call $expect (i32.const 99))
            (if (i32.load8_u (i32.const 516)) (then unreachable))
            (i32.const 288)",
        ..Guest::default()
    })
    .await;
    let answer = run.stopped(Phase::new(Arc::new(Results) as Arc<_>)).await;
    assert_eq!(answer.failures, []);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_is_closed_with_its_result_set_while_its_files_are_the_runs() {
    let (_bench, run, _) = begun(Guest {
        stopped: "(call $extract_folder (local.get $handle) (i32.const 0) (i32.const 4) (i32.const 512)) (call $expect (i32.const 99))
            (global.set $memory (i32.load (i32.const 516)))
            (call $next_entry (global.get $memory) (i32.const 512)) (call $expect (i32.const 99))
            (global.set $file (i32.load (i32.const 532)))
            (i32.const 288)",
        finished: "(call $next_entry (global.get $memory) (i32.const 512)) (call $expect_refused (i32.const 6))
            (call $read (global.get $file) (i32.const 512)) (call $expect (i32.const 99)) (call $ok)",
        rest: "(global $file (mut i32) (i32.const 0))",
        ..Guest::default()
    })
    .await;
    let phase = Phase::new(Arc::new(Results) as Arc<_>);
    assert_eq!(run.stopped(phase.clone()).await.failures, []);
    drop(phase.end());
    assert_eq!(run.finished(true).await.failures, []);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_is_over_after_an_error_of_its_own() {
    let (_bench, run, _) = begun(Guest {
        stopped: "(call $extract_folder (local.get $handle) (i32.const 64) (i32.const 5) (i32.const 512)) (call $expect (i32.const 99))
            (global.set $memory (i32.load (i32.const 516)))
            (call $next_entry (global.get $memory) (i32.const 512)) (call $expect (i32.const 2))
            (call $next_entry (global.get $memory) (i32.const 512)) (call $expect_refused (i32.const 6))
            (i32.const 288)",
        ..Guest::default()
    })
    .await;
    let answer = run.stopped(Phase::new(Arc::new(Results) as Arc<_>)).await;
    assert_eq!(answer.failures, []);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_works() {
    let (_bench, run, artifacts) = begun(Guest {
        finished: "(call $refer) (call $expect (i32.const 99))
            (call $link (i32.const 16) (i32.const 8) (i32.const 0) (i32.const 4)
              (i32.const 32) (i32.const 10) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512)) (call $expect (i32.const 99))
            (call $report_error (i32.const 16) (i32.const 8) (i32.const 80) (i32.const 22) (i32.const 0) (i32.const 4)
              (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512)) (call $expect (i32.const 99))
            (call $queue) (call $expect (i32.const 99)) (call $ok)",
        ..Guest::default()
    })
    .await;
    assert_eq!(run.finished(true).await.failures, []);
    assert_eq!(
        *artifacts.names.lock().unwrap(),
        [
            "public/a",
            "public/a -> NAME",
            "public/a: file-missing-on-worker",
            "public/a"
        ]
    );
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn task_log_works() {
    let (bench, run, _) = begun(Guest {
        new_task: "(call $live_url (i32.const 512)) (call $expect (i32.const 99)) (call $say (i32.const 516))
            (call $log_content (i32.const 512)) (call $expect (i32.const 9)) (call $ok)",
        finished: "(call $log_content (i32.const 512)) (call $expect (i32.const 99))
            (if (i64.ne (call $size (i32.load (i32.const 516))) (i64.const 28)) (then unreachable)) (call $ok)",
        ..Guest::default()
    })
    .await;
    bench.log.line(LogLevel::Info, Log::CLOSED);
    assert_eq!(bench.log.lines(), ["http://localhost/live", Log::CLOSED]);
    assert_eq!(run.finished(true).await.failures, []);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lifecycle_works() {
    let (bench, run, _) = begun(Guest {
        new_task: "(global.set $memory (call $worker))
            (if (call $stopping (global.get $memory)) (then unreachable))
            (call $stop_gracefully (global.get $memory) (i32.const 0) (i32.const 4))
            (call $stop_now (global.get $memory) (i32.const 16) (i32.const 8))
            (if (i32.eqz (call $stopping (global.get $memory))) (then unreachable)) (call $ok)",
        ..Guest::default()
    })
    .await;
    assert_eq!(
        *bench.worker.0.lock().unwrap(),
        ["gracefully: plugin a: NAME", "now: plugin a: public/a"]
    );
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_run_every_capability_is_closed() {
    let bench = Bench::new();
    let prepared = bench.prepare(Guest {
        describe: "(call $refer) (call $expect (i32.const 6))
            (call $log (i32.const 1) (i32.const 0) (i32.const 4))
            (if (call $stopping (call $worker)) (then unreachable))
            (call $next_outcome (i32.const 512)) (call $expect (i32.const 99))",
        ..Guest::default()
    });
    let described = prepared.describe().await.unwrap();
    assert_eq!(described.config_schema, "{}");
    assert_eq!(prepared.payload_schema(&json!({})).await.unwrap(), "{}");
    bench.log.line(LogLevel::Info, "only this");
    assert_eq!(bench.log.lines(), ["only this"]);
}
