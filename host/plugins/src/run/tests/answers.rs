//! What hooks answer, and what becomes of a plugin that answers an error or breaks.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_hook_of_a_plugin_that_behaves_is_called_in_one_instance() {
    let bench = Bench::new().with(
        "a",
        Guest {
            new_task: "(global.set $memory (i32.const 7)) (call $ok)",
            build_sandbox: "(call $set_variable (local.get $handle) (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 512))
                (call $expect (i32.const 99)) (call $ok)",
            started: "(call $kill (local.get $handle) (i32.const 512)) (call $expect (i32.const 99)) (call $ok)",
            stopped: "(call $extract_file (local.get $handle) (i32.const 0) (i32.const 4) (i32.const 512)) (call $expect (i32.const 99))
                (call $read (i32.load (i32.const 516)) (i32.const 512)) (call $expect (i32.const 99))
                (call $next (i32.load (i32.const 516)) (i32.const 100) (i32.const 512)) (call $expect (i32.const 99))
                (if (i32.ne (i32.load (i32.const 520)) (i32.const 4)) (then unreachable))
                (call $no)",
            finished: "(if (i32.ne (global.get $memory) (i32.const 7)) (then unreachable)) (call $ok)",
            ..Guest::default()
        },
    );
    let (run, _) = bench.begun().await;
    let (phase, told) = builder();
    assert_eq!(run.build_sandbox(phase).await.failures, []);
    assert_eq!(told.0.lock().unwrap().get("NAME").unwrap(), "NAME");
    let (phase, running, _heard) = sandbox();
    assert_eq!(run.started(phase).await.failures, []);
    assert_eq!(running.0.load(Ordering::SeqCst), 1);
    let answer = run.stopped(Phase::new(Arc::new(Results) as Arc<_>)).await;
    assert_eq!((answer.success, answer.failures), (false, vec![]));
    let answer = run.finished(true).await;
    assert_eq!((answer.success, answer.failures), (true, vec![]));
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_errors_are_kept_and_the_worst_decides() {
    let failing = |code| Guest {
        finished: code,
        ..Guest::default()
    };
    let bench = Bench::new()
        .with("a", failing("(call $fail (i32.const 0))"))
        .with("b", failing("(call $fail (i32.const 1))"))
        .with("c", failing("(call $fail (i32.const 2))"))
        .with("d", Guest::default());
    let (run, _) = bench.begun().await;
    let answer = run.finished(true).await;
    let kinds: Vec<_> = answer
        .failures
        .iter()
        .map(|failure| (failure.plugin.as_str(), failure.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            ("a", HookErrorKind::MalformedPayload),
            ("b", HookErrorKind::ResourceUnavailable),
            ("c", HookErrorKind::IntermittentTask)
        ]
    );
    assert_eq!(answer.worst(), Some(HookErrorKind::ResourceUnavailable));
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_plugin_with_the_grant_can_stop_the_worker() {
    let fatal = Guest {
        new_task: "(call $fail (i32.const 4))",
        ..Guest::default()
    };
    let bench = Bench::new()
        .with("a", fatal)
        .add("b", fatal, |loaded| loaded.may_stop_the_worker = true);
    let (run, _) = bench.run();
    let answer = run.new_task(BTreeMap::new()).await;
    let kinds: Vec<_> = answer.failures.iter().map(|failure| failure.kind).collect();
    assert_eq!(kinds, [HookErrorKind::Internal, HookErrorKind::Fatal]);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_failed_gets_no_later_hook_but_exception() {
    let bench = Bench::new().with(
        "a",
        Guest {
            build_sandbox: "(call $fail (i32.const 0))",
            finished: "unreachable",
            exception: "(call $fail (i32.const 2))",
            ..Guest::default()
        },
    );
    let (run, _) = bench.begun().await;
    assert_eq!(
        only(&run.build_sandbox(builder().0).await).0,
        HookErrorKind::MalformedPayload
    );
    assert_eq!(run.finished(true).await.failures, []);
    let answer = run.exception(ExceptionReason::MalformedPayload).await;
    assert_eq!(only(&answer).0, HookErrorKind::IntermittentTask);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_is_internal_and_the_instance_is_gone_while_the_others_go_on() {
    let bench = Bench::new()
        .with(
            "a",
            Guest {
                build_sandbox: "unreachable",
                exception: "unreachable",
                ..Guest::default()
            },
        )
        .with(
            "b",
            Guest {
                finished: "(call $fail (i32.const 2))",
                ..Guest::default()
            },
        );
    let (run, _) = bench.begun().await;
    let answer = run.build_sandbox(builder().0).await;
    let (kind, message) = only(&answer);
    assert_eq!(kind, HookErrorKind::Internal);
    assert!(message.contains("build-sandbox trapped"), "{message}");
    let answer = run.finished(true).await;
    assert_eq!(only(&answer).0, HookErrorKind::IntermittentTask);
    assert_eq!(run.exception(ExceptionReason::InternalError).await.failures, []);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_of_a_plugin_that_is_not_required_is_a_warning() {
    let guest = Guest {
        new_task: "unreachable",
        ..Guest::default()
    };
    let bench = Bench::new().add("a", guest, |loaded| loaded.required = false);
    let (run, _) = bench.begun().await;
    let lines = bench.log.lines();
    assert!(lines.iter().any(|line| line.contains("plugin a")), "{lines:?}");
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_host_is_caught_and_the_instance_is_gone() {
    let bench = Bench::new().with(
        "a",
        Guest {
            build_sandbox: "(call $set_variable (local.get $handle) (i32.const 64) (i32.const 5) (i32.const 0) (i32.const 4) (i32.const 512))
                (call $ok)",
            finished: "(call $fail (i32.const 2))",
            ..Guest::default()
        },
    );
    let (run, _) = bench.begun().await;
    let answer = run.build_sandbox(builder().0).await;
    let (kind, message) = only(&answer);
    assert_eq!(kind, HookErrorKind::Internal);
    assert!(!message.contains("told to"), "{message}");
    assert_eq!(run.finished(true).await.failures, []);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_is_kept_is_a_trap_and_one_whose_phase_is_over_is_closed() {
    let set = "(call $set_variable (local.get $handle) (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 512))";
    let bench = Bench::new()
        .with(
            "a",
            Guest {
                build_sandbox: "(global.set $keep (i32.const 1)) (call $ok)",
                ..Guest::default()
            },
        )
        .with(
            "b",
            Guest {
                build_sandbox: Box::leak(
                    format!("{set} (call $expect (i32.const 6)) (call $ok)").into_boxed_str(),
                ),
                ..Guest::default()
            },
        );
    let (run, _) = bench.begun().await;
    let (phase, told) = builder();
    drop(phase.end());
    let answer = run.build_sandbox(phase).await;
    assert_eq!(answer.failures.len(), 1, "{answer:?}");
    assert!(only(&answer).1.contains("borrow"), "{answer:?}");
    assert!(told.0.lock().unwrap().is_empty());
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recursion_without_end_is_a_trap() {
    let answer = new_task("(call $new_task (local.get 0))", Limits::default()).await;
    assert!(only(&answer).1.contains("stack"), "{answer:?}");
}
