//! Calls functions of the host, as a script says: `calls: HEX`, bytes that are read as calls with their arguments, hook after
//! hook. What is called, with what, and with which handles (lent, kept from another phase, given back, made up) is the
//! script's; so whoever chooses the bytes tries every function of the contract with everything that can be passed to it. Its
//! config may have a script too (`calls: HEX`), which runs in `payload-schema`, where no run is served.
//!
//! A test in `tests/fuzz` makes sure that no function of the contract is missing here.
//!
//! | byte | |
//! |---|---|
//! | [`NEXT_HOOK`] | the hook answers that all is well; the rest of the script is for the hooks that follow |
//! | [`FAIL`] | the hook answers an error: its case, its text |
//! | [`TRAP`] | ends the instance |
//! | any other | a call: see [`Calls::call`]. Its arguments are read after it, with zeros where the script ends |

#[path = "calls/arguments.rs"]
mod arguments;
#[path = "calls/handles.rs"]
mod handles;

use arguments::Arguments;
use handles::Handles;
use plugin_sdk::{
    ExceptionReason, HookError, NewTask, Plugin, ResultSet, Sandbox, SandboxBuilder, TaskPlugin, artifacts,
    environment::SetVariable as _, files, kill::Kill as _, lifecycle, log, results::Extract as _,
    task_definition, task_log,
};
use serde::Deserialize;

/// Ends a hook.
const NEXT_HOOK: u8 = 0xff;
/// Ends a hook with an error.
const FAIL: u8 = 0xfe;
/// Ends the instance.
const TRAP: u8 = 0xfd;
/// How many calls one hook makes at the most.
const MAX_CALLS: usize = 256;

struct Calls {
    script: Arguments,
    handles: Handles,
}

#[derive(Debug, Deserialize)]
struct Script {
    calls: Option<String>,
}

impl Plugin for Calls {
    type Config = Script;
    const NAME: &'static str = "calls";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Calls functions of the host, as a script says.";
    const CONFIG_SCHEMA: &'static str = Self::PAYLOAD_SCHEMA;
    const PAYLOAD_SCHEMA: &'static str =
        r#"{"type": "object", "properties": {"calls": {"type": "string", "pattern": "^([0-9a-f]{2})*$"}}}"#;

    fn payload_schema(config: &Script) -> Result<String, String> {
        let mut calls = Self::of(config);
        while !calls.script.is_over() {
            calls.obey().map_err(|error| format!("{error:?}"))?;
        }
        Ok(Self::PAYLOAD_SCHEMA.to_owned())
    }
}

impl TaskPlugin for Calls {
    type Payload = Script;

    fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
        let mut this = Self::of(&task.payload.unwrap_or(Script { calls: None }));
        this.obey()?;
        Ok(this)
    }

    fn build_sandbox(&mut self, builder: &SandboxBuilder) -> Result<(), HookError> {
        self.handles.builder = Some(builder.handle());
        self.obey()
    }

    fn started(&mut self, sandbox: &Sandbox) -> Result<(), HookError> {
        self.handles.sandbox = Some(sandbox.handle());
        self.obey()
    }

    fn stopped(&mut self, results: &ResultSet) -> Result<bool, HookError> {
        self.handles.results = Some(results.handle());
        self.obey()?;
        Ok(!self.script.flag())
    }

    fn finished(&mut self, _success: bool) -> Result<(), HookError> {
        self.obey()
    }

    fn exception(&mut self, _reason: ExceptionReason) -> Result<(), HookError> {
        self.obey()
    }
}

impl Calls {
    fn of(script: &Script) -> Self {
        Self {
            script: Arguments::of_hex(script.calls.as_deref().unwrap_or_default()),
            handles: Handles::default(),
        }
    }

    /// Does what the script has for one hook.
    fn obey(&mut self) -> Result<(), HookError> {
        for _ in 0..MAX_CALLS {
            if self.script.is_over() {
                break;
            }
            match self.script.byte() {
                NEXT_HOOK => break,
                FAIL => return Err(self.error()),
                TRAP => std::process::abort(),
                call => self.call(call),
            }
        }
        Ok(())
    }

    fn error(&mut self) -> HookError {
        let (case, message) = (self.script.byte(), self.script.text());
        match case % 5 {
            0 => HookError::MalformedPayload(message),
            1 => HookError::ResourceUnavailable(message),
            2 => HookError::IntermittentTask(message),
            3 => HookError::Internal(message),
            _ => HookError::Fatal(message),
        }
    }

    /// One call. What the host answers is dropped, but for handles.
    fn call(&mut self, call: u8) {
        match call % 32 {
            0..=4 => self.output(call % 5),
            5..=11 => self.file(call % 7),
            12..=15 => self.lent(call % 4),
            16..=20 => self.extract(call % 5),
            21..=25 => self.artifact(call % 5),
            26..=27 => self.task(call % 2),
            _ => self.life(call % 4),
        }
    }

    /// Of `log`, and of the standard library.
    fn output(&mut self, call: u8) {
        let level = match self.script.byte() % 4 {
            0 => log::Level::Debug,
            1 => log::Level::Info,
            2 => log::Level::Warn,
            _ => log::Level::Error,
        };
        let line = self.script.text();
        match call {
            0 | 1 => log::task(level, &line),
            2 | 3 => log::worker(level, &line),
            _ => {
                use std::io::Write as _;
                // A closed output is no reason to stop.
                let _ = std::io::stdout().write_all(line.as_bytes());
            }
        }
    }

    /// Of `files`.
    fn file(&mut self, call: u8) {
        let (script, handles) = (&mut self.script, &mut self.handles);
        match call {
            0 | 1 => handles.files.extend(files::from_bytes(&script.bytes())),
            2 => drop(handles.with_file(script, files::File::size)),
            3 => {
                let reader = handles.with_file(script, files::File::read);
                handles.readers.extend(reader.and_then(Result::ok));
            }
            4 | 5 => {
                let max = script.number();
                drop(handles.with_reader(script, |reader| reader.next(max)));
            }
            _ => handles.drop_one(script),
        }
    }

    /// Of what is lent for a hook.
    fn lent(&mut self, call: u8) {
        let (script, handles) = (&mut self.script, &mut self.handles);
        match call {
            0 => {
                let (name, value) = (script.text(), script.text());
                drop(handles.with_builder(script, |builder| builder.set_variable(&name, &value)));
            }
            1 => {
                // Without an end only now and then: others wait with it.
                let timeout = (script.byte() != 0).then(|| u64::from(script.byte() % 8));
                let _ = handles.with_sandbox(script, |sandbox| sandbox.wait(timeout));
            }
            2 => drop(handles.with_sandbox(script, Sandbox::kill)),
            _ => drop(handles.with_results(script, |results| (results.success(), results.exit_code()))),
        }
    }

    /// Of `results`.
    fn extract(&mut self, call: u8) {
        let (script, handles) = (&mut self.script, &mut self.handles);
        match call {
            0 | 1 => {
                let path = script.text();
                let file = handles.with_results(script, |results| results.extract_file(&path));
                handles.files.extend(file.and_then(Result::ok));
            }
            2 => {
                let path = script.text();
                let folder = handles.with_results(script, |results| results.extract_folder(&path));
                handles.folders.extend(folder.and_then(Result::ok));
            }
            _ => {
                let entry = handles.with_folder(script, plugin_sdk::results::Folder::next);
                let entry = entry.and_then(Result::ok).flatten();
                handles.files.extend(entry.and_then(|entry| entry.content.ok()));
            }
        }
    }

    /// Of `artifacts`.
    fn artifact(&mut self, call: u8) {
        let script = &mut self.script;
        if call == 4 {
            return drop(artifacts::next_outcome());
        }
        let name = script.text();
        let drop_answer = |_answer: Result<(), plugin_sdk::Error>| ();
        match call {
            0 => {
                let encoding = match script.flag() {
                    true => artifacts::Encoding::Gzip,
                    false => artifacts::Encoding::Identity,
                };
                let options = script.options();
                if let Some(file) = self.handles.take_file(script) {
                    drop_answer(artifacts::upload(&name, file, encoding, &options));
                }
            }
            1 => drop_answer(artifacts::reference(&name, &script.text(), &script.options())),
            2 => drop_answer(artifacts::link(&name, &script.text(), &script.options())),
            _ => {
                let (reason, message, expires) = (script.text(), script.text(), script.optional_text());
                drop_answer(artifacts::report_error(
                    &name,
                    &reason,
                    &message,
                    expires.as_deref(),
                ));
            }
        }
    }

    /// Of `task-log` and `task-definition`.
    fn task(&mut self, call: u8) {
        match (call, self.script.byte() % 2) {
            (0, 0) => self.handles.files.extend(task_log::content()),
            (0, _) => drop(task_log::live_url()),
            _ => drop(task_definition::get()),
        }
    }

    /// Of `lifecycle`.
    fn life(&mut self, call: u8) {
        let (script, handles) = (&mut self.script, &mut self.handles);
        let why = script.text();
        match call {
            0 => handles.lives.push(lifecycle::worker()),
            1 => drop(handles.with_life(script, |life| life.stop_gracefully(&why))),
            2 => drop(handles.with_life(script, |life| life.stop_now(&why))),
            _ => drop(handles.with_life(script, lifecycle::Lifecycle::stopping)),
        }
    }
}

plugin_sdk::export_task_plugin!(Calls);
