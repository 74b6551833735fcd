//! Plugins of several versions of the contract in one run.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::*;

/// A plugin of a version that has this in its log, and sets a variable of this name to `set`.
fn guest(number: &str, name: &str) -> Vec<u8> {
    assert_eq!(name.len(), 3);
    let set = if number.starts_with("0.1.") {
        "set-variable"
    } else {
        "set"
    };
    let text = include_str!("versions.wat")
        .replace("VERSION", number)
        .replace("SET", set)
        .replace("NAME", name);
    let mut module = wat::parse_str(text).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut resolve = Resolve::default();
    if number.starts_with("0.1.") {
        let contract = std::fs::read_to_string(root.join("../../wit/plugin.wit")).unwrap();
        let patched = contract.replace("plugin@0.1.0;", &format!("plugin@{number};"));
        resolve.push_str("plugin.wit", &patched).unwrap();
    } else {
        resolve.push_file(root.join("src/contract/trial.wit")).unwrap();
    }
    let world = "package test:guests; world guest {
        import taskcluster:plugin/log@VERSION;
        import taskcluster:plugin/environment@VERSION;
        export taskcluster:plugin/plugin@VERSION;
        export taskcluster:plugin/task-hooks@VERSION;
    }";
    let package = resolve
        .push_str("guest.wit", &world.replace("VERSION", number))
        .unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}

/// A run of plugins, named as the variable that each sets is, from `new-task` to the end.
async fn variables(plugins: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let mut bench = Bench::new();
    for (number, name) in plugins {
        bench = bench.add_wasm(name, &guest(number, name), |_| {});
    }
    let (run, _) = bench.begun().await;
    let (phase, told) = builder();
    assert_eq!(run.build_sandbox(phase).await.failures, []);
    let (phase, _running, _heard) = sandbox();
    phase.ended.cancel();
    assert_eq!(run.started(phase).await.failures, []);
    let stopped = run.stopped(Phase::new(Arc::new(Results) as Arc<_>)).await;
    assert!(stopped.success && stopped.failures.is_empty(), "{stopped:?}");
    assert_eq!(run.finished(true).await.failures, []);
    assert_eq!(run.exception(ExceptionReason::InternalError).await.failures, []);
    run.dispose().await;
    let set = told
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut lines = bench.log.lines();
    lines.sort();
    (set, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_of_two_versions_each_set_a_variable_in_one_run() {
    let (set, lines) = variables(&[("0.1.0", "OLD"), ("0.2.0", "NEW")]).await;
    assert_eq!(set, ["NEW=set", "OLD=set"]);
    assert_eq!(lines, ["plugin NEW: NEW", "plugin OLD: OLD"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_of_another_patch_does_all_that_the_version_can() {
    let (set, lines) = variables(&[("0.1.9", "PAT")]).await;
    assert_eq!(
        (set, lines),
        (vec!["PAT=set".to_owned()], vec!["plugin PAT: PAT".to_owned()])
    );
}
