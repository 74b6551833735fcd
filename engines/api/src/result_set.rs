//! What a sandbox left behind.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{Content, DisposeError};

/// What is left when a sandbox has ended: how it ended, and its files.
#[async_trait]
pub trait ResultSet: fmt::Debug + Send + Sync {
    /// Whether the sandbox did what it was to do: every command exited with 0, and nothing killed it.
    fn success(&self) -> bool;

    /// The exit code of the last command that ran. None where a signal ended it, where it was killed, or where the
    /// engine has no such notion.
    fn exit_code(&self) -> Option<i32>;

    /// A file of the task's. `path` is relative to the task's directory, or absolute.
    ///
    /// # Errors
    /// See [`ExtractError`].
    async fn extract_file(&self, path: &str) -> Result<Arc<dyn Content>, ExtractError>;

    /// Every file below a folder of the task's, at any depth, one after the other. Links to folders are not walked into.
    ///
    /// # Errors
    /// See [`ExtractError`]; those are of the folder itself. A bad entry is an error of that entry.
    async fn extract_folder(&self, path: &str) -> Result<Box<dyn FolderWalk>, ExtractError>;

    /// Releases everything: no process, file, mount or port of the run's is left. Called exactly once, last. Content that
    /// was extracted can't be opened any more.
    ///
    /// # Errors
    /// When something stays behind.
    async fn dispose(&self) -> Result<(), DisposeError>;
}

/// A file below an extracted folder.
#[derive(Debug)]
pub struct FolderEntry {
    /// Relative to the folder, parts joined by `/`, none of them empty, `.` or `..`.
    pub path: String,
    /// The file, or why it can't be had: the walk goes on after a bad entry.
    pub content: Result<Arc<dyn Content>, ExtractError>,
}

/// The files of a folder, pulled one at a time, so that a folder of a million files needs no memory for them.
#[async_trait]
pub trait FolderWalk: fmt::Debug + Send {
    /// The next file, in no particular order; none when there are no more.
    ///
    /// # Errors
    /// When the walk can't go on.
    async fn next(&mut self) -> Result<Option<FolderEntry>, ExtractError>;
}

/// Why a file or folder can't be extracted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// There is nothing at that path.
    #[error("nothing is there")]
    Missing,
    /// A folder where a file was asked for, or the other way round, or neither of the two.
    #[error("it is {0}")]
    WrongKind(&'static str),
    /// It is there and can't be read.
    #[error("it can't be read: {0}")]
    NotReadable(String),
    /// It is larger than the engine hands out.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// The most that is handed out, in bytes.
        limit: u64,
    },
    /// The path leads out of what the task may publish, or is no path.
    #[error("{0}")]
    Refused(String),
}
