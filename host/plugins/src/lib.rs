//! The plugin host: reads WebAssembly components from a directory, checks them, and calls their hooks.
//!
//! The only crate that knows wasmtime. What it does for a worker, in the order of a plugin's life:
//!
//! - [`PluginHost::open`] reads the plugin directory safely, refuses what is no plugin or needs more than it was granted,
//!   compiles the rest in child processes ([`compile::child_main`]) and caches the result;
//! - [`PluginHost::current`] takes up files that changed, between tasks;
//! - [`PluginSet::new_run`] gives a run its own instances, whose hooks [`RunPlugins`] calls.
//!
//! What a plugin can do of the worker's goes through the traits in [`ports`].

mod answer;
mod assemble;
mod bindings;
mod cache;
mod capabilities;
mod clock;
pub mod compile;
mod config;
mod directory;
mod engine;
#[expect(
    unreachable_pub,
    reason = "the generated bindings re-export them, in a module that nobody sees"
)]
mod handles;
mod hooks;
mod host;
mod inspect;
mod instance;
mod limits;
mod loader;
mod machine;
pub mod measure;
mod phase;
pub mod ports;
mod prepared;
mod refusal;
mod report;
mod run;
mod schema;
mod set;
mod state;
mod wasi;
mod worker_plugins;

pub use answer::{ExceptionReason, HookAnswer, HookErrorKind, PluginFailure, WorkerStatus};
pub use cache::CacheError;
pub use compile::CompilerCommand;
pub use config::{HostConfig, PluginConfig};
pub use directory::{DirectoryError, ReadError};
pub use handles::SandboxPhase;
pub use host::{HostOptions, InspectOptions, OpenError, PluginHost, inspect_directory, inspect_file};
pub use limits::Limits;
pub use loader::{NoProgress, Progress};
pub use machine::StartError;
pub use phase::{Closed, Phase};
pub use refusal::{NotAComponent, Refusal};
pub use report::{PluginReport, Section, Verdict};
pub use run::RunPlugins;
pub use set::PluginSet;
