//! A sandbox before it starts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use engine_api::{DisposeError, EngineError, LogSink, Sandbox, SandboxBuilder, SetVariableError};
use tokio_util::sync::CancellationToken;

use crate::{Call, payload::MockPayload, record::Held, sandbox::MockSandbox};

#[derive(Debug)]
pub(crate) struct MockBuilder {
    payload: MockPayload,
    log: Arc<dyn LogSink>,
    variables: Mutex<BTreeMap<String, String>>,
    held: Held,
}

impl MockBuilder {
    pub(crate) fn new(payload: MockPayload, log: Arc<dyn LogSink>, held: Held) -> Self {
        Self {
            payload,
            log,
            variables: Mutex::default(),
            held,
        }
    }
}

#[async_trait]
impl SandboxBuilder for MockBuilder {
    fn set_variable(&self, name: &str, value: &str) -> Result<(), SetVariableError> {
        if name.is_empty() || name.contains(['=', '\0', ' ']) || value.contains('\0') {
            return Err(SetVariableError::Invalid(format!(
                "{name:?} can't be set: a name is not empty and holds no '=', space or NUL, a value holds no NUL"
            )));
        }
        if let Some(fault) = self.payload.faults.set_variable {
            fault.strike("set_variable");
        }
        let mut variables = self.variables.lock().unwrap_or_else(PoisonError::into_inner);
        if variables.contains_key(name) {
            return Err(SetVariableError::Conflict(name.to_owned()));
        }
        variables.insert(name.to_owned(), value.to_owned());
        self.held.call(Call::SetVariable {
            name: name.to_owned(),
            value: value.to_owned(),
        });
        Ok(())
    }

    async fn start(self: Box<Self>, cancel: &CancellationToken) -> Result<Arc<dyn Sandbox>, EngineError> {
        self.held.call(Call::Start);
        // Released first, so that a fault that panics leaves nothing held.
        self.held.release();
        if let Some(fault) = &self.payload.faults.start {
            fault.strike("start", cancel).await?;
        }
        if cancel.is_cancelled() {
            return Err(EngineError::cancelled());
        }
        let variables = self
            .variables
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::new(MockSandbox::start(
            self.payload,
            self.log,
            variables,
            self.held.again(),
        )))
    }

    async fn discard(self: Box<Self>) -> Result<(), DisposeError> {
        self.held.call(Call::Discard);
        if let Some(fault) = &self.payload.faults.discard {
            fault.strike("discard").await?;
        }
        self.held.release();
        Ok(())
    }
}
