//! Reads what the task has planted: every file and folder that `attack34` names, with all that is below. Says in lines that
//! begin with `34:` what could be read and why the rest could not.

use plugin_sdk::{
    HookError, NewTask, NoConfig, Plugin, ResultSet, TaskPlugin,
    files::File,
    results::{Extract as _, ExtractError},
};
use serde::Deserialize;
use test_plugins::say;

struct PlantedLinks(Vec<String>);

#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(default)]
    attack34: Vec<String>,
}

impl Plugin for PlantedLinks {
    type Config = NoConfig;
    const NAME: &'static str = "attack-34-planted-links";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Reads what the task has planted.";
    const PAYLOAD_SCHEMA: &'static str = r#"{"type": "object", "properties": {"attack34": {
        "type": "array", "items": {"type": "string"}
    }}}"#;
}

impl TaskPlugin for PlantedLinks {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        Ok(Self(
            task.payload.map(|payload| payload.attack34).unwrap_or_default(),
        ))
    }

    fn stopped(&mut self, results: &ResultSet) -> Result<bool, HookError> {
        for path in &self.0 {
            tell(path, results.extract_file(path));
            match results.extract_folder(path) {
                Err(error) => say(&format!("34: {path}: {error:?}")),
                Ok(folder) => {
                    while let Ok(Some(entry)) = folder.next() {
                        tell(&entry.path, entry.content);
                    }
                }
            }
        }
        Ok(true)
    }
}

fn tell(path: &str, found: Result<File, ExtractError>) {
    let text = found.and_then(|file| {
        let bytes = file.read().and_then(|reader| reader.next(1000));
        bytes.map_err(ExtractError::Refused)
    });
    match text {
        Ok(bytes) => say(&format!("34: {path} says {}", String::from_utf8_lossy(&bytes))),
        Err(error) => say(&format!("34: {path}: {error:?}")),
    }
}

plugin_sdk::export_task_plugin!(PlantedLinks);
