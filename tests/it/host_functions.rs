//! What guests pass to the host that no language with types lets them pass. The fuzz target of the same name, in `tests/fuzz`,
//! passes everything else.

use serde_json::json;

use crate::{
    kit::{Expected, Plugin, Scene, check_all},
    named_by_tests::CALLS,
};

const EVERYTHING: [&str; 7] = [
    "environment",
    "task-definition",
    "kill",
    "results",
    "artifacts",
    "task-log",
    "lifecycle",
];

#[tokio::test]
async fn a_plugin_that_passes_what_is_no_text_or_no_handle_ends_one_run() {
    let scene = Scene::new().await;
    let _worker = scene
        .worker()
        .mock()
        .concurrency(8)
        .plugin(Plugin::misbehaving(CALLS, &EVERYTHING))
        .set("/plugins/faultLimit", json!(0))
        .start();
    let breaks = |what, script: &str| {
        let payload = json!({"steps": [], "calls": script});
        (what, payload, Expected::exception("internal-error"))
    };
    let tasks = [
        breaks("a line that is no UTF-8", "0001eefffe80c000"),
        breaks("the size of a file that it made up", "09f3"),
        breaks("an artifact of a file that it made up", "19061100061400f1"),
        breaks("a variable of a builder that it made up", "0c06100610f2"),
        breaks("a builder that it gave back", "ff060500ff"),
        (
            "the next task",
            json!({"steps": [], "calls": "ffff"}),
            Expected::completed(),
        ),
    ];
    check_all(&scene, tasks.into()).await;
}
