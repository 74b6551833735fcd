//! The other commands: what they say of configs, plugins and schemas.

use serde_json::{Value, json};

use crate::{
    kit::{Home, Plugin, Process},
    named_by_tests::{ARTIFACTS, ENV, EXIT_STATUS, LIFECYCLE, LIVELOG, MAXRUNTIME, UNGRANTED},
};

/// Runs a command to its end: exit status, output, log.
async fn command(home: &Home, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut process = Process::start(home, "command", arguments);
    let status = process.ended().await;
    let end = (status, process.out(), process.err());
    for name in ["command.out", "command.err"] {
        std::fs::remove_file(home.path().join(name)).unwrap();
    }
    end
}

const CONFIG: &str = "\
taskcluster:
  embedded: {directory: queue}
worker:
  taskQueueId: test/it
  directory: state
plugins:
  env: {grants: [environment]}
";

#[tokio::test]
async fn errors_in_a_config_name_line_column_and_the_nearest_key() {
    let home = Home::new();
    for (from, to, said) in [
        (
            "taskQueueId: test/it",
            "taskQueueID: test/it",
            "worker.yml:4:3: worker.taskQueueID is not known, did you mean taskQueueId?",
        ),
        (
            "directory: state",
            "directory: state\n  concurrency: 0",
            "worker.yml:6:16: worker.concurrency must be at least 1",
        ),
        (
            "grants",
            "grant",
            "worker.yml:7:9: plugins.env.grant is not known, did you mean grants?",
        ),
        (
            "worker:\n",
            "engine: nativ\nworker:\n",
            "worker.yml:3:9: engine must be one of",
        ),
        ("  taskQueueId: test/it\n", "", "worker.taskQueueId is missing"),
        (
            "state",
            "{$env: NOT_SET_ANYWHERE}",
            "worker.directory comes from the environment variable NOT_SET_ANYWHERE",
        ),
        ("queue}", "queue", "worker.yml:"),
    ] {
        assert!(CONFIG.contains(from), "{from}");
        std::fs::write(home.path().join("worker.yml"), CONFIG.replacen(from, to, 1)).unwrap();
        let (status, _, err) = command(&home, &["work", "worker.yml"]).await;
        assert_eq!(status, Some(2), "{to}\n{err}");
        assert!(err.contains(said), "{to}: {said}\n{err}");
        assert!(
            !home.path().join("state").exists(),
            "something was begun with a config that is wrong"
        );
    }
    let (status, _, err) = command(&home, &["work", "nowhere.yml"]).await;
    assert_eq!(status, Some(2));
    assert!(err.contains("nowhere.yml"), "{err}");
}

#[tokio::test]
async fn a_grant_that_there_is_not_is_an_error() {
    let home = Home::new();
    let text = CONFIG.replacen("[environment]", "[enviroment]", 1);
    let plugins = Plugin::ordinary(ENV).file;
    let text = format!("{text}pluginDirectory: {}\n", plugins.parent().unwrap().display());
    std::fs::write(home.path().join("worker.yml"), text).unwrap();
    let (status, _, err) = command(&home, &["work", "worker.yml"]).await;
    assert_eq!(status, Some(2));
    for said in [
        "worker.yml:7:18: plugins.env.grants[0] ",
        r#"did you mean "environment"?"#,
    ] {
        assert!(err.contains(said), "{said}\n{err}");
    }
}

#[tokio::test]
async fn a_wrong_command_line_is_the_users_error() {
    let home = Home::new();
    for arguments in [&["wrok"][..], &["work"], &["queue", "--listen", "nowhere"], &[]] {
        let (status, _, err) = command(&home, arguments).await;
        assert_eq!(status, Some(2), "{arguments:?}\n{err}");
        assert!(err.contains("--help"), "{arguments:?}\n{err}");
    }
    let (status, out, _) = command(&home, &["--version"]).await;
    assert_eq!(
        (status, out.starts_with("taskcluster-worker ")),
        (Some(0), true),
        "{out}"
    );
}

#[tokio::test]
async fn plugins_are_listed_with_what_they_need() {
    let home = Home::new();
    let (status, out, err) = command(&home, &["plugin", "list"]).await;
    assert_eq!(status, Some(0), "{err}");
    for (name, needs) in [
        (ENV, "needs environment"),
        (EXIT_STATUS, "needs no grants"),
        (ARTIFACTS, "needs results, artifacts"),
        (LIVELOG, "needs artifacts, task-log"),
        (MAXRUNTIME, "needs kill"),
    ] {
        let line = out
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")))
            .unwrap_or_else(|| panic!("{name}\n{out}"));
        assert!(line.contains(needs), "{line}");
    }
    let (_, out, _) = command(&home, &["plugin", "list", "--json"]).await;
    let reports: Vec<Value> = serde_json::from_str(&out).unwrap();
    let env = reports.iter().find(|report| report["name"] == ENV).unwrap();
    assert_eq!(
        (&env["capabilities"], &env["verdict"]["kind"]),
        (&json!(["environment"]), &json!("loaded"))
    );
    let exports = env["exports"].as_array().unwrap();
    assert!(
        exports.len() == 2 && exports.contains(&json!("plugin")) && exports.contains(&json!("task-hooks"))
    );
    assert_eq!(env["sha256"].as_str().map(str::len), Some(64));
}

#[tokio::test]
async fn a_plugin_is_inspected() {
    let home = Home::new();
    let file = Plugin::ordinary(MAXRUNTIME).file;
    let file = file.to_str().unwrap();
    let (status, out, err) = command(&home, &["plugin", "inspect", file]).await;
    assert_eq!(status, Some(0), "{err}");
    for part in [
        "name          maxruntime",
        "needs         kill",
        "task-hooks",
        "loaded        yes",
        "maxRunTime",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    let (_, out, _) = command(&home, &["plugin", "inspect", "--json", file]).await;
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["payloadSchema"]["required"], json!(["maxRunTime"]));
    assert!(report["version"].is_string() && report["summary"].is_string());
}

#[tokio::test]
async fn a_plugin_is_checked_by_a_config() {
    let home = Home::new();
    let file = Plugin::misbehaving(UNGRANTED, &[]).file;
    let file = file.to_str().unwrap();
    let config = |grants: &str| {
        let text = CONFIG.replacen(
            "env: {grants: [environment]}",
            &format!("ungranted: {{grants: [{grants}]}}"),
            1,
        );
        std::fs::write(home.path().join("worker.yml"), text).unwrap();
    };
    config("");
    let (status, out, err) = command(&home, &["plugin", "check", "--config", "worker.yml", file]).await;
    assert_eq!(status, Some(1), "{err}");
    for part in [
        "ungranted.wasm: no: ",
        "plugin ungranted needs the capability kill",
        "plugins.ungranted.grants: [kill]",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    let (_, out, _) = command(
        &home,
        &["plugin", "check", "--json", "--config", "worker.yml", file],
    )
    .await;
    let reports: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(reports[0]["verdict"]["reason"], "not-granted");
    assert_eq!(
        reports[0]["verdict"]["advice"],
        "add to the config: plugins.ungranted.grants: [kill]"
    );
    config("kill");
    let (status, out, err) = command(&home, &["plugin", "check", "--config", "worker.yml", file]).await;
    assert_eq!((status, &*out), (Some(0), "ungranted.wasm: yes\n"), "{err}");
}

#[tokio::test]
async fn every_capability_is_refused_where_it_is_not_granted() {
    let home = Home::new();
    let lifecycle = Plugin::misbehaving(LIFECYCLE, &["lifecycle"]);
    for plugin in Plugin::all_ordinary().into_iter().chain([lifecycle]) {
        // All that it needs but one, for each.
        for lacking in &plugin.grants {
            let granted: Vec<_> = plugin.grants.iter().filter(|grant| *grant != lacking).collect();
            let config = json!({
                "taskcluster": {"embedded": {"directory": "queue"}},
                "worker": {"taskQueueId": "test/it", "directory": "state"},
                "plugins": {&*plugin.name: {"grants": granted}},
            });
            std::fs::write(home.path().join("worker.yml"), config.to_string()).unwrap();
            let file = plugin.file.to_str().unwrap();
            let arguments = ["plugin", "check", "--json", "--config", "worker.yml", file];
            let (status, out, err) = command(&home, &arguments).await;
            assert_eq!(status, Some(1), "{} without {lacking}\n{err}", plugin.name);
            let reports: Value = serde_json::from_str(&out).unwrap();
            let verdict = &reports[0]["verdict"];
            assert_eq!(verdict["reason"], "not-granted", "{verdict}");
            let message = verdict["message"].as_str().unwrap();
            let needs = format!("plugin {} needs the capability {lacking},", plugin.name);
            assert!(message.contains(&needs), "{message}");
        }
    }
}

#[tokio::test]
async fn what_is_no_plugin_is_told_apart() {
    let home = Home::new();
    for (content, said) in [
        (&b""[..], "empty"),
        (b"hello, this is not WebAssembly", "something else"),
        (b"(component)", "text"),
        (b"\0asm\x01\0\0\0", "a core WebAssembly module"),
    ] {
        std::fs::write(home.path().join("x.wasm"), content).unwrap();
        let (status, out, err) = command(&home, &["plugin", "check", "x.wasm"]).await;
        assert_eq!(status, Some(1), "{err}");
        assert!(
            out.contains("it is not a WebAssembly component") && out.contains(said),
            "{said}\n{out}"
        );
    }
}

#[tokio::test]
async fn schemas_are_printed() {
    let home = Home::new();
    let (status, out, err) = command(&home, &["schema", "config"]).await;
    assert_eq!(status, Some(0), "{err}");
    let schema: Value = serde_json::from_str(&out).unwrap();
    assert!(schema["properties"]["worker"].is_object());
    let (status, out, err) = command(&home, &["schema", "payload"]).await;
    assert_eq!(status, Some(0), "{err}");
    let schema: Value = serde_json::from_str(&out).unwrap();
    for property in [
        "command",
        "maxRunTime",
        "env",
        "artifacts",
        "onExitStatus",
        "logs",
        "features",
    ] {
        assert!(schema["properties"][property].is_object(), "{property}\n{out}");
    }
    assert_eq!(schema["additionalProperties"], json!(false));
}
