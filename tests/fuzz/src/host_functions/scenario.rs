//! What happens to a run beside its hooks.

use std::{sync::Arc, time::Duration};

use engine_api::Sandbox;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::findings::OrFinding as _;

/// How long a sandbox that has no end of its own runs, in milliseconds.
const SOON: Duration = Duration::from_millis(3);

/// Read from one byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// Where the run is aborted; nowhere for most.
    abort: Abort,
    /// Whether the sandbox has no end of its own.
    endless: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Abort {
    Never,
    Before(&'static str),
    WhileStarted,
}

impl Scenario {
    pub(crate) fn of(byte: u8) -> Self {
        let abort = match byte % 8 {
            1 => Abort::Before("build-sandbox"),
            2 => Abort::Before("started"),
            3 => Abort::WhileStarted,
            4 => Abort::Before("stopped"),
            _ => Abort::Never,
        };
        Self {
            abort,
            endless: byte & 8 != 0,
        }
    }

    /// What the sandbox does.
    pub(crate) fn payload(self) -> Value {
        let file = |path: &str, content: String| json!({"file": {"path": path, "content": content}});
        let mut steps = vec![
            json!({"log": "running"}),
            file("out/a.txt", "a".to_owned()),
            file("out/empty", String::new()),
            file("out/deep/b.bin", "b".repeat(200_000)),
            file("out/\u{1b}[2J/\u{202e}c", "c".to_owned()),
            file("artifact", "d".to_owned()),
        ];
        if self.endless {
            steps.push("forever".into());
        }
        json!({ "steps": steps })
    }

    /// Aborts the run, if it is to be aborted now.
    pub(crate) fn abort_before(self, hook: &'static str, abort: &CancellationToken) {
        if self.abort == Abort::Before(hook) {
            abort.cancel();
        }
    }

    /// Ends a sandbox that does not end by itself, or aborts the run while it runs.
    pub(crate) async fn end(self, sandbox: &Arc<dyn Sandbox>, abort: &CancellationToken) {
        if self.abort == Abort::WhileStarted {
            tokio::time::sleep(SOON).await;
            abort.cancel();
        } else if self.endless {
            tokio::time::sleep(SOON).await;
            sandbox.kill().or_finding("killing a mock");
        }
    }
}
