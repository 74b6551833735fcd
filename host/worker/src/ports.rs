//! What plugins ask of the worker, through the traits of `plugin_host::ports`: artifacts go to the queue, the log and the
//! worker's own life are the worker's.

mod artifacts;
mod lifecycle;
mod log;

pub(crate) use artifacts::{ArtifactStorage, QueueArtifacts, UploadSlots};
pub(crate) use log::RunLog;
