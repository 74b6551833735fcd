//! The versions of the contract that are served, side by side.
//!
//! [`SERVED`] is the one list of them. A version says what it calls its interfaces, how they are linked and how a plugin's
//! exports are found; which one a plugin is made for is seen from what it imports and exports. All else of the host speaks the
//! words of `bindings::latest` and knows no number: what other versions say otherwise is translated below this module.
//!
//! Within a version any patch will do, older or newer: wasmtime's linker takes `0.1.3` for `0.1.0` and checks types. A plugin
//! that uses what a newer patch has brought imports an interface that is not there, or a function, and is refused for it.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use wasmtime::{
    Store,
    component::{Component, InstancePre, Linker},
};

use crate::{
    answer::WorkerStatus,
    bindings::latest::taskcluster::plugin::types::{ExceptionReason, HookError, WorkerInfo},
    capabilities::Capability,
    handles::{BuilderHandle, ResultsHandle, SandboxHandle},
    hooks::NewTask,
    prepared::{Description, Live},
    state::State,
};

#[macro_use]
mod exports;
#[cfg(test)]
pub(crate) mod trial;
mod v0_1;

/// What versions of the contract are versions of.
const PACKAGE: &str = "taskcluster:plugin";

/// The version that the host itself is written in.
const LATEST: &Version = &v0_1::VERSION;
/// Every version that is served.
const SERVED: &[&Version] = &[
    LATEST,
    #[cfg(test)]
    &trial::VERSION,
];

/// How an interface is added to what a plugin may import.
pub(crate) type Link = fn(&mut Linker<State>) -> wasmtime::Result<()>;

/// How exports are found; the function says of which interfaces there are any.
type FindExports = fn(&InstancePre<State>, &dyn Fn(&str) -> bool) -> wasmtime::Result<Exports>;

/// A version of the contract.
pub(crate) struct Version {
    /// Its newest patch.
    number: &'static str,
    /// The interfaces that need no grant.
    always: &'static [&'static str],
    /// Links these.
    link_always: Link,
    /// How a capability is linked; none where it has no such interface.
    link: fn(Capability) -> Option<Link>,
    /// Finds what a plugin exports.
    exports: FindExports,
}

/// What a plugin can import of the contract, by the name of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Import {
    /// It needs no grant.
    Always,
    /// It needs one.
    Granted(Capability),
}

/// A name of the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name<'n> {
    /// An interface of a version that is served.
    Served(&'static Version, &'n str),
    /// Of another version, or of none.
    NotServed,
}

/// What is exported by a plugin, found once for all of its instances.
#[derive(Clone)]
pub(crate) struct Exports {
    pub(crate) plugin: Arc<dyn PluginExport>,
    /// None: it takes no part in tasks.
    pub(crate) task: Option<Arc<dyn TaskExport>>,
    /// None: it takes no part in the worker's life.
    pub(crate) worker: Option<Arc<dyn WorkerExport>>,
}

/// `plugin`: who it is, and what it reads.
#[async_trait]
pub(crate) trait PluginExport: Send + Sync {
    async fn describe(&self, live: &mut Live) -> wasmtime::Result<Description>;
    async fn payload_schema(
        &self,
        live: &mut Live,
        config: String,
    ) -> wasmtime::Result<Result<String, String>>;
}

/// `task-hooks`, to be looked up in an instance.
pub(crate) trait TaskExport: Send + Sync {
    fn of(&self, live: &mut Live) -> wasmtime::Result<Arc<dyn TaskHooks>>;
}

/// `task-hooks` of one instance.
#[async_trait]
pub(crate) trait TaskHooks: Send + Sync {
    async fn new_task(&self, store: &mut Store<State>, call: NewTask) -> Answer<()>;
    async fn build_sandbox(&self, store: &mut Store<State>, builder: BuilderHandle) -> Answer<()>;
    async fn started(&self, store: &mut Store<State>, sandbox: SandboxHandle) -> Answer<()>;
    async fn stopped(&self, store: &mut Store<State>, results: ResultsHandle) -> Answer<bool>;
    async fn finished(&self, store: &mut Store<State>, success: bool) -> Answer<()>;
    async fn exception(&self, store: &mut Store<State>, reason: ExceptionReason) -> Answer<()>;
}

/// What a hook of a task answers, if it does.
pub(crate) type Answer<T> = wasmtime::Result<Result<T, HookError>>;

/// `worker-hooks`.
#[async_trait]
pub(crate) trait WorkerExport: Send + Sync {
    async fn worker_started(
        &self,
        live: &mut Live,
        worker: WorkerInfo,
        config: String,
    ) -> wasmtime::Result<Result<(), String>>;
    async fn report_idle(&self, live: &mut Live, status: WorkerStatus) -> wasmtime::Result<()>;
    async fn report_progress(&self, live: &mut Live, status: WorkerStatus) -> wasmtime::Result<()>;
    async fn report_non_fatal_error(&self, live: &mut Live, message: &str) -> wasmtime::Result<()>;
}

/// What a name of a component means; none where it is not the contract's.
pub(crate) fn read(name: &str) -> Option<Name<'_>> {
    let rest = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    let served = rest.split_once('@').and_then(|(interface, asked)| {
        let version = SERVED.iter().find(|version| version.serves(asked))?;
        Some(Name::Served(version, interface))
    });
    Some(served.unwrap_or(Name::NotServed))
}

/// What is served, for people: `taskcluster:plugin@0.1.0`.
pub(crate) fn served() -> String {
    let each: Vec<String> = SERVED.iter().map(|version| version.to_string()).collect();
    each.join(" and ")
}

/// The interfaces of the latest version that need no grant.
pub(crate) fn always() -> &'static [&'static str] {
    LATEST.always
}

impl Version {
    /// Whether a plugin that asks for a version gets this one.
    fn serves(&self, asked: &str) -> bool {
        asked == self.number || track(asked).is_some_and(|asked| Some(asked) == track(self.number))
    }

    /// What an interface is to a plugin; none where the version has none of that name.
    pub(crate) fn import(&self, interface: &str) -> Option<Import> {
        if self.always.contains(&interface) {
            return Some(Import::Always);
        }
        let capability = Capability::named(interface)?;
        (self.link)(capability).map(|_| Import::Granted(capability))
    }

    /// Links what needs no grant and some of what does.
    pub(crate) fn link(
        &self,
        linker: &mut Linker<State>,
        capabilities: &[Capability],
    ) -> wasmtime::Result<()> {
        (self.link_always)(linker)?;
        capabilities
            .iter()
            .filter_map(|capability| (self.link)(*capability))
            .try_for_each(|link| link(linker))
    }

    /// Finds what a component exports, which is linked already.
    ///
    /// # Errors
    /// When it lacks a function of an interface that it claims to have, or has one of another type.
    pub(crate) fn exports(
        &self,
        component: &Component,
        pre: &InstancePre<State>,
    ) -> wasmtime::Result<Exports> {
        let has = |interface: &str| {
            let name = format!("{PACKAGE}/{interface}@{}", self.number);
            component.get_export_index(None, &name).is_some()
        };
        (self.exports)(pre, &has)
    }
}

/// What a version is compatible with, as wasmtime's linker has it: the patch does not matter, nor does the minor after 1.0.
/// None: with itself alone.
fn track(version: &str) -> Option<(u64, Option<u64>)> {
    let version = semver::Version::parse(version).ok()?;
    match (version.major, version.minor) {
        _ if !version.pre.is_empty() => None,
        (0, 0) => None,
        (0, minor) => Some((0, Some(minor))),
        (major, _) => Some((major, None)),
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PACKAGE}@{}", self.number)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
