//! The engine.

use async_trait::async_trait;
use engine_api::{Engine, EngineError, EngineErrorKind, RunContext, RunKey, SandboxBuilder};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    Call,
    builder::MockBuilder,
    payload::{self, MockPayload},
    record::Record,
};

/// An engine without processes: see the crate's page. Clones share one record.
#[derive(Clone, Debug, Default)]
pub struct MockEngine {
    record: Record,
}

impl MockEngine {
    /// An engine that has no record yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The calls that belong to a run, in order. None for a run that it was never told of.
    #[must_use]
    pub fn calls(&self, run: &RunKey) -> Vec<Call> {
        self.record.calls(run)
    }

    /// The runs that hold something: a builder neither started nor discarded, a sandbox that was not waited for, a result
    /// set that was not disposed of.
    #[must_use]
    pub fn held(&self) -> Vec<RunKey> {
        self.record.held()
    }
}

#[async_trait]
impl Engine for MockEngine {
    fn name(&self) -> &'static str {
        "mock"
    }

    fn payload_schema(&self) -> Value {
        payload::schema()
    }

    async fn new_builder(
        &self,
        run: RunContext,
        payload: Value,
        cancel: &CancellationToken,
    ) -> Result<Box<dyn SandboxBuilder>, EngineError> {
        let payload: MockPayload = serde_json::from_value(payload).map_err(|error| {
            EngineError::new(
                EngineErrorKind::MalformedPayload,
                "can't read the payload of the mock engine",
            )
            .caused_by(error)
        })?;
        if cancel.is_cancelled() {
            return Err(EngineError::cancelled());
        }
        let held = self.record.begin(&run.key);
        held.call(Call::NewBuilder);
        if let Some(fault) = &payload.faults.new_builder {
            // Nothing is handed out while the fault lasts, so nothing is held.
            held.release();
            fault.strike("new_builder", cancel).await?;
        }
        Ok(Box::new(MockBuilder::new(payload, run.log, held.again())))
    }
}
