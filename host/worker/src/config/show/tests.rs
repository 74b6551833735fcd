//! What is shown of a config, and that it is what is in force.

use serde_json::json;

use super::*;
use crate::config::{Layer, NoSecret, Secrets, outside::Outside};

const TEXT: &str = "\
taskcluster:
  rootUrl: https://tc.example.com
  workerManager: {providerType: static, providerId: static, staticSecret: {$env: TOKEN}}
worker:
  taskQueueId: proj/linux
  directory: state
  concurrency: {$env: COUNT, type: number}
engines:
  native:
    environment:
      PLAIN: word
      TOKEN: {$secret: pool/token, key: token}
plugins:
  env: {grants: [environment], config: {$secret: pool/env}}
";

fn draft() -> Draft {
    let env = |name: &str| match name {
        "TOKEN" => Some("s3cret-static".to_owned()),
        "COUNT" => Some("3".to_owned()),
        _ => None,
    };
    let folder = "/etc/worker".into();
    Draft::parse("worker.yml", TEXT, &Outside { env: &env, folder }).unwrap()
}

fn secrets() -> Secrets {
    let mut secrets = Secrets::default();
    let token = json!({"token": "s3cret-token"});
    secrets.add("pool/token", Ok(token.as_object().unwrap().clone()));
    let env = json!({"word": "s3cret-word"});
    secrets.add("pool/env", Ok(env.as_object().unwrap().clone()));
    secrets.add("none", Err(NoSecret::Missing));
    secrets
}

fn origin<'a>(shown: &'a Shown, pointer: &str) -> &'a str {
    shown.origins.get(pointer).map_or("none", String::as_str)
}

#[test]
fn every_value_is_shown_with_its_origin() {
    let shown = draft().show();
    for (pointer, value, label) in [
        (
            "/taskcluster/rootUrl",
            json!("https://tc.example.com"),
            "worker.yml:2:12",
        ),
        (
            "/taskcluster/workerManager/staticSecret",
            json!("***"),
            "env TOKEN",
        ),
        ("/taskcluster/workerManager/removeAtEnd", json!(false), "default"),
        ("/taskcluster/embedded", Value::Null, "default"),
        ("/worker/concurrency", json!(3), "env COUNT"),
        ("/worker/tick", json!("10s"), "default"),
        ("/worker/workerId", json!(default_worker_id()), "default"),
        ("/engine", json!("native"), "default"),
        ("/engines/native/killGrace", json!("5s"), "default"),
        (
            "/engines/native/environment/PLAIN",
            json!("word"),
            "worker.yml:11:14",
        ),
        (
            "/engines/native/environment/TOKEN",
            json!("***"),
            "secret pool/token (worker.yml:12:14)",
        ),
        ("/plugins/env/grants/0", json!("environment"), "worker.yml:14:18"),
        ("/plugins/env/required", json!(true), "default"),
        ("/artifacts/storageType", json!("s3"), "default"),
        ("/plugins/abortGrace", json!("2s"), "default"),
        ("/plugins/faultLimit", json!(3), "default"),
        ("/plugins/faultWindow", json!("3600s"), "default"),
        ("/metrics/listen", Value::Null, "default"),
    ] {
        assert_eq!(shown.config.pointer(pointer), Some(&value), "{pointer}");
        assert_eq!(origin(&shown, pointer), label, "{pointer}");
    }
}

#[test]
fn every_limit_of_a_plugin_is_shown_with_its_default_whether_it_is_named_or_not() {
    let shown = draft().show();
    let limits = serde_json::to_value(plugin_host::Limits::default()).unwrap();
    for (key, value) in limits.as_object().unwrap() {
        for of in ["/plugins/defaultLimits", "/plugins/env/limits"] {
            let pointer = format!("{of}/{key}");
            assert_eq!(shown.config.pointer(&pointer), Some(value), "{pointer}");
            assert_eq!(origin(&shown, &pointer), "default", "{pointer}");
        }
    }
}

#[test]
fn layers_are_shown_and_secrets_are_not() {
    let mut draft = draft();
    let pool = json!({"worker": {"concurrency": 5}, "plugins": {"env": {"config": {"a": 1}}}});
    draft.lay_over(&Layer::WorkerManager, pool).unwrap();
    let secret = json!({"worker": {"metadata": {"key": "s3cret-metadata"}}, "liveLog": {"enabled": false}});
    draft
        .lay_over(&Layer::PoolSecret("worker-pool:proj/linux".to_owned()), secret)
        .unwrap();
    draft.fill(&secrets()).unwrap();
    let shown = draft.show();
    assert_eq!(origin(&shown, "/worker/concurrency"), "worker-manager");
    assert_eq!(
        shown.config.pointer("/plugins/env/config"),
        Some(&json!({"a": 1}))
    );
    assert_eq!(
        origin(&shown, "/worker/metadata"),
        "secret worker-pool:proj/linux"
    );
    assert_eq!(
        origin(&shown, "/engines/native/environment/TOKEN"),
        "secret pool/token"
    );
    assert!(!format!("{shown:?}").contains("s3cret"), "{shown:?}");
    let config = draft.finish().unwrap();
    assert_eq!(config.worker.concurrency, 5);
    assert_eq!(config.worker.metadata["key"], "s3cret-metadata");
    assert!(!config.live_log.enabled);
    assert_eq!(config.engines.native.environment["TOKEN"], "s3cret-token");
}

#[test]
fn what_files_give_is_masked_and_what_the_environment_gives_where_only_the_author_knows_what_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "s3cret-file").unwrap();
    let text = "\
taskcluster: {rootUrl: {$env: PLAIN}, credentials: {clientId: {$file: secret}, accessToken: t}}
worker: {taskQueueId: proj/linux, directory: w, metadata: {who: {$env: SECRET}, plain: {$env: NONE, default: word}}}
engines: {native: {environment: {PASSWORD: {$env: SECRET}, KEY: {$file: secret}}}}
plugins: {env: {config: {list: {$env: LIST, type: list}, deep: {er: {$env: SECRET}}}}}
";
    let env = |name: &str| match name {
        "PLAIN" => Some("https://tc.example.com".to_owned()),
        "SECRET" => Some("s3cret-variable".to_owned()),
        "LIST" => Some("s3cret-a s3cret-b".to_owned()),
        _ => None,
    };
    let folder = folder.path().to_owned();
    let draft = Draft::parse("worker.yml", text, &Outside { env: &env, folder }).unwrap();
    let shown = draft.show();
    assert!(!format!("{shown:?}").contains("s3cret"), "{shown:?}");
    for (pointer, value, label) in [
        ("/taskcluster/rootUrl", "https://tc.example.com", "env PLAIN"),
        ("/taskcluster/credentials/clientId", "***", "file secret"),
        ("/worker/metadata/who", "***", "env SECRET"),
        ("/worker/metadata/plain", "word", "default of NONE"),
        ("/engines/native/environment/PASSWORD", "***", "env SECRET"),
        ("/engines/native/environment/KEY", "***", "file secret"),
        ("/plugins/env/config/list", "***", "env LIST"),
        ("/plugins/env/config/deep/er", "***", "env SECRET"),
    ] {
        assert_eq!(shown.config.pointer(pointer), Some(&json!(value)), "{pointer}");
        assert_eq!(origin(&shown, pointer), label, "{pointer}");
    }
}

#[test]
fn what_is_shown_is_what_is_in_force() {
    let text = "taskcluster: {embedded: {directory: q}}\nworker: {taskQueueId: a/b, directory: w}\nplugins: {env: {}}\n";
    let env = |_: &str| None;
    let outside = Outside {
        env: &env,
        folder: "/etc/worker".into(),
    };
    let draft = Draft::parse("worker.yml", text, &outside).unwrap();
    // With every default written out it is the same config: none is missing, and none is another.
    let written_out = Draft::of_value(draft.show().config, "shown", &outside.folder).unwrap();
    let (short, long) = (draft.finish().unwrap(), written_out.finish().unwrap());
    assert_eq!(format!("{short:?}"), format!("{long:?}"));
}

#[test]
fn every_key_of_a_config_is_shown() {
    let text = "taskcluster: {embedded: {directory: q}}\nworker: {taskQueueId: a/b, directory: w}\nplugins: {env: {}}\n";
    let env = |_: &str| None;
    let folder = "/etc/worker".into();
    let draft = Draft::parse("worker.yml", text, &Outside { env: &env, folder }).unwrap();
    let (shown, schema) = (draft.show().config, check::schema());
    let mut missing = Vec::new();
    look(&schema, &schema, &shown, "", &mut missing);
    assert_eq!(missing, [""; 0]);

    fn look(root: &Value, schema: &Value, shown: &Value, pointer: &str, missing: &mut Vec<String>) {
        let schema = form_of(root, schema, shown);
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            match shown.get(key) {
                Some(shown) => look(root, property, shown, &child(pointer, key), missing),
                None => missing.push(child(pointer, key)),
            }
        }
    }
}
