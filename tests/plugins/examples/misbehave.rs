//! Does one wrong thing in one hook, as the payload says: `misbehave: {hook: HOOK, how: HOW}`. HOOK is a hook's name. For
//! `exception` it first answers `finished` with `intermittent-task`, so that there is an exception to be told of.
//!
//! | how | |
//! |---|---|
//! | `trap`, `panic`, `exit` | ends itself: by an instruction, by Rust's own means (the message goes to the worker's log), by leaving the program |
//! | `loop` | computes until it is interrupted: `cpuMs`, or `hookMs` where that is shorter |
//! | `recurse` | calls itself until its stack is full |
//! | `sleep` | sleeps for ten hours on the clock that WASI has: `hookMs` |
//! | `eat-memory` | allocates until it is refused: `memoryBytes` |
//! | `hoard-handles` | makes files and drops none: `handles` |
//! | `keep-handle` | does not give back what it was lent for the hook (builder, sandbox, result set): a trap when the hook returns. In the other hooks it keeps a file of its own, which is no offence |
//! | `use-kept-handle` | gives it back, and uses it all the same in the hook that follows: a trap there. Only for `build-sandbox`, `started` and `stopped` |
//! | `flood-log`, `flood-output` | writes lines without end into both logs, or to standard output, for three times `logLines` by default; the hook then succeeds |
//! | `malformed-payload`, `resource-unavailable`, `intermittent-task`, `internal`, `fatal` | answers that error |
//! | `false` | answers `stopped` with false; nothing in any other hook |

use std::{hint::black_box, io::Write as _, time::Duration};

use plugin_sdk::{
    ExceptionReason, HookError, NewTask, NoConfig, Plugin, ResultSet, Sandbox, SandboxBuilder, TaskPlugin,
    files::{self, File},
    log::{self, Level},
};
use serde::Deserialize;

struct Misbehave {
    order: Option<Order>,
    /// The number of a handle that it has given back.
    stale: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Hook {
    NewTask,
    BuildSandbox,
    Started,
    Stopped,
    Finished,
    Exception,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Trap,
    Panic,
    Exit,
    Loop,
    Recurse,
    Sleep,
    EatMemory,
    HoardHandles,
    KeepHandle,
    UseKeptHandle,
    FloodLog,
    FloodOutput,
    MalformedPayload,
    ResourceUnavailable,
    IntermittentTask,
    Internal,
    Fatal,
    False,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Order {
    hook: Hook,
    how: How,
}

#[derive(Debug, Deserialize)]
struct Payload {
    misbehave: Option<Order>,
}

/// How many lines a flood is.
const FLOOD: usize = 30_000;

impl Plugin for Misbehave {
    type Config = NoConfig;
    const NAME: &'static str = "misbehave";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Does one wrong thing in one hook.";
    const PAYLOAD_SCHEMA: &'static str = r#"{"type": "object", "properties": {"misbehave": {
        "type": "object",
        "required": ["hook", "how"],
        "properties": {
            "hook": {"enum": ["new-task", "build-sandbox", "started", "stopped", "finished", "exception"]},
            "how": {"enum": [
                "trap", "panic", "exit", "loop", "recurse", "sleep", "eat-memory", "hoard-handles", "keep-handle",
                "use-kept-handle", "flood-log", "flood-output", "malformed-payload", "resource-unavailable",
                "intermittent-task", "internal", "fatal", "false"
            ]}
        }
    }}}"#;
}

impl TaskPlugin for Misbehave {
    type Payload = Payload;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        let this = Self {
            order: task.payload.and_then(|payload| payload.misbehave),
            stale: None,
        };
        this.obey(Hook::NewTask)?;
        Ok(this)
    }

    fn build_sandbox(&mut self, builder: &SandboxBuilder) -> Result<(), HookError> {
        match self.how(Hook::BuildSandbox) {
            Some(How::KeepHandle) => drop(builder.take_handle()),
            Some(How::UseKeptHandle) => self.stale = Some(builder.handle()),
            _ => self.obey(Hook::BuildSandbox)?,
        }
        Ok(())
    }

    fn started(&mut self, sandbox: &Sandbox) -> Result<(), HookError> {
        self.use_stale();
        match self.how(Hook::Started) {
            Some(How::KeepHandle) => drop(sandbox.take_handle()),
            Some(How::UseKeptHandle) => self.stale = Some(sandbox.handle()),
            _ => self.obey(Hook::Started)?,
        }
        Ok(())
    }

    fn stopped(&mut self, results: &ResultSet) -> Result<bool, HookError> {
        self.use_stale();
        match self.how(Hook::Stopped) {
            Some(How::KeepHandle) => drop(results.take_handle()),
            Some(How::UseKeptHandle) => self.stale = Some(results.handle()),
            Some(How::False) => return Ok(false),
            _ => self.obey(Hook::Stopped)?,
        }
        Ok(true)
    }

    fn finished(&mut self, _success: bool) -> Result<(), HookError> {
        self.use_stale();
        if self.order.is_some_and(|order| order.hook == Hook::Exception) {
            return Err(HookError::IntermittentTask(
                "an exception was asked for".to_owned(),
            ));
        }
        self.obey(Hook::Finished)
    }

    fn exception(&mut self, _reason: ExceptionReason) -> Result<(), HookError> {
        self.obey(Hook::Exception)
    }
}

impl Misbehave {
    /// What it is to do in this hook.
    fn how(&self, hook: Hook) -> Option<How> {
        self.order
            .filter(|order| order.hook == hook)
            .map(|order| order.how)
    }

    /// Does it, where it is not about what the hook was lent.
    #[expect(clippy::panic, reason = "a guest that does what others must not")]
    fn obey(&self, hook: Hook) -> Result<(), HookError> {
        let Some(how) = self.how(hook) else { return Ok(()) };
        let message = format!("misbehaving in {hook:?}");
        match how {
            How::Trap => std::process::abort(),
            How::Panic => panic!("{message}"),
            How::Exit => std::process::exit(1),
            How::Loop => loop {
                black_box(());
            },
            How::Recurse => drop(black_box(recurse(0))),
            How::Sleep => std::thread::sleep(Duration::from_secs(36_000)),
            How::EatMemory => eat_memory(),
            How::HoardHandles => hoard_handles()?,
            How::KeepHandle => drop(small_file()?.take_handle()),
            How::FloodLog => (0..FLOOD).for_each(|n| test_plugins::say(&format!("misbehave: line {n}"))),
            How::FloodOutput => flood_output(),
            How::MalformedPayload => return Err(HookError::MalformedPayload(message)),
            How::ResourceUnavailable => return Err(HookError::ResourceUnavailable(message)),
            How::IntermittentTask => return Err(HookError::IntermittentTask(message)),
            How::Internal => return Err(HookError::Internal(message)),
            How::Fatal => return Err(HookError::Fatal(message)),
            How::UseKeptHandle | How::False => {}
        }
        Ok(())
    }

    /// Uses the handle that it gave back in the hook before.
    #[expect(
        unsafe_code,
        reason = "the bindings let nobody use a handle that was given back"
    )]
    fn use_stale(&self) {
        let Some(handle) = self.stale else { return };
        // SAFETY: a handle is a number that the host looks up, whatever it is; here it finds none, and traps.
        let sandbox = unsafe { Sandbox::from_handle(handle) };
        log::worker(
            Level::Error,
            &format!("misbehave: a stale handle answers {}", sandbox.wait(Some(0))),
        );
    }
}

fn recurse(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX {
        return depth;
    }
    black_box(recurse(depth + 1)) + 1
}

fn eat_memory() {
    let mut eaten = Vec::new();
    loop {
        eaten.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn hoard_handles() -> Result<(), HookError> {
    let mut hoard = Vec::new();
    loop {
        hoard.push(small_file()?);
    }
}

fn small_file() -> Result<File, HookError> {
    Ok(files::from_bytes(b"kept")?)
}

fn flood_output() {
    let mut output = std::io::stdout().lock();
    for n in 0..FLOOD {
        // A closed output is no reason to stop.
        let _ = writeln!(output, "misbehave: line {n}");
    }
}

plugin_sdk::export_task_plugin!(Misbehave);
