//! Stops the worker, as it is granted to: from `started`, where the payload says `lifecycle: stop-gracefully` or
//! `lifecycle: stop-now`, and once the worker has been idle for the `idleMs` of its config.

use plugin_sdk::{
    HookError, NewTask, Plugin, Sandbox, TaskPlugin, WorkerInfo, WorkerPlugin, WorkerStatus,
    lifecycle::{self, Lifecycle},
};
use serde::Deserialize;
use test_plugins::say;

struct Stopper {
    how: Option<How>,
    idle_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    StopGracefully,
    StopNow,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    idle_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Payload {
    lifecycle: Option<How>,
}

impl Plugin for Stopper {
    type Config = Config;
    const NAME: &'static str = "lifecycle";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Stops the worker.";
    const CONFIG_SCHEMA: &'static str = r#"{
        "type": "object", "properties": {"idleMs": {"type": "integer", "minimum": 0}}, "additionalProperties": false
    }"#;
    const PAYLOAD_SCHEMA: &'static str = r#"{
        "type": "object", "properties": {"lifecycle": {"enum": ["stop-gracefully", "stop-now"]}}
    }"#;
}

impl TaskPlugin for Stopper {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        Ok(Self {
            how: task.payload.and_then(|payload| payload.lifecycle),
            idle_ms: None,
        })
    }

    fn started(&mut self, _sandbox: &Sandbox) -> Result<(), HookError> {
        if let Some(how) = self.how {
            stop(&lifecycle::worker(), how, "the task says so");
        }
        Ok(())
    }
}

impl WorkerPlugin for Stopper {
    fn worker_started(_worker: WorkerInfo, config: Config) -> Result<Self, String> {
        Ok(Self {
            how: None,
            idle_ms: config.idle_ms,
        })
    }

    fn report_idle(&mut self, status: WorkerStatus) {
        if self.idle_ms.is_some_and(|limit| status.idle_ms >= limit) {
            stop(&lifecycle::worker(), How::StopGracefully, "the worker is idle");
        }
    }
}

fn stop(worker: &Lifecycle, how: How, why: &str) {
    match how {
        How::StopGracefully => worker.stop_gracefully(why),
        How::StopNow => worker.stop_now(why),
    }
    say(&format!("lifecycle: {how:?}, stopping: {}", worker.stopping()));
}

plugin_sdk::export_task_and_worker_plugin!(Stopper);
