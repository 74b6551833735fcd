//! Needs the capability `kill`, which tests do not grant it: it is refused, whether it would use it or not.

use plugin_sdk::{HookError, NewTask, NoConfig, Plugin, Sandbox, TaskPlugin, kill::Kill as _};
use serde::Deserialize;

struct Ungranted {
    kill: bool,
}

#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(default)]
    ungranted: bool,
}

impl Plugin for Ungranted {
    type Config = NoConfig;
    const NAME: &'static str = "ungranted";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Kills the task, if it may.";
    const PAYLOAD_SCHEMA: &'static str =
        r#"{"type": "object", "properties": {"ungranted": {"type": "boolean"}}}"#;
}

impl TaskPlugin for Ungranted {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        let kill = task.payload.is_some_and(|payload| payload.ungranted);
        Ok(Self { kill })
    }

    fn started(&mut self, sandbox: &Sandbox) -> Result<(), HookError> {
        if self.kill {
            sandbox.kill()?;
        }
        Ok(())
    }
}

plugin_sdk::export_task_plugin!(Ungranted);
