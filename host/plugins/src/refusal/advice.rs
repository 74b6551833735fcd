//! What would help against a refusal.

use super::{NotAComponent, Refusal};
use crate::{capabilities::Capability, contract, inspect, signature::SignatureError};

impl Refusal {
    /// What would help; none where the message says it.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable(_)
            | Self::Directory(_)
            | Self::BadSignature(_)
            | Self::NotVouchedFor { .. }
            | Self::NotTrusted { .. }
            | Self::NotSigned { .. }
            | Self::PinMismatch { .. } => return self.advice_on_origin(),
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
            Self::TooLarge {
                what: inspect::FUNCTION | inspect::BLOCKS,
                ..
            } => {
                "build it with optimisation for size; where it has an interpreter in it, whose functions are large, pin the file: \
                 plugins.<name>.sha256 is its hash, or have it signed, which allows it more"
                    .to_owned()
            }
            Self::TooLarge { .. } => "build it with optimisation for size, or split it".to_owned(),
            Self::UnknownImports(_) => format!(
                "a plugin may import {} and what it is granted of: {}",
                contract::always().join(", "),
                capability_words()
            ),
            Self::WasiNotServed(_) => {
                "build it without them: in Rust leave std::env, std::fs and std::net out, componentize-py and componentize-qjs \
                 take --stub-wasi, jco componentize --disable all; what a plugin needs of the outside is a capability"
                    .to_owned()
            }
            Self::ContractVersion { .. } | Self::MixedVersions(_) => {
                "build it against the wit folder of this worker's version".to_owned()
            }
            Self::MissingExport(_) => {
                "a plugin exports `plugin` and at least one of `task-hooks` and `worker-hooks`; see wit/plugin.wit".to_owned()
            }
            Self::NotGranted { name, grants, .. } => format!("add to the config: plugins.{name}.grants: {grants}"),
            Self::Duplicate { .. } => "remove one of the files".to_owned(),
            Self::BadConfig { .. } => "`taskcluster-worker plugin inspect --json` prints the schema of its config".to_owned(),
            Self::Missing(name) => {
                format!("put it there, or remove plugins.{name} from the config, or say plugins.{name}.required: false")
            }
            Self::Quarantined { name, .. } => format!(
                "replace the file with one that does not break, or let this one back in: `taskcluster-worker plugin release {name} --config CONFIG`"
            ),
            Self::DoesNotFit(_) => {
                "if this file is one that you want, raise memoryBytes, tableElements or instances in plugins.defaultLimits".to_owned()
            }
            Self::NotCompiled(_)
            | Self::Cache(_)
            | Self::NotLinkable(_)
            | Self::CallFailed { .. }
            | Self::BadDescription(_)
            | Self::BadName(_)
            | Self::BadSchema { .. }
            | Self::SchemaConflict(_)
            | Self::TooOld { .. }
            | Self::TimedOut { .. }
            | Self::HostFailed(_) => return None,
        })
    }

    /// The same of where it comes from, and of who vouches for it.
    fn advice_on_origin(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable(error) => return error.advice().map(str::to_owned),
            Self::BadSignature(SignatureError::Unreadable(error)) => return error.advice().map(str::to_owned),
            Self::BadSignature(SignatureError::Malformed | SignatureError::Invalid { .. } | SignatureError::Legacy { .. }) => {
                "sign the file anew (`minisign -Sm FILE`), and put both in place; remove the signature if you don't need it"
                    .to_owned()
            }
            Self::NotVouchedFor { sha256 } => {
                format!("if this file is one that you want: plugins.NAME.sha256: {sha256}, or put its signature beside it and name who signs in plugins.NAME.signedBy")
            }
            Self::PinMismatch { name, actual: sha256, .. } | Self::NotTrusted { name, sha256 } => format!("if this file is the one you want: plugins.{name}.sha256: {sha256}"),
            Self::NotSigned { .. } => {
                "put its signature beside it, as FILE.wasm.minisig (`minisign -Sm FILE.wasm` makes one)".to_owned()
            }
            Self::Directory(_) => {
                "give the directory, and all above it, to root or to the worker's user, and let nobody else write there".to_owned()
            }
            _ => return None,
        })
    }
}

/// The words that a config may grant.
fn capability_words() -> String {
    Capability::ALL.map(Capability::name).join(", ")
}
