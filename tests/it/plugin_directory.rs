//! The plugin directory: what is dropped into it is taken up, what may not be loaded is not, and why is said.

use std::{os::unix::fs::PermissionsExt, path::Path};

use minisign::KeyPair;
use serde_json::{Value, json};

use crate::{
    kit::{Expected, Plugin, Process, Scene, WorkerProcess, check, check_all, shell},
    named_by_tests::{UNGRANTED, VERSIONED_A, VERSIONED_B},
};

/// The plugin `versioned` as one of its files has it.
fn versioned(file: &str) -> Plugin {
    Plugin {
        name: "versioned".to_owned(),
        ..Plugin::misbehaving(file, &[])
    }
}

/// How often a version of the plugin has seen a task stop.
fn stops(worker: &WorkerProcess, version: &str) -> usize {
    worker
        .err()
        .matches(&format!("versioned {version}: stopped"))
        .count()
}

#[tokio::test]
async fn a_replaced_plugin_is_taken_up_by_the_next_task_and_not_by_a_running_one() {
    let scene = Scene::new().await;
    let mut worker = scene
        .worker()
        .concurrency(2)
        .plugin(versioned(VERSIONED_A))
        .start();
    let gate = scene.home().path().join("gate");
    let script = format!("while ! test -e {}; do sleep 0.01; done", gate.display());
    let running = scene.create_task(&shell(&script)).await;
    worker.until_stage(&running, "running").await;
    worker.replace_plugin("versioned", &versioned(VERSIONED_B).file);
    check_all(
        &scene,
        vec![("the next task", shell("true"), Expected::completed())],
    )
    .await;
    assert_eq!((stops(&worker, "1.0.0"), stops(&worker, "2.0.0")), (0, 1));
    std::fs::write(&gate, "").unwrap();
    check(&scene, &running, "the running task", &Expected::completed()).await;
    assert_eq!((stops(&worker, "1.0.0"), stops(&worker, "2.0.0")), (1, 1));
    assert!(worker.runs());
}

#[tokio::test]
async fn a_new_version_that_can_not_be_loaded_leaves_the_old_one_in_service() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().plugin(versioned(VERSIONED_A)).start();
    check_all(&scene, vec![("before", shell("true"), Expected::completed())]).await;
    let broken = scene.home().path().join("broken.wasm");
    std::fs::write(&broken, "no component").unwrap();
    for (number, file) in [(2, broken), (3, Plugin::misbehaving(UNGRANTED, &[]).file)] {
        worker.replace_plugin("versioned", &file);
        check_all(&scene, vec![("after", shell("true"), Expected::completed())]).await;
        assert_eq!(stops(&worker, "1.0.0"), number);
    }
    worker.until_err("it is not a WebAssembly component").await;
    worker.until_err("capability kill").await;
}

#[tokio::test]
async fn a_plugin_that_is_dropped_in_while_the_worker_runs_is_taken_up() {
    let scene = Scene::new().await;
    let worker = scene.worker().start();
    check_all(&scene, vec![("before", shell("true"), Expected::completed())]).await;
    assert_eq!(stops(&worker, "1.0.0"), 0);
    worker.replace_plugin("versioned", &versioned(VERSIONED_A).file);
    check_all(&scene, vec![("after", shell("true"), Expected::completed())]).await;
    assert_eq!(stops(&worker, "1.0.0"), 1);
}

#[tokio::test]
async fn a_plugin_without_its_grant_is_refused_by_name_and_with_the_line_that_would_grant_it() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().plugin(Plugin::misbehaving(UNGRANTED, &[])).start();
    // The config names it, so that the worker does not start without it.
    assert_eq!(worker.ended().await, Some(4));
    let said = worker.err();
    for part in [
        "plugin ungranted needs the capability kill, which the config does not grant",
        "plugins.ungranted.grants: [kill]",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

#[tokio::test]
async fn a_plugin_that_nobody_asked_for_is_refused_without_harm_and_its_part_of_the_payload_is_unknown() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().mock().start();
    worker.replace_plugin("ungranted", &Plugin::misbehaving(UNGRANTED, &[]).file);
    let uses = json!({"steps": [], "ungranted": true});
    check_all(
        &scene,
        vec![
            ("one that uses it", uses, Expected::exception("malformed-payload")),
            ("one that does not", json!({"steps": []}), Expected::completed()),
        ],
    )
    .await;
    worker.until_err("plugins.ungranted.grants: [kill]").await;
}

#[tokio::test]
async fn a_plugin_with_its_grant_uses_it() {
    let scene = Scene::new().await;
    let _worker = scene
        .worker()
        .mock()
        .plugin(Plugin::misbehaving(UNGRANTED, &["kill"]))
        .start();
    let payload = json!({"steps": ["forever"], "ungranted": true});
    check_all(&scene, vec![("killed", payload, Expected::failed())]).await;
}

#[tokio::test]
async fn two_files_of_one_name_are_both_refused() {
    let scene = Scene::new().await;
    let plugins = scene.home().path().join("twice");
    std::fs::create_dir(&plugins).unwrap();
    for file in [VERSIONED_A, VERSIONED_B] {
        std::fs::copy(versioned(file).file, plugins.join(format!("{file}.wasm"))).unwrap();
    }
    let arguments = ["plugin", "list", "--json", "--plugins", plugins.to_str().unwrap()];
    let mut list = Process::start(scene.home(), "list", arguments);
    assert_eq!(list.ended().await, Some(0));
    let reports: Value = serde_json::from_str(&list.out()).unwrap();
    let verdicts: Vec<_> = reports
        .as_array()
        .unwrap()
        .iter()
        .map(|report| &report["verdict"]["reason"])
        .collect();
    assert_eq!(verdicts, [&json!("duplicate"), &json!("duplicate")]);
}

#[tokio::test]
async fn a_plugin_that_is_pinned_to_other_bytes_is_refused() {
    let scene = Scene::new().await;
    let mut worker = scene
        .worker()
        .plugin(versioned(VERSIONED_A))
        .set("/plugins/versioned", json!({"sha256": "0".repeat(64)}))
        .start();
    assert_eq!(worker.ended().await, Some(4));
    assert!(
        worker.err().contains("pinned by plugins.versioned.sha256"),
        "{}",
        worker.err()
    );
}

#[tokio::test]
async fn a_replaced_plugin_is_taken_up_while_the_worker_has_nothing_to_do() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().plugin(versioned(VERSIONED_A)).start();
    worker.until_err("version=\"1.0.0\"").await;
    worker.replace_plugin("versioned", &versioned(VERSIONED_B).file);
    worker.until_err("version=\"2.0.0\"").await;
}

#[tokio::test]
async fn a_file_is_not_loaded_before_its_writer_has_closed_it() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().plugin(versioned(VERSIONED_A)).start();
    worker.until_err("version=\"1.0.0\"").await;
    // All of the next version is there, but whoever writes it may not be done.
    let next = std::fs::read(versioned(VERSIONED_B).file).unwrap();
    let mut copy = std::fs::File::create(worker.plugins().join("versioned.wasm")).unwrap();
    std::io::Write::write_all(&mut copy, &next).unwrap();
    check_all(&scene, vec![("meanwhile", shell("true"), Expected::completed())]).await;
    assert_eq!((stops(&worker, "1.0.0"), stops(&worker, "2.0.0")), (1, 0));
    worker.until_err("a plugin's file is being written").await;
    drop(copy);
    worker.until_err("version=\"2.0.0\"").await;
    check_all(&scene, vec![("after", shell("true"), Expected::completed())]).await;
    assert_eq!((stops(&worker, "1.0.0"), stops(&worker, "2.0.0")), (1, 1));
}

#[tokio::test]
async fn a_strict_pool_runs_what_its_key_has_signed_and_nothing_else() {
    let scene = Scene::new().await;
    let (release, other) = (key_pair(), key_pair());
    let plugin = versioned(VERSIONED_A);
    let worker = |name: &str| {
        let trust = json!({"strict": true, "keys": {"release": release.pk.to_base64()}});
        scene
            .worker()
            .named(name)
            .plugin(versioned(VERSIONED_A))
            .set("/plugins/versioned", json!({"signedBy": "release"}))
            .set("/pluginTrust", trust)
    };
    let mut unsigned = worker("unsigned").start();
    assert_eq!(unsigned.ended().await, Some(4));
    let why = "neither pinned by a sha256 of the config nor signed by a key of pluginTrust.keys";
    assert!(unsigned.err().contains(why), "{}", unsigned.err());
    for (name, pair) in [("other", &other), ("release", &release)] {
        let plugins = scene.home().path().join(format!("{name}.plugins"));
        std::fs::create_dir(&plugins).unwrap();
        sign(pair, &plugin, &plugins.join("versioned.wasm.minisig"));
        let mut signed = worker(name).start();
        if name == "other" {
            assert_eq!(signed.ended().await, Some(4));
            continue;
        }
        check_all(&scene, vec![("signed", shell("true"), Expected::completed())]).await;
        assert_eq!(stops(&signed, "1.0.0"), 1);
        signed.until_err("signed_by=\"release\"").await;
        // What lies there now is not what was signed.
        signed.replace_plugin("versioned", &versioned(VERSIONED_B).file);
        signed
            .until_err("its signature is not of this file: it claims to be by release, and does not verify")
            .await;
        check_all(
            &scene,
            vec![("tampered with", shell("true"), Expected::completed())],
        )
        .await;
        assert_eq!((stops(&signed, "1.0.0"), stops(&signed, "2.0.0")), (2, 0));
    }
}

#[tokio::test]
async fn a_check_says_everything_that_is_wrong_at_once() {
    let scene = Scene::new().await;
    let home = scene.home();
    let plugins = home.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    let (plugin, file) = (
        Plugin::misbehaving(UNGRANTED, &[]),
        plugins.join("ungranted.wasm"),
    );
    std::fs::copy(&plugin.file, &file).unwrap();
    sign(&key_pair(), &plugin, &plugins.join("ungranted.wasm.minisig"));
    let key = key_pair().pk.to_base64();
    let config = |entry: Value| {
        let config = json!({
            "taskcluster": {"embedded": {"directory": "queue"}},
            "worker": {"taskQueueId": "test/it", "directory": "worker"},
            "pluginDirectory": plugins,
            "pluginTrust": {"keys": {"release": key}},
            "plugins": {"ungranted": entry},
        });
        std::fs::write(home.path().join("worker.yml"), config.to_string()).unwrap();
    };
    let check = async |json: &[&str]| {
        let file = file.to_str().unwrap();
        let mut arguments = vec!["plugin", "check", "--config", "worker.yml", file];
        arguments.extend(json);
        let name = format!("check{}", json.len());
        let mut process = Process::start(home, &name, arguments);
        let status = process.ended().await;
        (status, process.out())
    };
    config(json!({"sha256": "0".repeat(64), "signedBy": "release", "minVersion": "99.0.0"}));
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o646)).unwrap();
    let (status, out) = check(&["--json"]).await;
    assert_eq!(status, Some(1));
    let reports: Value = serde_json::from_str(&out).unwrap();
    let reasons: Vec<_> = reports[0]["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["reason"].as_str().unwrap())
        .collect();
    let all = [
        "unreadable",
        "pin-mismatch",
        "not-signed",
        "too-old",
        "not-granted",
    ];
    assert_eq!(reasons, all, "{out}");
    let (status, out) = check(&[]).await;
    assert_eq!(status, Some(1));
    for part in [
        "ungranted.wasm: no, for 5 reasons:",
        "everybody can write it",
        "pinned by plugins.ungranted.sha256",
        "must be signed by release, and is signed by a key that pluginTrust.keys does not have",
        "plugins.ungranted.minVersion is 99.0.0",
        "plugins.ungranted.grants: [kill]",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    config(json!({"grants": ["kill"]}));
    std::fs::remove_file(home.path().join("check0.out")).unwrap();
    assert_eq!(check(&[]).await, (Some(0), "ungranted.wasm: yes\n".to_owned()));
}

fn key_pair() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

/// Signs a plugin's file, as the tool minisign does.
fn sign(pair: &KeyPair, plugin: &Plugin, signature: &Path) {
    let bytes = std::fs::File::open(&plugin.file).unwrap();
    let signed = minisign::sign(Some(&pair.pk), &pair.sk, bytes, Some("for a test"), None).unwrap();
    std::fs::write(signature, signed.into_string()).unwrap();
}
