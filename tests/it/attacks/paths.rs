//! Attacks 33, 34 and 41: ways to files that are no task's and no plugin's business.

use serde_json::{Value, json};

use super::{
    assault::Assault,
    files::{component, put},
    harness::SiegeOptions,
    hostile::Hostile,
    table::{Attack, attack},
};
use crate::{
    kit::{Expected, files_below, shell},
    named_by_tests::{ATTACK_33_PATH_TRAVERSAL, ATTACK_34_PLANTED_LINKS, FILE_41_MOUNTS},
};

pub(super) const ATTACKS: &[Attack] = &[
    attack!(
        33,
        "paths and names of artifacts that lead elsewhere: `..`, absolute, NUL, backslashes",
        "the kernel looks a path up and does not leave the task's directory (`RESOLVE_BENEATH`); a name has what the queue's may have, and leads nowhere",
        "`engines.native.artifactRoots` for absolute paths",
        a_path_does_not_lead_out_of_the_tasks_directory,
        path_traversal
    ),
    attack!(
        34,
        "links that the task has planted for a plugin to read",
        "the same lookup follows links only as far as they stay inside; in a walk, none",
        "",
        a_planted_link_does_not_lead_out_of_the_tasks_directory,
        planted_links
    ),
    attack!(
        41,
        "mounting over the worker's files or the system's",
        "the contract has nothing that mounts: a plugin that imports it is refused",
        "",
        a_plugin_that_would_mount_is_refused
    ),
];

/// The same payload with one more property.
fn with(mut payload: Value, name: &str, value: Value) -> Value {
    payload[name] = value;
    payload
}

fn path_traversal() -> Assault {
    let hostile = Hostile::built(ATTACK_33_PATH_TRAVERSAL).granted(&["results", "artifacts"]);
    let payload = with(shell("mkdir folder"), "attack33", json!(true));
    let expected = Expected::completed()
        .says("33: ExtractError::Refused(Error::Invalid(\"the path leads out of its folder")
        .says("33: ExtractError::Refused(Error::Invalid(\"the path is neither in the task's directory nor in a folder")
        .says("33: ExtractError::Refused(Error::Invalid(\"the path is empty")
        .says("33: ExtractError::Refused(Error::Invalid(\"the path contains NUL")
        .says("33: Error::Invalid(\"the name of an artifact is one or more printable ASCII characters")
        .says("33: Error::Invalid(\"no artifact can be named \\\"..\\\"")
        .says("33: Error::Invalid(\"the name of an artifact is longer than 1024 bytes")
        .says_nothing_of("33: got");
    Assault::by([hostile], [("the traversal", payload, expected)]).native()
}

#[tokio::test]
async fn a_path_does_not_lead_out_of_the_tasks_directory() {
    let assault = path_traversal();
    let mut siege = SiegeOptions::of(&assault).lay().await;
    std::fs::write(siege.scene().home().path().join("secret"), "s3cret").unwrap();
    siege.withstands(&assault).await;
    let escaped = |file: &String| file.contains("escaped") || file.contains("gnp.exe");
    assert_eq!(
        files_below(siege.scene().home().path()).into_iter().find(escaped),
        None
    );
}

fn planted_links() -> Assault {
    let hostile = Hostile::built(ATTACK_34_PLANTED_LINKS).granted(&["results"]);
    // What is nobody's secret, but is on every machine: it has a line of root.
    let payload = shell(
        "mkdir -p folder/deep; echo inside > folder/file
        ln -s /etc/passwd link; ln -s /etc/passwd folder/link; ln -s /etc folder/deep/etc; ln -s / root
        ln -s ../../../../../../../../../../../etc/passwd up; ln -s /proc/self/root/etc/passwd magic
        ln -s loop loop; ln -s folder/file good; mkfifo pipe folder/pipe",
    );
    let paths = json!([
        "link",
        "folder",
        "folder/link",
        "folder/deep/etc/passwd",
        "root/etc/passwd",
        "up",
        "magic",
        "loop",
        "pipe",
        "good",
    ]);
    let payload = with(payload, "attack34", paths);
    let expected = Expected::completed()
        .says("34: link: ExtractError::Refused(Error::Invalid(\"the path leads out of its folder")
        .says("34: folder/link: ExtractError::Refused(Error::Invalid(\"the path leads out of its folder")
        .says("34: folder/deep/etc/passwd: ExtractError::Refused(Error::Invalid(\"the path leads out of its folder")
        .says("34: root/etc/passwd: ExtractError::Refused(Error::Invalid(\"the path leads out of its folder")
        .says("34: up: ExtractError::Refused(Error::Invalid(\"the path leads out of its folder")
        .says("34: magic: ExtractError::Refused(Error::Invalid(\"the path leads out of its folder")
        .says("34: loop: ExtractError::Refused(Error::Invalid(\"the path has too many links")
        .says("34: pipe: ExtractError::WrongKind")
        .says("34: good says inside")
        .says("34: file says inside")
        .says_nothing_of("root:");
    Assault::by([hostile], [("the links", payload, expected)]).native()
}

#[tokio::test]
async fn a_planted_link_does_not_lead_out_of_the_tasks_directory() {
    planted_links().is_withstood().await;
}

#[tokio::test]
async fn a_plugin_that_would_mount_is_refused() {
    let mounts = component(FILE_41_MOUNTS);
    let mut siege = SiegeOptions::by([]).lay().await;
    let refused = [(
        "mounts.wasm",
        "it imports taskcluster:plugin/mounts@0.1.0, which this worker does not have",
    )];
    siege
        .repels(&refused, |directory| put(directory, "mounts.wasm", &mounts))
        .await;
}
