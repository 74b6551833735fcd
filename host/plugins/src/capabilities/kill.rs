//! `kill`: ending the task early.

use wasmtime::component::Resource;

use crate::{
    bindings::latest::taskcluster::plugin::{kill::Host, types::Error},
    handles::SandboxHandle,
    state::State,
};

impl Host for State {
    async fn kill(&mut self, sandbox: Resource<SandboxHandle>) -> wasmtime::Result<Result<(), Error>> {
        let sandbox = self.get(&sandbox)?.0;
        if let Err(error) = self.run() {
            return Ok(Err(error));
        }
        if sandbox.ended.is_cancelled() {
            return Ok(Err(Error::Closed));
        }
        Ok(match sandbox.sandbox.with(|sandbox| sandbox.kill()) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::Other(error.to_string())),
            Err(_closed) => Err(Error::Closed),
        })
    }
}
