//! What is behind a guest's handles. A handle is only a name: what outlives a hook belongs to the run.

use std::sync::Arc;

use engine_api::{Content, ContentReader, FolderWalk, ResultSet, Sandbox, SandboxBuilder};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{answer::PluginFailure, phase::Phase, ports::Lifecycle, state::Held};

/// `sandbox-builder`.
#[derive(Clone, Debug)]
pub struct BuilderHandle(pub(crate) Phase<Box<dyn SandboxBuilder>>);

/// `sandbox`.
#[derive(Clone, Debug)]
pub struct SandboxHandle(pub(crate) SandboxPhase);

/// `result-set`.
#[derive(Clone, Debug)]
pub struct ResultsHandle(pub(crate) Phase<Arc<dyn ResultSet>>);

/// `file`.
#[derive(Clone, Debug)]
pub struct FileHandle(pub(crate) Arc<dyn Content>);

/// `reader`.
pub struct ReaderHandle {
    /// None once a call has taken too long: what it was doing then can't be known.
    pub(crate) reader: Option<ContentReader>,
    pub(crate) _held: Held,
}

impl std::fmt::Debug for ReaderHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReaderHandle")
    }
}

/// `folder`.
#[derive(Debug)]
pub struct FolderHandle {
    /// None once a call has taken too long.
    pub(crate) walk: Option<Box<dyn FolderWalk>>,
    pub(crate) _held: Held,
    /// What is walked in: the folder is closed when this is. A file that came of the walk is not, it belongs to the run.
    pub(crate) results: Phase<Arc<dyn ResultSet>>,
}

/// `lifecycle`. None where there is no worker: it does nothing then.
#[derive(Clone, Debug)]
pub struct LifecycleHandle(pub(crate) Option<Arc<dyn Lifecycle>>);

/// A sandbox that runs, as the hook `started` sees it.
#[derive(Clone, Debug)]
pub struct SandboxPhase {
    /// The sandbox, until the hook is over.
    pub sandbox: Phase<Arc<dyn Sandbox>>,
    /// Fires when the sandbox has ended.
    pub ended: CancellationToken,
    /// Hears at once of the first plugin whose hook failed, while others may still wait.
    pub first_failure: mpsc::Sender<PluginFailure>,
}
