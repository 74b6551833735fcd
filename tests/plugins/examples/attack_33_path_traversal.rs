//! Reaches out of the task's directory by the names of files and folders, and of artifacts: `attack33: true`. Says what each
//! came to in lines that begin with `33:`; with `33: got`, where it came to anything.

use plugin_sdk::{
    HookError, NewTask, NoConfig, Plugin, ResultSet, TaskPlugin,
    artifacts::{self, Encoding, Options},
    files,
    results::Extract as _,
};
use serde::Deserialize;
use test_plugins::say;

struct PathTraversal(bool);

#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(default)]
    attack33: bool,
}

/// Where files are that are no task's business.
const PATHS: [&str; 12] = [
    "..",
    "../..",
    "../../../../../../etc/passwd",
    "folder/../../../secret",
    "/etc/passwd",
    "//etc/passwd",
    "/proc/self/environ",
    "/",
    "",
    "folder\0/../../secret",
    "..\\..\\secret",
    "C:\\secret",
];
/// What no artifact can be called.
const NAMES: [&str; 8] = [
    "",
    ".",
    "..",
    "public/\0",
    "public/\nx",
    "public/\u{1b}[2J",
    "public/\u{202e}gnp.exe",
    "public/é",
];

impl Plugin for PathTraversal {
    type Config = NoConfig;
    const NAME: &'static str = "attack-33-path-traversal";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Reaches out of the task's directory.";
    const PAYLOAD_SCHEMA: &'static str =
        r#"{"type": "object", "properties": {"attack33": {"type": "boolean"}}}"#;
}

impl TaskPlugin for PathTraversal {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        Ok(Self(task.payload.is_some_and(|payload| payload.attack33)))
    }

    fn stopped(&mut self, results: &ResultSet) -> Result<bool, HookError> {
        if !self.0 {
            return Ok(true);
        }
        for path in PATHS {
            tell(path, results.extract_file(path));
            tell(path, results.extract_folder(path));
        }
        for name in NAMES.into_iter().chain([&*"x".repeat(1025)]) {
            tell(name, store(name));
        }
        // It is a name like any other, and nothing's way to anywhere.
        store("../../../escaped")?;
        Ok(true)
    }
}

fn store(name: &str) -> Result<(), plugin_sdk::Error> {
    let options = Options {
        content_type: "text/plain".to_owned(),
        expires: None,
    };
    artifacts::upload(name, files::from_bytes(b"escaped")?, Encoding::Identity, &options)
}

fn tell<T, E: std::fmt::Debug>(what: &str, came_to: Result<T, E>) {
    match came_to {
        Ok(_) => say(&format!("33: got {what:?}")),
        Err(error) => say(&format!("33: {error:?}")),
    }
}

plugin_sdk::export_task_plugin!(PathTraversal);
