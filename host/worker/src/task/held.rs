//! What a run holds of its engine: exactly one of four things, with the way to release each.

use std::{error::Error, sync::Arc};

use engine_api::{DisposeError, EngineError, ResultSet, Sandbox, SandboxBuilder, SandboxEnd};
use plugin_host::Phase;
use tokio_util::sync::CancellationToken;

/// The engine's part of a run, as far as it got. An operation that turns one of them into the next holds it meanwhile.
#[derive(Debug, Default)]
pub(super) enum Held {
    /// Not yet anything, or not any more.
    #[default]
    Nothing,
    /// Not started. Plugins see it through clones of the phase while `build-sandbox` runs.
    Builder(Phase<Box<dyn SandboxBuilder>>),
    /// Started, and not waited for yet.
    Sandbox(Arc<dyn Sandbox>),
    /// Ended.
    Results(Arc<dyn ResultSet>),
}

impl Held {
    /// Releases it, whatever it is.
    pub(super) async fn release(self) -> Result<(), DisposeError> {
        match self {
            Self::Nothing => Ok(()),
            Self::Builder(phase) => match phase.end() {
                Some(builder) => builder.discard().await,
                None => Ok(()),
            },
            Self::Sandbox(sandbox) => {
                let cancel = CancellationToken::new();
                cancel.cancel();
                match sandbox.wait(&cancel).await {
                    Ok(SandboxEnd::Ended(results)) => results.dispose().await,
                    Ok(SandboxEnd::Aborted) => Ok(()),
                    Err(error) => left_behind(&error).map_or(Ok(()), |left| Err(left.clone())),
                }
            }
            Self::Results(results) => results.dispose().await,
        }
    }
}

/// What stays behind after an operation of the engine that failed, which was to release everything by itself.
pub(super) fn left_behind(error: &EngineError) -> Option<&DisposeError> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(left) = error.downcast_ref() {
            return Some(left);
        }
        source = error.source();
    }
    None
}
