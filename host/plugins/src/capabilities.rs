//! The capabilities: one file each, one interface of the contract, one word in the config. [`Capability`] is the one list
//! and table of them.

pub(crate) mod artifacts;
pub(crate) mod environment;
mod files;
mod handles;
mod kill;
mod lifecycle;
mod log;
mod results;
mod task_definition;
mod task_log;

use wasmtime::component::HasSelf;

use crate::{bindings::v0_1::taskcluster::plugin, contract::Link, state::State};

/// A capability: one interface of the contract, which a plugin has when it imports it and the operator grants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Setting the environment of the task.
    Environment,
    /// The whole task definition.
    TaskDefinition,
    /// Ending the task early.
    Kill,
    /// Reading what the sandbox left behind.
    Results,
    /// Artifacts of the run.
    Artifacts,
    /// The run's log as bytes.
    TaskLog,
    /// A handle on the worker's own life.
    Lifecycle,
}

/// What there is to say of a capability.
struct Row {
    /// Its interface in WIT, and its word in the config.
    name: &'static str,
    /// What a plugin may do with it.
    allows: &'static str,
    /// What the parameter `names` of a grant of it is; none where it takes none.
    names: Option<&'static str>,
    /// How it is linked in `taskcluster:plugin@0.1.0`. Each version of the contract has a column of its own.
    v0_1: Link,
}

impl Capability {
    /// Every capability that an operator can grant.
    pub const ALL: [Self; 7] = [
        Self::Environment,
        Self::TaskDefinition,
        Self::Kill,
        Self::Results,
        Self::Artifacts,
        Self::TaskLog,
        Self::Lifecycle,
    ];

    /// The table. Linking, the config's schema, reports, refusals and the table in `docs/plugins.md` come from it.
    const fn row(self) -> Row {
        match self {
            Self::Environment => Row {
                name: "environment",
                allows: "set variables of the task",
                names: Some(
                    "the variables that it may set; without it, all but those that change how programs are loaded",
                ),
                v0_1: |l| plugin::environment::add_to_linker::<_, HasSelf<State>>(l, |s| s),
            },
            Self::TaskDefinition => Row {
                name: "task-definition",
                allows: "read the whole task definition, other plugins' part of the payload included",
                names: None,
                v0_1: |l| plugin::task_definition::add_to_linker::<_, HasSelf<State>>(l, |s| s),
            },
            Self::Kill => Row {
                name: "kill",
                allows: "end the task early",
                names: None,
                v0_1: |l| plugin::kill::add_to_linker::<_, HasSelf<State>>(l, |s| s),
            },
            Self::Results => Row {
                name: "results",
                allows: "read files that the sandbox left behind",
                names: None,
                v0_1: |l| plugin::results::add_to_linker::<_, HasSelf<State>>(l, |s| s),
            },
            Self::Artifacts => Row {
                name: "artifacts",
                allows: "create artifacts of the run",
                names: Some("the artifacts that it may create or link to; without it, all"),
                v0_1: |l| plugin::artifacts::add_to_linker::<_, HasSelf<State>>(l, |s| s),
            },
            Self::TaskLog => Row {
                name: "task-log",
                allows: "read the whole log once it is closed, and know where it can be followed",
                names: None,
                v0_1: |l| plugin::task_log::add_to_linker::<_, HasSelf<State>>(l, |s| s),
            },
            Self::Lifecycle => Row {
                name: "lifecycle",
                allows: "stop the worker, by an error `fatal` too",
                names: None,
                v0_1: |l| plugin::lifecycle::add_to_linker::<_, HasSelf<State>>(l, |s| s),
            },
        }
    }

    /// The capability of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.name() == word)
    }

    /// How it is linked for a plugin that is made for `taskcluster:plugin@0.1.0`.
    pub(crate) const fn link_in_0_1(self) -> Link {
        self.row().v0_1
    }

    /// Its interface in WIT, and its word in the config.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// What a plugin may do with it, to be read after "may".
    #[must_use]
    pub const fn allows(self) -> &'static str {
        self.row().allows
    }

    /// What the parameter `names` of a grant of it is; none where it takes no parameters.
    #[must_use]
    pub const fn names(self) -> Option<&'static str> {
        self.row().names
    }
}

#[cfg(test)]
mod tests;
