//! What publishing needs of the worker.

use plugin_sdk::{
    Error, ResultSet,
    artifacts::{self, Encoding, Options, Outcome},
    files::File,
    log::{self, Level},
    results::{Extract as _, ExtractError, Folder},
};

use crate::payload::{ContentEncoding, Definition};

/// A file below a folder: its path there, and the file or why it can't be had.
pub(crate) type Entry<F> = (String, Result<F, ExtractError>);

/// The worker, or what stands for it in tests.
pub(crate) trait Host {
    type File;
    type Folder;

    /// Whether the task's commands have succeeded.
    fn succeeded(&self) -> bool;
    fn file(&self, path: &str) -> Result<Self::File, ExtractError>;
    fn folder(&self, path: &str) -> Result<Self::Folder, ExtractError>;
    /// The next file below a folder.
    fn next(&self, folder: &Self::Folder) -> Result<Option<Entry<Self::File>>, ExtractError>;
    /// Queues an upload.
    fn upload(&self, name: &str, file: Self::File, definition: &Definition) -> Result<(), Error>;
    /// Waits for a queued upload; none where there is none.
    fn next_outcome(&self) -> Option<Outcome>;
    fn report_error(
        &self,
        name: &str,
        reason: &str,
        message: &str,
        expires: Option<&str>,
    ) -> Result<(), Error>;
    /// A line in the task's log.
    fn log(&self, level: Level, line: &str);
}

/// The worker that the plugin is loaded in.
#[derive(Debug)]
pub(crate) struct Worker<'a> {
    pub(crate) results: &'a ResultSet,
}

impl Host for Worker<'_> {
    type File = File;
    type Folder = Folder;

    fn succeeded(&self) -> bool {
        self.results.success()
    }

    fn file(&self, path: &str) -> Result<File, ExtractError> {
        self.results.extract_file(path)
    }

    fn folder(&self, path: &str) -> Result<Folder, ExtractError> {
        self.results.extract_folder(path)
    }

    fn next(&self, folder: &Folder) -> Result<Option<Entry<File>>, ExtractError> {
        let entry = folder.next()?;
        Ok(entry.map(|entry| (entry.path, entry.content)))
    }

    fn upload(&self, name: &str, file: File, definition: &Definition) -> Result<(), Error> {
        let encoding = match definition.encoding {
            ContentEncoding::Identity => Encoding::Identity,
            ContentEncoding::Gzip => Encoding::Gzip,
        };
        let options = Options {
            content_type: definition.content_type.clone(),
            expires: definition.expires.as_ref().map(|time| time.text.clone()),
        };
        artifacts::upload(name, file, encoding, &options)
    }

    fn next_outcome(&self) -> Option<Outcome> {
        artifacts::next_outcome()
    }

    fn report_error(
        &self,
        name: &str,
        reason: &str,
        message: &str,
        expires: Option<&str>,
    ) -> Result<(), Error> {
        artifacts::report_error(name, reason, message, expires)
    }

    fn log(&self, level: Level, line: &str) {
        log::task(level, line);
    }
}
