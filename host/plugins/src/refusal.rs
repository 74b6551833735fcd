//! Why a file is not loaded: every reason is a case, with what would help.

use std::time::Duration;

use crate::{
    capabilities::Capability,
    compile::CompileError,
    contract,
    directory::{DirectoryError, ReadError},
    grants::Grants,
    signature::SignatureError,
    trust::{Signers, Version},
};

mod advice;

/// Why a file is not loaded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// The file can't be read, or must not be trusted.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// The directory that it is in must not be trusted.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// What lies beside it as its signature is none, or is not its.
    #[error(transparent)]
    BadSignature(#[from] SignatureError),
    /// The pool loads nothing that nobody has vouched for.
    #[error(
        "pluginTrust.strict is on, and this file is neither pinned by a sha256 of the config nor signed by a key of pluginTrust.keys"
    )]
    NotVouchedFor {
        /// Of the bytes, hexadecimal.
        sha256: String,
    },
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
    #[error("it is made for {asked}, and this worker has {}", contract::served())]
    ContractVersion {
        /// The interface and its version.
        asked: String,
    },
    /// It imports and exports of several versions of the contract.
    #[error("it is made for {} at once, and a plugin is made for one version of the contract", .0.join(" and "))]
    MixedVersions(Vec<String>),
    /// It lacks an export that every plugin has.
    #[error("it exports no {0}")]
    MissingExport(&'static str),
    /// It could not be compiled.
    #[error("it could not be compiled")]
    NotCompiled(#[from] CompileError),
    /// It begins with more memory, tables or instances than any plugin may have here.
    #[error("it begins with more than the limits of plugins allow: {0}")]
    DoesNotFit(String),
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
    #[error(
        "plugin {name} needs the {}, which the config does not grant{} ({})",
        list(.missing),
        than(.former.as_deref()),
        allowed(.missing)
    )]
    NotGranted {
        /// The plugin.
        name: String,
        /// The capabilities that it lacks.
        missing: Vec<Capability>,
        /// What it is granted, and what it lacks.
        grants: Grants,
        /// The version that stays in service, which needs less.
        former: Option<String>,
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
    /// The config demands a signature that it does not have.
    #[error("plugin {name} must be signed by {signers}, and {by}")]
    NotSigned {
        /// The plugin.
        name: String,
        /// The keys that would do.
        signers: Signers,
        /// Who has signed it.
        by: SignedBy,
    },
    /// The pool trusts nobody with this plugin.
    #[error(
        "pluginTrust.strict is on, and the config neither pins plugin {name} (plugins.{name}.sha256) nor says who signs it (plugins.{name}.signedBy)"
    )]
    NotTrusted {
        /// The plugin.
        name: String,
        /// Of the bytes, hexadecimal.
        sha256: String,
    },
    /// It is older than the config allows.
    #[error("plugin {name} is of version {version:?}, and plugins.{name}.minVersion is {minimum}")]
    TooOld {
        /// The plugin.
        name: String,
        /// What it says, at most so much of it as fits.
        version: String,
        /// What the config says.
        minimum: Version,
    },
    /// A schema that it answers is not acceptable.
    #[error("its {which} is not acceptable: {why}")]
    BadSchema {
        /// Which schema.
        which: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Its part of the payload does not go together with others.
    #[error("{0}")]
    SchemaConflict(String),
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
    /// It has broken too often.
    #[error("plugin {name} is in quarantine after {faults} faults within {window:?}; the last: {last}")]
    Quarantined {
        /// The plugin.
        name: String,
        /// How many there were.
        faults: usize,
        /// In which time.
        window: Duration,
        /// What the log said of the last.
        last: String,
    },
    /// The host's own code failed on its behalf.
    #[error("checking it failed: {0}")]
    HostFailed(String),
}

/// Who has signed what should have been signed by another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedBy {
    /// There is no signature, or a bad one.
    #[error("has no valid signature")]
    Nobody,
    /// By a key that the config does not have.
    #[error("is signed by a key that pluginTrust.keys does not have")]
    Unknown,
    /// By a key of this name.
    #[error("is signed by {0}")]
    Key(String),
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
    /// The word for a file that somebody is at.
    pub(crate) const BEING_WRITTEN: &'static str = "being-written";

    /// The word for a plugin whose part of the payload does not go together with others.
    pub(crate) const SCHEMA_CONFLICT: &'static str = "schema-conflict";

    /// The word for a plugin that is in quarantine.
    pub(crate) const QUARANTINED: &'static str = "quarantined";

    /// One word for the kind of reason. It does not change between versions of the worker.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unreadable(error) if error.is_in_motion() => Self::BEING_WRITTEN,
            Self::Unreadable(_) => "unreadable",
            Self::Directory(_) => "directory",
            Self::BadSignature(_) => "bad-signature",
            Self::NotVouchedFor { .. } | Self::NotTrusted { .. } => "not-trusted",
            Self::NotAComponent(_) => "not-a-component",
            Self::Broken(_) => "broken",
            Self::TooLarge { .. } => "too-large",
            Self::UnknownImports(_) => "unknown-imports",
            Self::WasiNotServed(_) => "wasi-not-served",
            Self::ContractVersion { .. } => "contract-version",
            Self::MixedVersions(_) => "mixed-versions",
            Self::MissingExport(_) => "missing-export",
            Self::NotCompiled(_) => "not-compiled",
            Self::DoesNotFit(_) => "does-not-fit",
            Self::Cache(_) => "cache",
            Self::NotLinkable(_) => "not-linkable",
            Self::CallFailed { .. } => "call-failed",
            Self::BadDescription(_) => "bad-description",
            Self::BadName(_) => "bad-name",
            Self::Duplicate { .. } => "duplicate",
            Self::NotGranted { .. } => "not-granted",
            Self::PinMismatch { .. } => "pin-mismatch",
            Self::NotSigned { .. } => "not-signed",
            Self::TooOld { .. } => "too-old",
            Self::BadSchema { .. } => "bad-schema",
            Self::SchemaConflict(_) => Self::SCHEMA_CONFLICT,
            Self::BadConfig { .. } => "bad-config",
            Self::TimedOut { .. } => "timed-out",
            Self::Missing(_) => "missing",
            Self::Quarantined { .. } => Self::QUARANTINED,
            Self::HostFailed(_) => "host-failed",
        }
    }

    /// Whether the same bytes may fare better the next time.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreadable(
                ReadError::Os(_) | ReadError::Missing | ReadError::BeingWritten | ReadError::Changed
            ) | Self::BadSignature(SignatureError::Unreadable(
                ReadError::Os(_) | ReadError::BeingWritten | ReadError::Changed
            )) | Self::NotCompiled(CompileError::Process { .. })
                | Self::Cache(_)
                | Self::HostFailed(_)
        )
    }

    /// Whether the bytes are no component, or not a whole one.
    pub(crate) fn is_of_form(&self) -> bool {
        matches!(self, Self::NotAComponent(_) | Self::Broken(_))
    }

    /// Whether somebody was at the file.
    pub(crate) fn is_of_motion(&self) -> bool {
        match self {
            Self::Unreadable(error) | Self::BadSignature(SignatureError::Unreadable(error)) => {
                error.is_in_motion()
            }
            _ => false,
        }
    }
}

/// `capability a`, or `capabilities a and b`.
fn list(capabilities: &[Capability]) -> String {
    let words: Vec<&str> = capabilities.iter().map(|capability| capability.name()).collect();
    match words.as_slice() {
        [one] => format!("capability {one}"),
        [first @ .., last] => format!("capabilities {} and {last}", first.join(", ")),
        [] => "capabilities".to_owned(),
    }
}

/// That a new version needs more than the one in service.
fn than(version: Option<&str>) -> String {
    version.map_or_else(String::new, |version| {
        format!(" and its version {version}, which stays in service, does without")
    })
}

/// What capabilities let a plugin do.
fn allowed(capabilities: &[Capability]) -> String {
    let one = |capability: &Capability| format!("{}: it may {}", capability.name(), capability.allows());
    capabilities.iter().map(one).collect::<Vec<_>>().join("; ")
}
