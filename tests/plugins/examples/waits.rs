//! Stays in `started` for as long as the sandbox runs: in one wait, or with `waits: {everyMs: N}` in many of N
//! milliseconds, for any of which it may be the one that uses up a limit by mistake. Then says
//! `waits: the sandbox has ended after N waits`.

use plugin_sdk::{HookError, NewTask, NoConfig, Plugin, Sandbox, TaskPlugin};
use serde::Deserialize;

struct Waits {
    every_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Payload {
    waits: Option<Waiting>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Waiting {
    every_ms: u64,
}

impl Plugin for Waits {
    type Config = NoConfig;
    const NAME: &'static str = "waits";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Waits for the sandbox to end.";
    const PAYLOAD_SCHEMA: &'static str = r#"{"type": "object", "properties": {"waits": {
        "type": "object", "required": ["everyMs"], "properties": {"everyMs": {"type": "integer", "minimum": 1}}
    }}}"#;
}

impl TaskPlugin for Waits {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        let waits = task.payload.and_then(|payload| payload.waits);
        Ok(Self {
            every_ms: waits.map(|waits| waits.every_ms),
        })
    }

    fn started(&mut self, sandbox: &Sandbox) -> Result<(), HookError> {
        let mut waits = 1;
        while !sandbox.wait(self.every_ms) {
            waits += 1;
        }
        test_plugins::say(&format!("waits: the sandbox has ended after {waits} waits"));
        Ok(())
    }
}

plugin_sdk::export_task_plugin!(Waits);
