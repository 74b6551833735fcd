//! `lifecycle`: a handle on the worker's own life.

use wasmtime::component::Resource;

use crate::{
    bindings::latest::taskcluster::plugin::lifecycle::{Host, HostLifecycle},
    handles::LifecycleHandle,
    state::{State, printable, short},
};

impl Host for State {
    async fn worker(&mut self) -> wasmtime::Result<Resource<LifecycleHandle>> {
        // A handle even where there is no worker, since the contract knows no error here.
        let handle = LifecycleHandle(self.lifecycle.clone());
        Ok(self.table.push(handle)?)
    }
}

impl HostLifecycle for State {
    async fn stop_gracefully(
        &mut self,
        handle: Resource<LifecycleHandle>,
        why: String,
    ) -> wasmtime::Result<()> {
        if let Some(lifecycle) = self.get(&handle)?.0 {
            lifecycle.stop_gracefully(&reason(&self.plugin, &why));
        }
        Ok(())
    }

    async fn stop_now(&mut self, handle: Resource<LifecycleHandle>, why: String) -> wasmtime::Result<()> {
        if let Some(lifecycle) = self.get(&handle)?.0 {
            lifecycle.stop_now(&reason(&self.plugin, &why));
        }
        Ok(())
    }

    async fn stopping(&mut self, handle: Resource<LifecycleHandle>) -> wasmtime::Result<bool> {
        Ok(self.get(&handle)?.0.is_some_and(|lifecycle| lifecycle.stopping()))
    }

    async fn drop(&mut self, handle: Resource<LifecycleHandle>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

/// Why the worker stops, fit for its log: what is too long is left out.
fn reason(plugin: &str, why: &str) -> String {
    match short("the reason", why) {
        Ok(()) => format!("plugin {plugin}: {}", printable(why)),
        Err(_too_long) => format!("plugin {plugin}"),
    }
}
