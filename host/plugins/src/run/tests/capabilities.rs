//! Each capability, used by a plugin that has it. That a plugin without the grant is refused, for each of them, is tested
//! where files are admitted: `every_capability_needs_its_own_grant`.

use super::*;
use crate::{capabilities::Capability, grants::Grants};

#[test]
fn every_capability_has_a_test_here() {
    for capability in Capability::ALL {
        let test = format!("async fn {}_works()", capability.name().replace('-', "_"));
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

/// Sets the variable NAME, of which this comes, by its place in `error`.
macro_rules! sets_name {
    ($case:literal) => {
        concat!(
            "(call $set_variable (local.get $handle) (i32.const 0) (i32.const 4) (i32.const 16) (i32.const 8) (i32.const 512))
            (call $expect (i32.const ",
            $case,
            ")) (call $ok)"
        )
    };
}

/// The kind of what fails a hook that answers with the refusal at 512.
const ANSWERS_THE_REFUSAL: &str = "
    (func $answer (result i32)
      (if (i32.eqz (i32.load8_u (i32.const 512))) (then (return (call $ok))))
      (i32.store8 (i32.const 320) (i32.const 1))
      (i32.store8 (i32.const 324) (i32.const 0))
      (i64.store (i32.const 328) (i64.load (i32.const 520)))
      (i32.const 320))";

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_not_granted_is_denied_with_the_line_that_would_grant_it() {
    let mut bench = Bench::new();
    bench.grants = Grants::default().with_names(Capability::Environment, ["GECKO_*", "PATH"]);
    let bench = bench.with(
        "a",
        Guest {
            build_sandbox: "(call $set_variable (local.get $handle) (i32.const 0) (i32.const 4) (i32.const 16) (i32.const 8) (i32.const 512))
                (call $expect (i32.const 4)) (call $answer)",
            rest: ANSWERS_THE_REFUSAL,
            ..Guest::default()
        },
    );
    let (run, _) = bench.begun().await;
    let (phase, told) = builder();
    let answer = run.build_sandbox(phase).await;
    let (kind, said) = only(&answer);
    assert_eq!(kind, HookErrorKind::MalformedPayload);
    assert_eq!(
        said,
        "plugin a may not set the variable \"NAME\"; NAME among the names of environment in plugins.a.grants would grant it"
    );
    assert!(told.0.lock().unwrap().is_empty());
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_plugins_that_set_one_variable_conflict_and_both_are_named() {
    let guest = |code| Guest {
        build_sandbox: code,
        rest: ANSWERS_THE_REFUSAL,
        ..Guest::default()
    };
    let sets = "(call $set_variable (local.get $handle) (i32.const 0) (i32.const 4) (i32.const 16) (i32.const 8) (i32.const 512))
        (call $answer)";
    let bench = Bench::new().with("b", guest(sets)).with("a", guest(sets));
    let (run, _) = bench.begun().await;
    let (phase, told) = builder();
    let answer = run.build_sandbox(phase).await;
    assert_eq!(only(&answer).1, "the plugins a and b both set the variable NAME");
    assert_eq!(told.0.lock().unwrap().len(), 1);
    run.dispose().await;

    // Another run knows nothing of it.
    let bench = Bench::new().with("a", guest(sets_name!(99)));
    let (run, _) = bench.begun().await;
    assert_eq!(run.build_sandbox(builder().0).await.failures, []);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_plugin_can_fill_the_workers_memory_with_variables() {
    let bench = Bench::new().with(
        "a",
        Guest {
            // Names of four letters, with values of 126 KiB of what is in the memory.
            build_sandbox: "(local $n i32)
                (loop $more
                  (i32.store8 (i32.const 0) (i32.add (i32.const 65) (local.get $n)))
                  (call $set_variable (local.get $handle) (i32.const 0) (i32.const 4) (i32.const 131072) (i32.const 129024) (i32.const 512))
                  (if (i32.eqz (i32.load8_u (i32.const 512)))
                    (then (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $more))))
                (call $expect (i32.const 5))
                (if (i32.ne (local.get $n) (i32.const 16)) (then unreachable))
                (call $ok)",
            ..Guest::default()
        },
    );
    let (run, _) = bench.begun().await;
    let (phase, told) = builder();
    assert_eq!(run.build_sandbox(phase).await.failures, []);
    assert_eq!(told.0.lock().unwrap().len(), 16);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_is_not_granted_is_denied() {
    let finished = "(call $refer) (call $expect (i32.const 4))
        (call $queue) (call $expect (i32.const 4))
        (call $report_error (i32.const 16) (i32.const 8) (i32.const 80) (i32.const 22) (i32.const 0) (i32.const 4)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512)) (call $expect (i32.const 4))
        (call $link (i32.const 16) (i32.const 8) (i32.const 0) (i32.const 4)
          (i32.const 32) (i32.const 10) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512)) (call $expect (i32.const 4))
        (call $link (i32.const 0) (i32.const 4) (i32.const 16) (i32.const 8)
          (i32.const 32) (i32.const 10) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512)) (call $expect (i32.const 4))
        (call $link (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4)
          (i32.const 32) (i32.const 10) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512)) (call $expect (i32.const 99))
        (call $ok)";
    let mut bench = Bench::new();
    bench.grants = Grants::default().with_names(Capability::Artifacts, ["NAM*"]);
    let bench = bench.with(
        "a",
        Guest {
            finished,
            ..Guest::default()
        },
    );
    let (run, artifacts) = bench.begun().await;
    assert_eq!(run.finished(true).await.failures, []);
    assert_eq!(*artifacts.names.lock().unwrap(), ["NAME -> NAME"]);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn task_definition_works() {
    let (bench, run, _) = begun(Guest {
        new_task: "(call $definition (i32.const 512)) (call $say (i32.const 512)) (call $ok)",
        ..Guest::default()
    })
    .await;
    assert_eq!(
        bench.log.lines(),
        [r#"plugin a: {"payload":{"of":"another plugin"}}"#]
    );
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
            (if (i64.ne (call $size (i32.load (i32.const 516))) (i64.const 38)) (then unreachable)) (call $ok)",
        ..Guest::default()
    })
    .await;
    bench.log.line(LogLevel::Info, Log::CLOSED);
    assert_eq!(
        bench.log.lines(),
        ["plugin a: http://localhost/live", Log::CLOSED]
    );
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
    let guest = Guest {
        describe: "(call $refer) (call $expect (i32.const 6))
            (call $log (i32.const 1) (i32.const 0) (i32.const 4))
            (if (call $stopping (call $worker)) (then unreachable))
            (call $next_outcome (i32.const 512)) (call $expect (i32.const 99))",
        ..Guest::default()
    };
    let prepared = bench.prepare(&guest.wasm());
    let described = prepared.describe().await.unwrap();
    assert_eq!(described.config_schema, "{}");
    assert_eq!(prepared.payload_schema(&json!({})).await.unwrap(), "{}");
    bench.log.line(LogLevel::Info, "only this");
    assert_eq!(bench.log.lines(), ["only this"]);
}
