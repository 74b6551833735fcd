//! `task-definition`: the whole task definition, other plugins' part of the payload included.

use crate::{bindings::latest::taskcluster::plugin::task_definition::Host, state::State};

impl Host for State {
    async fn get(&mut self) -> wasmtime::Result<String> {
        // A store that serves no run has no task: the contract has no error here, so it is an empty document.
        Ok(self
            .run
            .as_ref()
            .map_or_else(|| "{}".to_owned(), |run| run.ports.definition.to_string()))
    }
}
