//! Floods the logs, as `attack43` says: `lines` of one letter, `pages` of a mebibyte each, `output` that never ends its line.

use std::io::Write as _;

use plugin_sdk::{HookError, NewTask, NoConfig, Plugin, Sandbox, TaskPlugin};
use serde::Deserialize;
use test_plugins::say;

struct LogFlood(Option<Flood>);

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Flood {
    Lines,
    Pages,
    Output,
}

#[derive(Debug, Deserialize)]
struct Payload {
    attack43: Option<Flood>,
}

impl Plugin for LogFlood {
    type Config = NoConfig;
    const NAME: &'static str = "attack-43-log-flood";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Floods the logs.";
    const PAYLOAD_SCHEMA: &'static str =
        r#"{"type": "object", "properties": {"attack43": {"enum": ["lines", "pages", "output"]}}}"#;
}

impl TaskPlugin for LogFlood {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        Ok(Self(task.payload.and_then(|payload| payload.attack43)))
    }

    fn started(&mut self, _sandbox: &Sandbox) -> Result<(), HookError> {
        match self.0 {
            None => {}
            Some(Flood::Lines) => (0..5_000).for_each(|_| say("~")),
            Some(Flood::Pages) => {
                let page = "~".repeat(1 << 20);
                (0..50).for_each(|_| say(&page));
            }
            Some(Flood::Output) => {
                let mut output = std::io::stdout().lock();
                for _ in 0..2_000 {
                    // A closed output is no reason to stop.
                    let _ = output.write_all(&[b'~'; 4096]);
                }
            }
        }
        Ok(())
    }
}

plugin_sdk::export_task_plugin!(LogFlood);
