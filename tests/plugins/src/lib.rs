//! Guests for the tests of the worker, most of which misbehave: one file each under `examples`, built by
//! `make test-plugins`, each installed as `target/test-plugins/<file>.wasm`. The tests reach them by the constants that
//! `tests/it/named_by_tests.rs` makes of the files' names; a guest that no test uses does not compile there.
//!
//! | guest | grants | payload | what it does |
//! |---|---|---|---|
//! | `attack_33_…` | `results`, `artifacts` | `attack33: true` | asks for files and names of artifacts that lead elsewhere |
//! | `attack_34_…` | `results` | `attack34: [PATH, …]` | reads what the task has planted |
//! | `attack_37_…` | `task-definition`, `artifacts`, `task-log` | `attack37: true` | looks for credentials |
//! | `attack_43_…` | none | `attack43: HOW` | floods the logs |
//! | `attack_44_…` | none | `attack44: true` | forges lines in the logs |
//! | `attack_48_…` | none | none | ends itself whenever the worker starts |
//! | `calls` | all | `calls: HEX` | calls functions of the host with arguments that the bytes say, for the fuzz targets |
//! | `misbehave` | none; `lifecycle` for a `fatal` that counts | `misbehave: {hook, how}` | one wrong thing in one hook: see its file |
//! | `keeper` | `results` | `keeper: PATH` | keeps what it got in `stopped`, and fails the run unless it is closed in `finished` |
//! | `waits` | none | `waits: {everyMs}` | stays in `started` for as long as the sandbox runs, in one wait or in many |
//! | `recorder` | none | none | writes a line in each hook, those of the worker too |
//! | `lifecycle` | `lifecycle` | `lifecycle: HOW` | stops the worker from `started`; when idle for long, by its config `idleMs` |
//! | `troubled` | none | none | has trouble in a hook of the worker, as its config says |
//! | `ungranted` | none (needs `kill`) | `ungranted: true` | is refused; where it was granted `kill`, it uses it |
//! | `versioned_a`, `versioned_b` | none | none | the plugin `versioned` in two versions, which say in the log who they are |
//!
//! A guest is named as its file is, but for the last two. What a guest has to say it says in both logs ([`say`]), in lines
//! that begin with its name, or with the number of its attack: the task's log is closed in `finished` and `exception`.
//!
//! Attacks that a few lines of WebAssembly text are enough for are under `wat`, each put into `frame.wat` by
//! `tests/it/attacks/hostile.rs`. Files that attack, as whole components or as scripts that put them in place, are under
//! `files`. `docs/attacks.md` lists all of them.

use plugin_sdk::log::{self, Level};

/// Writes a line in the task's log, while it is open, and in the worker's.
pub fn say(line: &str) {
    log::task(Level::Info, line);
    log::worker(Level::Info, line);
}

/// Defines and exports the plugin `versioned`, in a version. It says `versioned VERSION: new-task` and
/// `versioned VERSION: stopped`.
#[macro_export]
macro_rules! versioned {
    ($version:literal) => {
        struct Versioned;

        impl plugin_sdk::Plugin for Versioned {
            type Config = plugin_sdk::NoConfig;
            const NAME: &'static str = "versioned";
            const VERSION: &'static str = $version;
            const SUMMARY: &'static str = "Says which version it is.";
        }

        impl plugin_sdk::TaskPlugin for Versioned {
            type Payload = plugin_sdk::NoPayload;

            fn new_task(_task: plugin_sdk::NewTask<Self>) -> Result<Self, plugin_sdk::HookError> {
                $crate::say(concat!("versioned ", $version, ": new-task"));
                Ok(Self)
            }

            fn stopped(&mut self, _results: &plugin_sdk::ResultSet) -> Result<bool, plugin_sdk::HookError> {
                $crate::say(concat!("versioned ", $version, ": stopped"));
                Ok(true)
            }
        }

        plugin_sdk::export_task_plugin!(Versioned);
    };
}
