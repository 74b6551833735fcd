//! `environment`: setting the environment of the task.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use engine_api::{SandboxBuilder, SetVariableError};
use wasmtime::component::Resource;

use crate::{
    bindings::latest::taskcluster::plugin::{environment::Host, types::Error},
    handles::BuilderHandle,
    state::{State, short},
};

/// Linux starts no program with a longer string than 128 KiB, name and all.
const MAX_VALUE: usize = 126 << 10;
/// What Linux lets a program's environment and arguments have together, in bytes, as long as the stack has its ordinary size.
const MAX_ALL: usize = 2 << 20;

/// The variables that the plugins of one run have set, each with the plugin that did.
#[derive(Debug, Default)]
pub(crate) struct Variables(Mutex<Set>);

#[derive(Debug, Default)]
struct Set {
    by_whom: HashMap<String, Arc<str>>,
    /// Of names and values together.
    bytes: usize,
}

impl Variables {
    /// Sets one, for one plugin after the other: who was first is known to whoever is second.
    fn set(
        &self,
        plugin: &Arc<str>,
        builder: &dyn SandboxBuilder,
        variable: (&str, &str),
    ) -> Result<(), Error> {
        let (name, value) = variable;
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = set.by_whom.get(name).filter(|other| *other != plugin) {
            let (first, second) = if other < plugin {
                (other, plugin)
            } else {
                (plugin, other)
            };
            return Err(Error::Conflict(format!(
                "the plugins {first} and {second} both set the variable {name}"
            )));
        }
        let bytes = set.bytes + name.len() + value.len();
        if bytes > MAX_ALL {
            return Err(Error::Limit(format!(
                "with the variable {name} the environment of the task would have more than {MAX_ALL} bytes"
            )));
        }
        match builder.set_variable(name, value) {
            Ok(()) => {}
            Err(error @ SetVariableError::Invalid(_)) => return Err(Error::Invalid(error.to_string())),
            Err(error @ SetVariableError::Conflict(_)) => return Err(Error::Conflict(error.to_string())),
        }
        set.bytes = bytes;
        set.by_whom.insert(name.to_owned(), plugin.clone());
        Ok(())
    }
}

impl Host for State {
    fn set_variable(
        &mut self,
        builder: Resource<BuilderHandle>,
        name: String,
        value: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let builder = self.get(&builder)?;
        let variables = match self.run() {
            Ok(run) => run.variables.clone(),
            Err(error) => return Ok(Err(error)),
        };
        let granted = checked(&name, &value).and_then(|()| {
            let granted = self.grants.may_set(&self.plugin, &name);
            granted.map_err(|not_granted| Error::Denied(not_granted.to_string()))
        });
        let answer = granted.and_then(|()| {
            let set = builder
                .0
                .with(|builder| variables.set(&self.plugin, &**builder, (&name, &value)));
            set.unwrap_or(Err(Error::Closed))
        });
        Ok(answer.map_err(|error| self.refused.note(error)))
    }
}

/// Refuses what no program could be started with.
fn checked(name: &str, value: &str) -> Result<(), Error> {
    short("the name of an environment variable", name)?;
    if name.contains(char::is_control) {
        return Err(Error::Invalid(format!(
            "{name:?} is no name of an environment variable: it holds a control character"
        )));
    }
    if value.len() > MAX_VALUE {
        return Err(Error::Invalid(format!(
            "the value of the environment variable {name} is longer than {MAX_VALUE} bytes"
        )));
    }
    Ok(())
}
