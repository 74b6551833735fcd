//! The capabilities: one file each, one interface of the contract, one word in the config. [`ALL`] is the one list of them.

pub(crate) mod artifacts;
mod environment;
mod files;
mod handles;
mod kill;
mod lifecycle;
mod log;
mod results;
mod task_definition;
mod task_log;

use wasmtime::component::{HasSelf, Linker};

use crate::{bindings::v0_1::taskcluster::plugin, state::State};

/// The package and the version that this host serves.
pub(crate) const PACKAGE: &str = "taskcluster:plugin";
/// Its version.
pub(crate) const VERSION: &str = "0.1.0";

/// A capability.
#[derive(Clone, Copy)]
pub(crate) struct Capability {
    /// Its interface in WIT, and its word in the config.
    pub(crate) name: &'static str,
    add_to_linker: fn(&mut Linker<State>) -> wasmtime::Result<()>,
}

/// Every capability that an operator can grant.
pub(crate) const ALL: [Capability; 7] = [
    Capability {
        name: "environment",
        add_to_linker: |l| plugin::environment::add_to_linker::<_, HasSelf<State>>(l, |s| s),
    },
    Capability {
        name: "task-definition",
        add_to_linker: |l| plugin::task_definition::add_to_linker::<_, HasSelf<State>>(l, |s| s),
    },
    Capability {
        name: "kill",
        add_to_linker: |l| plugin::kill::add_to_linker::<_, HasSelf<State>>(l, |s| s),
    },
    Capability {
        name: "results",
        add_to_linker: |l| plugin::results::add_to_linker::<_, HasSelf<State>>(l, |s| s),
    },
    Capability {
        name: "artifacts",
        add_to_linker: |l| plugin::artifacts::add_to_linker::<_, HasSelf<State>>(l, |s| s),
    },
    Capability {
        name: "task-log",
        add_to_linker: |l| plugin::task_log::add_to_linker::<_, HasSelf<State>>(l, |s| s),
    },
    Capability {
        name: "lifecycle",
        add_to_linker: |l| plugin::lifecycle::add_to_linker::<_, HasSelf<State>>(l, |s| s),
    },
];

/// The interfaces that need no grant: alone they can do next to nothing.
pub(crate) const ALWAYS: [&str; 6] = [
    "types",
    "log",
    "files",
    "sandbox-builder",
    "sandbox",
    "result-set",
];

/// Adds what is always granted.
pub(crate) fn add_always(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    plugin::types::add_to_linker::<_, HasSelf<State>>(linker, |s| s)?;
    plugin::log::add_to_linker::<_, HasSelf<State>>(linker, |s| s)?;
    plugin::files::add_to_linker::<_, HasSelf<State>>(linker, |s| s)?;
    plugin::sandbox_builder::add_to_linker::<_, HasSelf<State>>(linker, |s| s)?;
    plugin::sandbox::add_to_linker::<_, HasSelf<State>>(linker, |s| s)?;
    plugin::result_set::add_to_linker::<_, HasSelf<State>>(linker, |s| s)
}

/// Adds one capability.
pub(crate) fn add(linker: &mut Linker<State>, name: &str) -> wasmtime::Result<()> {
    match ALL.iter().find(|capability| capability.name == name) {
        Some(capability) => (capability.add_to_linker)(linker),
        None => Ok(()),
    }
}
