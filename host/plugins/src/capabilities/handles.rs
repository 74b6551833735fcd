//! `types`, `sandbox-builder`, `sandbox` and `result-set`: what can be done with the handles alone. Always granted.

use std::time::Duration;

use tokio::time::sleep;
use wasmtime::component::Resource;

use crate::{
    bindings::latest::taskcluster::plugin::{result_set, sandbox, sandbox_builder, types},
    handles::{BuilderHandle, ResultsHandle, SandboxHandle},
    state::State,
};

impl types::Host for State {}

impl sandbox_builder::Host for State {}

impl sandbox_builder::HostSandboxBuilder for State {
    async fn drop(&mut self, handle: Resource<BuilderHandle>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl sandbox::Host for State {}

impl sandbox::HostSandbox for State {
    async fn wait(
        &mut self,
        handle: Resource<SandboxHandle>,
        timeout_ms: Option<u64>,
    ) -> wasmtime::Result<bool> {
        let ended = self.get(&handle)?.0.ended;
        let cancel = self
            .run
            .as_ref()
            .map(|run| run.cancel.clone())
            .unwrap_or_default();
        let _clock_stands_still = self.clock.hold();
        let time_is_up = async {
            match timeout_ms {
                Some(timeout) => sleep(Duration::from_millis(timeout)).await,
                None => std::future::pending().await,
            }
        };
        Ok(tokio::select! {
            biased;
            () = ended.cancelled() => true,
            () = cancel.cancelled() => true,
            () = time_is_up => false,
        })
    }

    async fn drop(&mut self, handle: Resource<SandboxHandle>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl result_set::Host for State {}

impl result_set::HostResultSet for State {
    async fn success(&mut self, handle: Resource<ResultsHandle>) -> wasmtime::Result<bool> {
        Ok(self
            .get(&handle)?
            .0
            .with(|results| results.success())
            .unwrap_or(false))
    }

    async fn exit_code(&mut self, handle: Resource<ResultsHandle>) -> wasmtime::Result<Option<i32>> {
        Ok(self
            .get(&handle)?
            .0
            .with(|results| results.exit_code())
            .unwrap_or(None))
    }

    async fn drop(&mut self, handle: Resource<ResultsHandle>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}
