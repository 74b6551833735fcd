//! The plugin host: reads WebAssembly components from a directory, checks them, and calls their hooks.
//!
//! The only crate that knows wasmtime. What it does for a worker, in the order of a plugin's life:
//!
//! - [`PluginHost::open`] reads the plugin directory safely, refuses what is no plugin or needs more than it was granted,
//!   compiles the rest in child processes ([`compile::child_main`]) and caches the result;
//! - [`PluginHost::current`] answers what is in service, files included that changed while it watched;
//! - [`PluginSet::new_run`] gives a run its own instances, whose hooks [`RunPlugins`] calls.
//!
//! What a plugin can do of the worker's goes through the traits in [`ports`].

mod announce;
mod answer;
mod assemble;
mod bindings;
mod cache;
mod capabilities;
mod clock;
pub mod compile;
mod config;
mod contract;
mod directory;
mod engine;
mod faults;
pub mod fuzz;
mod grants;
#[expect(
    unreachable_pub,
    reason = "the generated bindings re-export them, in a module that nobody sees"
)]
mod handles;
mod hooks;
mod host;
mod inspect;
mod inspection;
mod instance;
mod limits;
mod loader;
mod machine;
pub mod measure;
mod phase;
pub mod ports;
mod prepared;
mod quarantine;
mod refusal;
mod refusals;
mod report;
mod run;
mod scan;
mod schema;
mod set;
mod signature;
mod state;
mod statistics;
mod trust;
mod updater;
mod vetting;
mod wasi;
mod watch;
mod worker_plugins;

pub use answer::{ExceptionReason, HookAnswer, HookErrorKind, PluginFailure, WorkerStatus};
pub use cache::CacheError;
pub use capabilities::Capability;
pub use compile::CompilerCommand;
pub use config::{HostConfig, PluginConfig};
pub use directory::{DirectoryError, ReadError};
pub use faults::{
    Fault, FaultKind, FaultPolicy,
    file::{PluginRecord, RecordsError, ReleaseError, plugin_records, release_plugin},
};
pub use grants::Grants;
pub use handles::SandboxPhase;
pub use host::{HostOptions, OpenError, PluginHost};
pub use inspection::{InspectOptions, check_directory, inspect_directory, inspect_file};
pub use limits::Limits;
pub use loader::{NoProgress, Progress};
pub use machine::StartError;
pub use phase::{Closed, Phase};
pub use refusal::{NotAComponent, Refusal, SignedBy};
pub use refusals::Refusals;
pub use report::{PluginReport, Problem, Section, SignatureReport, Verdict};
pub use run::RunPlugins;
pub use schema::{can_list_all_errors, parts_of_schema};
pub use set::{Lacking, PluginSet};
pub use signature::SignatureError;
pub use statistics::{HookStatistics, PluginIdentity, PluginStanding, PluginStatistics};
pub use trust::{NoSigners, NotAKey, NotAVersion, PublicKey, Signers, TrustConfig, Version};
