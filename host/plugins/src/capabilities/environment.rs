//! `environment`: setting the environment of the task.

use engine_api::SetVariableError;
use wasmtime::component::Resource;

use crate::{
    bindings::v0_1::taskcluster::plugin::{environment::Host, types::Error},
    handles::BuilderHandle,
    state::{State, short},
};

/// Linux starts no program with a longer string than 128 KiB, name and all.
const MAX_VALUE: usize = 126 << 10;

impl Host for State {
    fn set_variable(
        &mut self,
        builder: Resource<BuilderHandle>,
        name: String,
        value: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let builder = self.get(&builder)?;
        if let Err(error) = self.run() {
            return Ok(Err(error));
        }
        Ok(checked(&name, &value).and_then(|()| {
            match builder.0.with(|builder| builder.set_variable(&name, &value)) {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error @ SetVariableError::Invalid(_))) => Err(Error::Invalid(error.to_string())),
                Ok(Err(error @ SetVariableError::Conflict(_))) => Err(Error::Conflict(error.to_string())),
                Err(_closed) => Err(Error::Closed),
            }
        }))
    }
}

/// Refuses what no program could be started with.
fn checked(name: &str, value: &str) -> Result<(), Error> {
    short("the name of an environment variable", name)?;
    if value.len() > MAX_VALUE {
        return Err(Error::Invalid(format!(
            "the value of the environment variable {name} is longer than {MAX_VALUE} bytes"
        )));
    }
    Ok(())
}
