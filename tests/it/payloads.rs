//! Payloads that can't be run: what is said of them, to whom, and that nothing of them is run.

use serde_json::{Value, json};

use crate::kit::{Expected, Scene, check_all};

fn malformed() -> Expected {
    Expected::exception("malformed-payload").says_nothing_of("Executing command")
}

fn with(key: &str, value: Value) -> Value {
    let mut payload = json!({"command": [["true"]], "maxRunTime": 600});
    payload[key] = value;
    payload
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_with_its_path() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().all_plugins().concurrency(4).start();
    check_all(
        &scene,
        vec![
            (
                "an empty payload",
                json!({}),
                malformed()
                    .says("task.payload.command is missing")
                    .says("task.payload.maxRunTime is missing"),
            ),
            (
                "no commands",
                with("command", json!([])),
                malformed().says("task.payload.command"),
            ),
            (
                "an empty command",
                with("command", json!([[]])),
                malformed().says("task.payload.command[0]"),
            ),
            (
                "a command as a text",
                with("command", json!(["true"])),
                malformed().says("task.payload.command[0]"),
            ),
            (
                "an unknown property",
                with("commands", json!([["true"]])),
                malformed()
                    .says("task.payload.commands is not known")
                    .says("did you mean command?"),
            ),
            (
                "an unknown feature",
                with("features", json!({"livelog": true})),
                malformed()
                    .says("task.payload.features.livelog is not known")
                    .says("did you mean liveLog?"),
            ),
            (
                "an unknown property of an artifact",
                with("artifacts", json!([{"type": "file", "path": "a", "pth": "b"}])),
                malformed()
                    .says("task.payload.artifacts[0].pth is not known")
                    .says("did you mean path?"),
            ),
            (
                "an unknown encoding",
                with(
                    "artifacts",
                    json!([{"type": "file", "path": "a", "contentEncoding": "gzipped"}]),
                ),
                malformed().says("task.payload.artifacts[0].contentEncoding"),
            ),
            (
                "a NUL in a command",
                with("command", json!([["echo", "a\u{0}"]])),
                malformed().says("NUL"),
            ),
            (
                "two owners' errors at once",
                json!({"command": "true", "maxRunTime": 0, "env": {"A": 1}}),
                malformed()
                    .says("task.payload.command ")
                    .says("task.payload.maxRunTime ")
                    .says("task.payload.env.A "),
            ),
        ],
    )
    .await;
    assert!(worker.runs());
}

#[tokio::test]
async fn what_old_tasks_say_is_accepted() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().concurrency(4).start();
    check_all(
        &scene,
        vec![
            (
                "superseding",
                with("supersederUrl", json!("https://example.com/x")),
                Expected::completed(),
            ),
            (
                "no artifacts",
                with("artifacts", json!([])),
                Expected::completed(),
            ),
            (
                "features that are on",
                with("features", json!({"liveLog": true})),
                Expected::completed(),
            ),
        ],
    )
    .await;
}
