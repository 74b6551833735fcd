//! `taskcluster:plugin@0.2.0` as it might be, for tests: `environment.set-variable` is called `set`. What a next version of the
//! contract takes beside the one before: bindings, this file, and a place in the list of versions.
//!
//! It has one capability, and no `files`: a whole version has a function of this kind for each interface of its own.

use engine_api::LogLevel;
use wasmtime::component::{HasSelf, Linker};

use super::Version;
use crate::{
    bindings::{
        latest::taskcluster::plugin::{
            environment::Host as Environment, result_set::HostResultSet as ResultSet,
            sandbox::HostSandbox as Sandbox, sandbox_builder::HostSandboxBuilder as SandboxBuilder,
            types::Error,
        },
        trial::taskcluster::plugin as imports,
    },
    capabilities::Capability,
};

exports_of!(trial);

/// The version.
pub(super) static VERSION: Version = Version {
    number: "0.2.0",
    always: &["types", "log", "sandbox-builder", "sandbox", "result-set"],
    link_always,
    link: |capability| match capability {
        Capability::Environment => {
            Some(|linker| imports::environment::add_to_linker::<_, HasSelf<State>>(linker, |s| s))
        }
        _ => None,
    },
    exports,
};

fn link_always(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports::log::add_to_linker::<_, HasSelf<State>>(linker, |s| s)?;
    imports::sandbox_builder::add_to_linker::<_, HasSelf<State>>(linker, |s| s)?;
    imports::sandbox::add_to_linker::<_, HasSelf<State>>(linker, |s| s)?;
    imports::result_set::add_to_linker::<_, HasSelf<State>>(linker, |s| s)
}

impl imports::environment::Host for State {
    fn set(
        &mut self,
        builder: Resource<BuilderHandle>,
        name: String,
        value: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        Environment::set_variable(self, builder, name, value)
    }
}

impl imports::log::Host for State {
    fn task(&mut self, level: imports::log::Level, line: String) -> wasmtime::Result<()> {
        self.task_line(level.into(), &line);
        Ok(())
    }

    fn worker(&mut self, level: imports::log::Level, line: String) -> wasmtime::Result<()> {
        self.worker_line(level.into(), &line);
        Ok(())
    }
}

impl From<imports::log::Level> for LogLevel {
    fn from(level: imports::log::Level) -> Self {
        match level {
            imports::log::Level::Debug => Self::Debug,
            imports::log::Level::Info => Self::Info,
            imports::log::Level::Warn => Self::Warn,
            imports::log::Level::Error => Self::Error,
        }
    }
}

impl imports::sandbox_builder::Host for State {}

impl imports::sandbox_builder::HostSandboxBuilder for State {
    async fn drop(&mut self, handle: Resource<BuilderHandle>) -> wasmtime::Result<()> {
        SandboxBuilder::drop(self, handle).await
    }
}

impl imports::sandbox::Host for State {}

impl imports::sandbox::HostSandbox for State {
    async fn wait(
        &mut self,
        handle: Resource<SandboxHandle>,
        timeout_ms: Option<u64>,
    ) -> wasmtime::Result<bool> {
        Sandbox::wait(self, handle, timeout_ms).await
    }

    async fn drop(&mut self, handle: Resource<SandboxHandle>) -> wasmtime::Result<()> {
        Sandbox::drop(self, handle).await
    }
}

impl imports::result_set::Host for State {}

impl imports::result_set::HostResultSet for State {
    async fn success(&mut self, handle: Resource<ResultsHandle>) -> wasmtime::Result<bool> {
        ResultSet::success(self, handle).await
    }

    async fn exit_code(&mut self, handle: Resource<ResultsHandle>) -> wasmtime::Result<Option<i32>> {
        ResultSet::exit_code(self, handle).await
    }

    async fn drop(&mut self, handle: Resource<ResultsHandle>) -> wasmtime::Result<()> {
        ResultSet::drop(self, handle).await
    }
}
