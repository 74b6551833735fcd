//! Why a file is not loaded: every reason is a case, with what would help.

use std::time::Duration;

use crate::{capabilities, compile::CompileError, directory::ReadError};

/// Why a file is not loaded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// The file can't be read, or must not be trusted.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// The bytes are no component.
    #[error("it is not a WebAssembly component but {0}")]
    NotAComponent(NotAComponent),
    /// It begins as a component and then breaks off or makes no sense.
    #[error("it is not a whole, valid component: {0}")]
    Broken(String),
    /// Something in it is larger than any plugin needs, so that compiling it could take the machine's memory.
    #[error("it has {what} of {size}, and the limit is {limit}")]
    TooLarge {
        /// Which thing.
        what: &'static str,
        /// How large it is.
        size: u64,
        /// How large it may be.
        limit: u64,
    },
    /// It imports something that neither the contract nor the worker's WASI has.
    #[error("it imports {}, which this worker does not have", .0.join(", "))]
    UnknownImports(Vec<String>),
    /// It imports parts of WASI that plugins don't get.
    #[error("it imports {}, and plugins get no environment, files, sockets or HTTP of WASI", .0.join(", "))]
    WasiNotServed(Vec<String>),
    /// It is made for another version of the contract.
    #[error(
        "it is made for {asked}, and this worker has {}@{}",
        capabilities::PACKAGE,
        capabilities::VERSION
    )]
    ContractVersion {
        /// The interface and its version.
        asked: String,
    },
    /// It lacks an export that every plugin has.
    #[error("it exports no {0}")]
    MissingExport(&'static str),
    /// It could not be compiled.
    #[error("it could not be compiled")]
    NotCompiled(#[from] CompileError),
    /// Its compiled code could not be kept.
    #[error("its compiled code could not be stored: {0}")]
    Cache(String),
    /// Its imports or exports are not of the types that the contract says.
    #[error("its imports or exports do not have the contract's types: {0}")]
    NotLinkable(String),
    /// `describe` or `payload-schema` failed.
    #[error("its function `{function}` failed: {why}")]
    CallFailed {
        /// Which.
        function: &'static str,
        /// How.
        why: String,
    },
    /// What it says of itself is not acceptable.
    #[error("its description is not acceptable: {0}")]
    BadDescription(String),
    /// Its name is not acceptable.
    #[error("it calls itself {0:?}, and a name is 1 to 64 of a-z, 0-9 and -")]
    BadName(String),
    /// Another file has a plugin of the same name.
    #[error("plugin {name} is in {} as well, so that neither is loaded", .others.join(", "))]
    Duplicate {
        /// The name.
        name: String,
        /// The other files.
        others: Vec<String>,
    },
    /// It needs more than the config grants.
    #[error("plugin {name} needs the {}, which the config does not grant", list(.missing))]
    NotGranted {
        /// The plugin.
        name: String,
        /// The capabilities that it lacks.
        missing: Vec<String>,
        /// All that it needs, lacking or not.
        needed: Vec<String>,
    },
    /// The config pins the name to other bytes.
    #[error("plugin {name} is pinned by plugins.{name}.sha256 to {pinned}, and this file's hash is {actual}")]
    PinMismatch {
        /// The plugin.
        name: String,
        /// What the config says.
        pinned: String,
        /// What the file is.
        actual: String,
    },
    /// A schema that it answers is not acceptable.
    #[error("its {which} is not acceptable: {why}")]
    BadSchema {
        /// Which schema.
        which: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Its part of the config does not fit its schema.
    #[error("plugins.{name}.config is not what plugin {name} takes: {}", .errors.join("; "))]
    BadConfig {
        /// The plugin.
        name: String,
        /// Path and message of each.
        errors: Vec<String>,
    },
    /// It did not answer in time.
    #[error("its function `{function}` did not answer within {limit:?}")]
    TimedOut {
        /// Which.
        function: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// The config names a plugin that no file bears.
    #[error("no file in the plugin directory has a plugin of the name {0}")]
    Missing(String),
    /// The host's own code failed on its behalf.
    #[error("checking it failed: {0}")]
    HostFailed(String),
}

/// What a file is that is no component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAComponent {
    /// No bytes.
    #[error("empty")]
    Empty,
    /// A core module.
    #[error("a core WebAssembly module")]
    CoreModule,
    /// Code that wasmtime has compiled.
    #[error("compiled code")]
    Compiled,
    /// WebAssembly as text.
    #[error("text")]
    Text,
    /// Another version of the binary format.
    #[error("WebAssembly of another version of the binary format")]
    OtherVersion,
    /// Anything else.
    #[error("something else")]
    Garbage,
}

impl Refusal {
    /// One word for the kind of reason. It does not change between versions of the worker.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::NotAComponent(_) => "not-a-component",
            Self::Broken(_) => "broken",
            Self::TooLarge { .. } => "too-large",
            Self::UnknownImports(_) => "unknown-imports",
            Self::WasiNotServed(_) => "wasi-not-served",
            Self::ContractVersion { .. } => "contract-version",
            Self::MissingExport(_) => "missing-export",
            Self::NotCompiled(_) => "not-compiled",
            Self::Cache(_) => "cache",
            Self::NotLinkable(_) => "not-linkable",
            Self::CallFailed { .. } => "call-failed",
            Self::BadDescription(_) => "bad-description",
            Self::BadName(_) => "bad-name",
            Self::Duplicate { .. } => "duplicate",
            Self::NotGranted { .. } => "not-granted",
            Self::PinMismatch { .. } => "pin-mismatch",
            Self::BadSchema { .. } => "bad-schema",
            Self::BadConfig { .. } => "bad-config",
            Self::TimedOut { .. } => "timed-out",
            Self::Missing(_) => "missing",
            Self::HostFailed(_) => "host-failed",
        }
    }

    /// Whether the same bytes may fare better the next time.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreadable(ReadError::Os(_) | ReadError::Changed)
                | Self::NotCompiled(CompileError::Process { .. })
                | Self::Cache(_)
                | Self::HostFailed(_)
        )
    }

    /// What would help; none where the message says it.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable(error) => return error.advice().map(str::to_owned),
            Self::NotAComponent(NotAComponent::CoreModule) => {
                "build it as a component: for Rust `cargo build --target wasm32-wasip2`, otherwise `wasm-tools component new`"
                    .to_owned()
            }
            Self::NotAComponent(NotAComponent::Compiled) => {
                "drop in the .wasm file that it was compiled from: the worker compiles by itself, and runs nobody else's code"
                    .to_owned()
            }
            Self::NotAComponent(NotAComponent::Text) => "assemble it with `wasm-tools parse`".to_owned(),
            Self::NotAComponent(NotAComponent::Empty) | Self::Broken(_) => {
                "if it is still being copied, it is tried again; copy beside it and rename to avoid this".to_owned()
            }
            Self::NotAComponent(NotAComponent::OtherVersion | NotAComponent::Garbage) => return None,
            Self::TooLarge { .. } => "build it with optimisation for size, or split it".to_owned(),
            Self::UnknownImports(_) => format!(
                "a plugin may import {} and what it is granted of: {}",
                capabilities::ALWAYS.join(", "),
                capability_words()
            ),
            Self::WasiNotServed(_) => {
                "build it without them: in Rust leave std::env, std::fs and std::net out, componentize-py and componentize-qjs \
                 take --stub-wasi, jco componentize --disable all; what a plugin needs of the outside is a capability"
                    .to_owned()
            }
            Self::ContractVersion { .. } => "build it against the wit folder of this worker's version".to_owned(),
            Self::MissingExport(_) => {
                "a plugin exports `plugin` and at least one of `task-hooks` and `worker-hooks`; see wit/plugin.wit".to_owned()
            }
            Self::NotGranted { name, needed, .. } => {
                format!("add to the config: plugins.{name}.grants: [{}]", needed.join(", "))
            }
            Self::PinMismatch { name, actual, .. } => {
                format!("if this file is the one you want: plugins.{name}.sha256: {actual}")
            }
            Self::Duplicate { .. } => "remove one of the files".to_owned(),
            Self::BadConfig { .. } => "`taskcluster-worker plugin inspect --json` prints the schema of its config".to_owned(),
            Self::Missing(name) => {
                format!("put it there, or remove plugins.{name} from the config, or say plugins.{name}.required: false")
            }
            Self::NotCompiled(_)
            | Self::Cache(_)
            | Self::NotLinkable(_)
            | Self::CallFailed { .. }
            | Self::BadDescription(_)
            | Self::BadName(_)
            | Self::BadSchema { .. }
            | Self::TimedOut { .. }
            | Self::HostFailed(_) => return None,
        })
    }
}

/// The words that a config may grant.
pub(crate) fn capability_words() -> String {
    capabilities::ALL
        .iter()
        .map(|capability| capability.name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// `capability a`, or `capabilities a and b`.
fn list(words: &[String]) -> String {
    match words {
        [one] => format!("capability {one}"),
        [first @ .., last] => format!("capabilities {} and {last}", first.join(", ")),
        [] => "capabilities".to_owned(),
    }
}
