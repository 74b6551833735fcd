//! What plugins ask of the worker, through the traits of `plugin_host::ports`: artifacts go to the queue, the log and the
//! worker's own life are the worker's. And what the engine reads of a payload, which plugins must go together with.

mod artifacts;
mod lifecycle;
mod log;
mod schemas;

pub(crate) use artifacts::{ArtifactStorage, QueueArtifacts, UploadSlots};
pub(crate) use log::RunLog;
pub(crate) use schemas::EngineSchema;
