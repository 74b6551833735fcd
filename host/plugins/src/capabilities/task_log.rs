//! `task-log`: the run's log as bytes.

use wasmtime::component::Resource;

use crate::{
    bindings::latest::taskcluster::plugin::{task_log::Host, types::Error},
    handles::FileHandle,
    state::State,
};

impl Host for State {
    async fn content(&mut self) -> wasmtime::Result<Result<Resource<FileHandle>, Error>> {
        let content = match self.run() {
            Ok(run) => run.ports.log.content(),
            Err(error) => return Ok(Err(error)),
        };
        match content {
            Some(content) => Ok(self.give(FileHandle(content))),
            None => Ok(Err(Error::Other(
                "the log is still being written: it is whole in finished and exception".to_owned(),
            ))),
        }
    }

    async fn live_url(&mut self) -> wasmtime::Result<Result<String, Error>> {
        Ok(self.run().and_then(|run| {
            run.ports
                .log
                .live_url()
                .ok_or_else(|| Error::NotSupported("this worker serves no live logs".to_owned()))
        }))
    }
}
