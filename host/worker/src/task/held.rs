//! What a run holds of its engine: exactly one of four things, with the way to release each.

use std::sync::Arc;

use engine_api::{DisposeError, ResultSet, SandboxBuilder};
use plugin_host::Phase;

/// The engine's part of a run, as far as it got. While the sandbox runs, the operation that waits for it holds it: that
/// ends with a result set or with nothing.
#[derive(Debug, Default)]
pub(super) enum Held {
    /// Not yet anything, or not any more.
    #[default]
    Nothing,
    /// Not started. Plugins see it through clones of the phase while `build-sandbox` runs.
    Builder(Phase<Box<dyn SandboxBuilder>>),
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
            Self::Results(results) => results.dispose().await,
        }
    }
}
