//! Each limit, with a guest that hits it.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_is_named_with_the_line_that_raises_it() {
    let grow = "(drop (memory.grow (i32.const 100)))
        (if (i32.lt_u (memory.size) (i32.const 104)) (then unreachable)) (call $ok)";
    let limits = Limits {
        cpu_ms: 50,
        ..Limits::default()
    };
    for (code, limits, key) in [
        ("(loop (br 0)) (call $ok)", limits.clone(), "cpuMs"),
        (
            grow,
            Limits {
                memory_bytes: 2 << 20,
                ..limits.clone()
            },
            "memoryBytes",
        ),
        (
            "(loop (drop (call $worker)) (br 0)) (call $ok)",
            Limits {
                handles: 100,
                cpu_ms: 60_000,
                ..limits.clone()
            },
            "handles",
        ),
        (
            "(call $log (i32.const 1) (i32.const 0) (i32.const 200000)) (call $ok)",
            Limits {
                call_bytes: 100_000,
                ..limits.clone()
            },
            "callBytes",
        ),
    ] {
        let answer = new_task(code, limits).await;
        let (kind, message) = only(&answer);
        assert_eq!(kind, HookErrorKind::Internal);
        assert!(message.contains("new-task"), "{message}");
        assert!(
            message.contains(&format!("plugins.a.limits.{key}")),
            "{key}: {message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_tables_and_instances_are_counted_from_the_first_instruction() {
    let small = Limits {
        memory_bytes: 1 << 20,
        table_elements: 100,
        instances: 1,
        ..Limits::default()
    };
    for (limits, rest, key) in [
        (
            Limits {
                instances: 32,
                ..small.clone()
            },
            "(memory 100)",
            "memoryBytes",
        ),
        (
            Limits {
                instances: 32,
                ..small.clone()
            },
            "(table 101 funcref)",
            "tableElements",
        ),
        (small, "", "instances"),
    ] {
        let mut bench = Bench::new();
        bench.limits = limits;
        let bench = bench.with(
            "a",
            Guest {
                rest,
                ..Guest::default()
            },
        );
        let (run, _) = bench.run();
        let answer = run.new_task(BTreeMap::new()).await;
        let (_, message) = only(&answer);
        assert!(
            message.contains(&format!("plugins.a.limits.{key}")),
            "{key}: {message}"
        );
        run.dispose().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_before_the_first_hook_is_interrupted() {
    let mut bench = Bench::new();
    bench.limits.cpu_ms = 50;
    let bench = bench.with(
        "a",
        Guest {
            rest: "(func $forever (loop (br 0))) (start $forever)",
            ..Guest::default()
        },
    );
    let (run, _) = bench.run();
    let answer = run.new_task(BTreeMap::new()).await;
    assert!(only(&answer).1.contains("cpuMs"));
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_in_the_sandbox_counts_neither_as_computing_nor_as_time_of_the_hook() {
    let mut bench = Bench::new();
    bench.log.line(LogLevel::Info, Log::SLOW);
    bench.limits.call_ms = 1_000;
    // Keeps the epoch moving: each return from a wait would be charged a tick.
    let mut bench = bench.with(
        "busy",
        Guest {
            started: "(call $read_log) (call $expect (i32.const 5)) (call $ok)",
            ..Guest::default()
        },
    );
    bench.limits.cpu_ms = 150;
    bench.limits.hook_ms = 500;
    let bench = bench.with(
        "waits",
        Guest {
            started: "(loop (br_if 0 (i32.eqz (call $wait (local.get $handle) (i32.const 1) (i64.const 25))))) (call $ok)",
            ..Guest::default()
        },
    );
    let (run, _) = bench.begun().await;
    let (phase, _, _heard) = sandbox();
    let ended = phase.ended.clone();
    // Longer than both limits of the hook.
    let ending = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        ended.cancel();
    });
    assert_eq!(run.started(phase).await.failures, []);
    ending.await.unwrap();
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_sleeps_in_the_host_runs_into_its_wall_limit() {
    let mut bench = Bench::new();
    bench.limits.hook_ms = 50;
    bench.log.line(LogLevel::Info, Log::SLOW);
    let bench = bench.with(
        "a",
        Guest {
            new_task: "(call $read_log) (call $ok)",
            ..Guest::default()
        },
    );
    let (run, _) = bench.run();
    let answer = run.new_task(BTreeMap::new()).await;
    assert!(only(&answer).1.contains("plugins.a.limits.hookMs"), "{answer:?}");
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_call_that_takes_too_long_is_answered_not_trapped() {
    let mut bench = Bench::new();
    bench.limits.call_ms = 50;
    bench.log.line(LogLevel::Info, Log::SLOW);
    let bench = bench.with(
        "a",
        Guest {
            new_task: "(call $read_log) (call $expect (i32.const 5)) (call $ok)",
            ..Guest::default()
        },
    );
    let (run, _) = bench.begun().await;
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_that_it_takes_to_store_an_artifact_is_not_the_plugins() {
    let mut bench = Bench::new();
    bench.limits.call_ms = 50;
    bench.limits.hook_ms = 100;
    bench.storage = Storage::IsSlow;
    let bench = bench.with(
        "a",
        Guest {
            new_task: "(call $refer) (call $expect (i32.const 99)) (call $ok)",
            ..Guest::default()
        },
    );
    let (run, artifacts) = bench.begun().await;
    assert_eq!(*artifacts.names.lock().unwrap(), ["public/a"]);
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_are_limited_in_number_for_each_run() {
    let mut bench = Bench::new();
    bench.limits.artifacts = 2;
    let bench = bench.with(
        "a",
        Guest {
            new_task: "(call $refer) (call $queue) (call $expect (i32.const 99)) (call $refer) (call $expect (i32.const 5)) (call $ok)",
            ..Guest::default()
        },
    );
    let (run, _) = bench.begun().await;
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_bytes_are_limited_in_size_and_altogether() {
    let mut bench = Bench::new();
    bench.limits.memory_bytes = 3 << 20;
    let grown = "(drop (memory.grow (i32.const 20)))";
    let code = format!(
        "{grown} (call $make (i32.const 1048577)) (call $expect (i32.const 5))
         (call $make (i32.const 1048576)) (call $make (i32.const 1048576)) (call $make (i32.const 1048576)) (call $expect (i32.const 99))
         (call $drop_file (i32.load (i32.const 516)))
         (call $make (i32.const 1048576)) (call $expect (i32.const 99))
         (call $make (i32.const 1)) (call $expect (i32.const 5)) (call $ok)"
    );
    let bench = bench.with(
        "a",
        Guest {
            new_task: Box::leak(code.into_boxed_str()),
            ..Guest::default()
        },
    );
    let (run, _) = bench.begun().await;
    run.dispose().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_escaped_and_a_flood_of_them_ends_with_a_last_word() {
    // A line takes six bytes and its end.
    for (log_lines, log_bytes) in [(3, 1 << 20), (1 << 20, 3 * 7 + 6)] {
        let mut bench = Bench::new();
        bench.limits.log_lines = log_lines;
        bench.limits.log_bytes = log_bytes;
        let bench = bench.with(
            "a",
            Guest {
                new_task: "(loop (call $log (i32.const 1) (i32.const 48) (i32.const 6))
                    (global.set $memory (i32.add (global.get $memory) (i32.const 1)))
                    (br_if 0 (i32.lt_u (global.get $memory) (i32.const 100)))) (call $ok)",
                ..Guest::default()
            },
        );
        let (run, _) = bench.begun().await;
        let lines = bench.log.lines();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(lines[0], "plugin a: a\\u{1b}[2Jb");
        assert!(
            lines[3].contains("plugins.a.limits.logLines, plugins.a.limits.logBytes"),
            "{lines:?}"
        );
        run.dispose().await;
    }
}
