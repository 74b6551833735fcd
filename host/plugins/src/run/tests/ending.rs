//! Aborts, and uploads that are still under way when a hook ends.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_failure_of_started_is_heard_while_another_plugin_waits() {
    let bench = Bench::new()
        .with(
            "a",
            Guest {
                started: "(drop (call $wait (local.get $handle) (i32.const 0) (i64.const 0))) (call $ok)",
                ..Guest::default()
            },
        )
        .with(
            "b",
            Guest {
                started: "(call $fail (i32.const 1))",
                ..Guest::default()
            },
        );
    let (run, _) = bench.begun().await;
    let (phase, _, mut heard) = sandbox();
    let ended = phase.ended.clone();
    let driver = async {
        let first = heard.recv().await.unwrap();
        ended.cancel();
        first.plugin
    };
    let (answer, first) = tokio::join!(run.started(phase), driver);
    assert_eq!((first.as_str(), answer.failures.len()), ("b", 1));
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_ends_a_wait_at_once_and_later_calls_answer_cancelled() {
    let bench = Bench::new().with(
        "a",
        Guest {
            started: "(if (i32.eqz (call $wait (local.get $handle) (i32.const 0) (i64.const 0))) (then unreachable))
                (call $kill (local.get $handle) (i32.const 512)) (call $expect (i32.const 7))
                (call $queue) (call $expect (i32.const 7)) (call $ok)",
            ..Guest::default()
        },
    );
    let (run, _) = bench.begun().await;
    let (phase, running, _heard) = sandbox();
    let (answer, ()) = tokio::join!(run.started(phase), async { bench.abort.cancel() });
    assert_eq!(answer.failures, []);
    assert_eq!(running.0.load(Ordering::SeqCst), 0);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_ends_a_call_that_stores_an_artifact_at_once() {
    let mut bench = Bench::new();
    bench.storage = Storage::Hangs;
    let bench = bench.with(
        "a",
        Guest {
            finished: "(call $refer) (call $expect (i32.const 7)) (call $ok)",
            ..Guest::default()
        },
    );
    let (run, artifacts) = bench.begun().await;
    let (answer, ()) = tokio::join!(run.finished(true), async {
        artifacts.begun.notified().await;
        bench.abort.cancel();
    });
    assert_eq!(answer.failures, []);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_ignores_an_abort_is_interrupted_after_its_grace() {
    for code in [
        // It calls on.
        "(loop (drop (call $wait (local.get $handle) (i32.const 0) (i64.const 0))) (br 0)) (call $ok)",
        // It computes on.
        "(drop (call $wait (local.get $handle) (i32.const 0) (i64.const 0))) (loop (br 0)) (call $ok)",
    ] {
        let mut bench = Bench::new();
        bench.limits.cpu_ms = 600_000;
        let bench = bench.with(
            "a",
            Guest {
                started: code,
                exception: "unreachable",
                ..Guest::default()
            },
        );
        let (run, _) = bench.begun().await;
        let (phase, _, _heard) = sandbox();
        let (answer, ()) = tokio::join!(run.started(phase), async { bench.abort.cancel() });
        assert!(only(&answer).1.contains("did not return"), "{answer:?}");
        assert_eq!(run.exception(ExceptionReason::Canceled).await.failures, []);
        run.dispose().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exception_has_working_host_calls_after_an_abort() {
    let bench = Bench::new().with(
        "a",
        Guest {
            exception: "(call $refer) (call $expect (i32.const 99)) (call $queue) (call $expect (i32.const 99)) (call $ok)",
            ..Guest::default()
        },
    );
    let (run, artifacts) = bench.begun().await;
    bench.abort.cancel();
    assert_eq!(run.exception(ExceptionReason::Canceled).await.failures, []);
    assert_eq!(*artifacts.names.lock().unwrap(), ["public/a", "public/a"]);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_settled_before_the_hook_counts_as_done() {
    let mut bench = Bench::new();
    // Uploads take longer than the hook may.
    bench.limits.hook_ms = 10_000;
    let bench = bench.with(
        "a",
        Guest {
            finished: "(call $queue) (call $queue) (call $queue) (call $expect (i32.const 99)) (call $ok)",
            ..Guest::default()
        },
    );
    let (run, artifacts) = bench.begun().await;
    assert_eq!(run.finished(true).await.failures, []);
    assert_eq!(artifacts.names.lock().unwrap().len(), 3);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_upload_that_nobody_asked_for_fails_the_hook() {
    let mut bench = Bench::new();
    bench.storage = Storage::IsDown;
    let asks = "(call $queue) (call $next_outcome (i32.const 512)) (call $ok)";
    let bench = bench
        .with(
            "a",
            Guest {
                finished: "(call $queue) (call $ok)",
                ..Guest::default()
            },
        )
        .with(
            "b",
            Guest {
                finished: asks,
                ..Guest::default()
            },
        );
    let (run, _) = bench.begun().await;
    let answer = run.finished(true).await;
    let (kind, message) = only(&answer);
    assert_eq!(kind, HookErrorKind::ResourceUnavailable);
    assert!(message.contains("public/a"), "{message}");
    assert_eq!(bench.log.lines().len(), 1);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_a_plugin_that_broke_are_let_go_of() {
    let mut bench = Bench::new();
    bench.storage = Storage::Hangs;
    bench.limits.cpu_ms = 50;
    let bench = bench.with(
        "a",
        Guest {
            finished: "(call $queue) (loop (br 0)) (call $ok)",
            ..Guest::default()
        },
    );
    let (run, artifacts) = bench.begun().await;
    let (answer, ()) = tokio::join!(run.finished(true), artifacts.begun.notified());
    assert!(only(&answer).1.contains("cpuMs"));
    assert_eq!(artifacts.under_way.load(Ordering::SeqCst), 0);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_dropped_in_the_middle_of_a_hook_lets_go_of_everything() {
    let mut bench = Bench::new();
    bench.storage = Storage::Hangs;
    let bench = bench.with(
        "a",
        Guest {
            finished: "(call $queue) (call $next_outcome (i32.const 512)) (call $ok)",
            ..Guest::default()
        },
    );
    let (run, artifacts) = bench.begun().await;
    tokio::select! {
        answer = run.finished(true) => panic!("it answered {answer:?}"),
        () = artifacts.begun.notified() => {}
    }
    run.dispose().await;
    while artifacts.under_way.load(Ordering::SeqCst) != 0 {
        tokio::task::yield_now().await;
    }
}
