//! Writes what a terminal obeys and what looks like the worker's own lines, in both logs and as output: `attack44: true`.

use std::io::Write as _;

use plugin_sdk::{HookError, NewTask, NoConfig, Plugin, Sandbox, TaskPlugin};
use serde::Deserialize;
use test_plugins::say;

struct ForgedLines(bool);

#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(default)]
    attack44: bool,
}

/// The line that it forges is each time another.
const LINES: [&str; 7] = [
    "44: clears \u{1b}[2J\u{1b}]0;title\u{7}",
    "44: climbs \u{1b}[1A\u{9b}1A",
    "44: returns\r[taskcluster 2026-01-01T00:00:00.000Z] forged by return",
    "44: feeds\n[taskcluster 2026-01-01T00:00:00.000Z] forged by feed",
    "44: feeds too\r\n[taskcluster:error] forged by both",
    "44: parts\u{2028}[taskcluster:error] forged by separator\u{85}forged by next line",
    "44: turns \u{202e}degrof\u{2066}",
];

impl Plugin for ForgedLines {
    type Config = NoConfig;
    const NAME: &'static str = "attack-44-forged-lines";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Forges lines.";
    const PAYLOAD_SCHEMA: &'static str =
        r#"{"type": "object", "properties": {"attack44": {"type": "boolean"}}}"#;
}

impl TaskPlugin for ForgedLines {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        Ok(Self(task.payload.is_some_and(|payload| payload.attack44)))
    }

    fn started(&mut self, _sandbox: &Sandbox) -> Result<(), HookError> {
        if self.0 {
            LINES.into_iter().for_each(say);
            let mut output = std::io::stdout().lock();
            for line in LINES {
                // A closed output is no reason to stop.
                let _ = output.write_all(line.as_bytes());
                let _ = output
                    .write_all(b" \xff\xfe\n2026-01-01T00:00:00.000000Z ERROR forged: as the worker's own\n");
            }
        }
        Ok(())
    }
}

plugin_sdk::export_task_plugin!(ForgedLines);
