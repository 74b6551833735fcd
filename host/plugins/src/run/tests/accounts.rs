//! What is counted of hooks, and what is held against a plugin.

use super::*;
use crate::statistics::HookStatistics;

/// What is counted of one hook of a plugin.
fn counted(bench: &Bench, plugin: &str, hook: &str) -> HookStatistics {
    let accounts = bench.accounts.snapshot();
    let account = accounts.iter().find(|account| &*account.plugin.name == plugin);
    account
        .and_then(|account| account.hooks.get(hook))
        .copied()
        .unwrap_or_default()
}

/// How often a plugin has broken through its own fault.
fn faults(bench: &Bench) -> u64 {
    bench
        .accounts
        .standings()
        .iter()
        .map(|plugin| plugin.faults)
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_their_ends_are_counted_for_each_plugin_and_hook() {
    let mut bench = Bench::new();
    bench.limits.cpu_ms = 50;
    let broken = |stopped| Guest {
        stopped,
        ..Guest::default()
    };
    let bench = bench
        .add("a", broken("unreachable"), |loaded| {
            loaded.sha256 = "a".to_owned()
        })
        .add("b", broken("(loop (br 0)) (i32.const 288)"), |loaded| {
            loaded.sha256 = "b".to_owned();
        })
        .with("c", Guest::default());
    let (run, _) = bench.begun().await;
    let answer = run.stopped(Phase::new(Arc::new(Results) as Arc<_>)).await;
    assert_eq!(answer.failures.len(), 2);
    run.dispose().await;
    for plugin in ["a", "b", "c"] {
        assert_eq!(counted(&bench, plugin, "new-task").calls, 1, "{plugin}");
        assert_eq!(counted(&bench, plugin, "finished"), HookStatistics::default());
    }
    let ends = |plugin| {
        let hook = counted(&bench, plugin, "stopped");
        (hook.calls, hook.traps, hook.exceeded_limits, hook.time_outs)
    };
    assert_eq!(ends("a"), (1, 1, 0, 0));
    assert_eq!(ends("b"), (1, 0, 1, 0));
    assert_eq!(ends("c"), (1, 0, 0, 0));
    assert!(counted(&bench, "b", "stopped").cpu_us >= 50_000);
    let time = counted(&bench, "b", "stopped");
    assert!(time.max_us >= 50_000 && time.total_us == time.max_us);
    assert_eq!(faults(&bench), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_the_host_that_are_refused_are_counted() {
    let mut bench = Bench::new();
    bench.limits.artifacts = 1;
    let bench = bench.with(
        "a",
        Guest {
            finished: "(call $refer) (call $refer) (call $refer) (call $ok)",
            ..Guest::default()
        },
    );
    let (run, _) = bench.begun().await;
    run.finished(true).await;
    run.exception(ExceptionReason::InternalError).await;
    run.dispose().await;
    assert_eq!(counted(&bench, "a", "finished").refused_calls, 2);
    assert_eq!(counted(&bench, "a", "exception").refused_calls, 0);
    assert_eq!(faults(&bench), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_or_silence_after_an_abort_is_counted_and_held_against_nobody() {
    for after in ["unreachable", "(loop (br 0))"] {
        let code =
            format!("(drop (call $wait (local.get $handle) (i32.const 0) (i64.const 0))) {after} (call $ok)");
        let bench = Bench::new().with(
            "a",
            Guest {
                started: code.leak(),
                ..Guest::default()
            },
        );
        let (run, _) = bench.begun().await;
        let (phase, _, _heard) = sandbox();
        let (answer, ()) = tokio::join!(run.started(phase), async { bench.abort.cancel() });
        assert_eq!(answer.failures.len(), 1, "{after}");
        run.dispose().await;
        assert_eq!(counted(&bench, "a", "started").calls, 1, "{after}");
        assert_eq!(faults(&bench), 0, "{after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_a_hook_answers_is_no_fault() {
    let bench = Bench::new().with(
        "a",
        Guest {
            new_task: "(call $fail (i32.const 3))",
            ..Guest::default()
        },
    );
    let (run, _) = bench.run();
    assert_eq!(run.new_task(BTreeMap::new()).await.failures.len(), 1);
    run.dispose().await;
    assert_eq!(faults(&bench), 0);
}
