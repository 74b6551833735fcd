//! The compiler process, started as the worker starts it.

use super::*;
use crate::engine;

/// The compiler that Cargo builds beside the tests.
pub(crate) fn command() -> CompilerCommand {
    let test = std::env::current_exe().unwrap();
    let program = test
        .parent()
        .and_then(|deps| deps.parent())
        .unwrap()
        .join("examples/compile_child");
    assert!(
        program.exists(),
        "run `cargo build -p plugin-host --example compile_child` first, as `cargo test` does"
    );
    CompilerCommand {
        program,
        args: Vec::new(),
    }
}

#[tokio::test]
async fn a_component_is_compiled_to_code_that_this_engine_takes() {
    let wasm = wat::parse_str("(component (core module (func (export \"f\"))))").unwrap();
    let compiled = Compiler::new(command()).compile(&wasm, || {}).await.unwrap();
    let kind = engine::compiling_engine()
        .map(|_| wasmtime::Engine::detect_precompiled(&compiled))
        .unwrap();
    assert!(matches!(kind, Some(wasmtime::Precompiled::Component)));
}

#[tokio::test]
async fn what_is_not_valid_is_said_by_the_compiler() {
    let wasm = wat::parse_str("(component (core module (func i32.add)))").unwrap();
    let error = Compiler::new(command()).compile(&wasm, || {}).await.unwrap_err();
    assert!(
        matches!(&error, CompileError::Invalid(message) if message.contains("type mismatch")),
        "{error}"
    );
}

#[tokio::test]
async fn text_is_not_assembled() {
    let error = Compiler::new(command())
        .compile(b"(component)", || {})
        .await
        .unwrap_err();
    assert!(matches!(error, CompileError::Invalid(_)), "{error}");
}

#[tokio::test]
async fn a_child_that_crashes_is_an_error_and_not_the_end() {
    let shell = |script: &str| {
        let args = vec!["-c".into(), script.into()];
        Compiler::new(CompilerCommand {
            program: "/bin/sh".into(),
            args,
        })
    };
    let crashed = shell("echo 'memory allocation failed' >&2; kill -ABRT $$")
        .compile(b"x", || {})
        .await;
    assert!(matches!(crashed, Err(CompileError::Crashed(why)) if why.contains("memory allocation failed")));
    let slow = shell("kill -XCPU $$").compile(b"x", || {}).await;
    assert!(matches!(slow, Err(CompileError::TooSlow)));
    let missing = Compiler::new(CompilerCommand {
        program: "/does/not/exist".into(),
        args: Vec::new(),
    });
    assert!(matches!(
        missing.compile(b"x", || {}).await,
        Err(CompileError::Process { .. })
    ));
}

#[tokio::test]
async fn a_child_limits_its_memory_and_its_time_before_it_reads_anything() {
    let mut child = Compiler::new(command()).spawn().unwrap();
    let path = format!("/proc/{}/limits", child.id().unwrap());
    let has = |limits: &str, name: &str, limit: u64| {
        limits
            .lines()
            .any(|line| line.starts_with(name) && line.contains(&format!(" {limit} ")))
    };
    let limited = async {
        loop {
            let limits = std::fs::read_to_string(&path).unwrap();
            if has(&limits, "Max address space", MEMORY_LIMIT)
                && has(&limits, "Max cpu time", CPU_LIMIT)
                && has(&limits, "Max core file size", 0)
                && has(&limits, "Max file size", 0)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(60), limited).await.unwrap();
    assert!(
        child.try_wait().unwrap().is_none(),
        "it still waits for its input"
    );
    child.kill().await.unwrap();
}

#[tokio::test]
async fn a_child_ends_itself_when_the_worker_is_gone() {
    let mut child = Compiler::new(command()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let wasm = wat::parse_str("(component)").unwrap();
    stdin
        .write_all(&(wasm.len() as u64 + 1).to_le_bytes())
        .await
        .unwrap();
    stdin.write_all(&wasm).await.unwrap();
    drop(stdin);
    assert!(!child.wait().await.unwrap().success());
}
