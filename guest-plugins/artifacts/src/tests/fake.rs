//! A worker with a few files, which writes down what is asked of it.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
};

use plugin_sdk::{
    Error, HookError,
    artifacts::{Outcome, Uploaded},
    log::Level,
    results::ExtractError,
};
use serde_json::Value;

use super::{EXPIRES, listed};
use crate::{
    host::{Entry, Host},
    name::is_valid,
    payload::Definition,
    publish::Publisher,
};

/// What a walk answers next.
pub(crate) type Next = Result<Entry<()>, ExtractError>;

pub(crate) struct Fake {
    files: BTreeMap<&'static str, Result<(), ExtractError>>,
    folders: BTreeMap<&'static str, Vec<Next>>,
    /// What the queue says to an upload, by name.
    answers: BTreeMap<&'static str, Error>,
    /// What `upload` and `report-error` say at once, by name.
    refusals: BTreeMap<&'static str, Error>,
    pub(crate) commands_succeeded: bool,
    queued: RefCell<VecDeque<String>>,
    pub(crate) most_queued: Cell<usize>,
    /// `<name> <path> <encoding> <type> <expires>`
    pub(crate) uploads: RefCell<Vec<String>>,
    /// `<name> <reason>`
    pub(crate) errors: RefCell<Vec<String>>,
    pub(crate) log: RefCell<Vec<String>>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            folders: BTreeMap::new(),
            answers: BTreeMap::new(),
            refusals: BTreeMap::new(),
            commands_succeeded: true,
            queued: RefCell::default(),
            most_queued: Cell::default(),
            uploads: RefCell::default(),
            errors: RefCell::default(),
            log: RefCell::default(),
        }
    }

    pub(crate) fn file(mut self, path: &'static str) -> Self {
        self.files.insert(path, Ok(()));
        self
    }

    pub(crate) fn bad(mut self, path: &'static str, error: ExtractError) -> Self {
        self.files.insert(path, Err(error));
        self
    }

    pub(crate) fn folder(self, path: &'static str, entries: &[&str]) -> Self {
        let entries = entries
            .iter()
            .map(|entry| Ok(((*entry).to_owned(), Ok(()))))
            .collect();
        self.folder_of(path, entries)
    }

    pub(crate) fn folder_of(mut self, path: &'static str, entries: Vec<Next>) -> Self {
        self.folders.insert(path, entries);
        self
    }

    pub(crate) fn answering(mut self, name: &'static str, error: Error) -> Self {
        self.answers.insert(name, error);
        self
    }

    pub(crate) fn refusing(mut self, name: &'static str, error: Error) -> Self {
        self.refusals.insert(name, error);
        self
    }

    /// Publishes a payload's list; the log's names are `log` and `log/backing`.
    pub(crate) fn publish(&self, list: Value) -> Result<bool, HookError> {
        let reserved = ["log", "log/backing"].map(str::to_owned);
        Publisher::new(self, &reserved, EXPIRES).publish(&listed(list).unwrap())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let uploads = self.uploads.borrow();
        uploads
            .iter()
            .map(|upload| upload.split(' ').next().unwrap().to_owned())
            .collect()
    }

    /// The lines of the log of a level.
    pub(crate) fn lines(&self, level: Level) -> Vec<String> {
        let prefix = format!("{level:?} ");
        let log = self.log.borrow();
        log.iter()
            .filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
            .collect()
    }
}

impl Host for Fake {
    type File = ();
    type Folder = RefCell<VecDeque<Next>>;

    fn succeeded(&self) -> bool {
        self.commands_succeeded
    }

    fn file(&self, path: &str) -> Result<(), ExtractError> {
        if self.folders.contains_key(path) {
            return Err(ExtractError::WrongKind);
        }
        self.files
            .get(path)
            .cloned()
            .unwrap_or(Err(ExtractError::Missing))
    }

    fn folder(&self, path: &str) -> Result<Self::Folder, ExtractError> {
        if let Some(Err(error)) = self.files.get(path) {
            return Err(error.clone());
        }
        if self.files.contains_key(path) {
            return Err(ExtractError::WrongKind);
        }
        let entries = self.folders.get(path).cloned().ok_or(ExtractError::Missing)?;
        Ok(RefCell::new(entries.into()))
    }

    fn next(&self, folder: &Self::Folder) -> Result<Option<Entry<()>>, ExtractError> {
        folder.borrow_mut().pop_front().transpose()
    }

    fn upload(&self, name: &str, (): (), definition: &Definition) -> Result<(), Error> {
        if let Some(error) = self.refusals.get(name) {
            return Err(error.clone());
        }
        let Definition {
            path,
            content_type,
            encoding,
            expires,
        } = definition;
        let expires = expires.as_ref().map_or("-", |time| &time.text);
        let upload = format!("{name} {path} {} {content_type} {expires}", encoding.name());
        self.uploads.borrow_mut().push(upload);
        self.queued.borrow_mut().push_back(name.to_owned());
        self.most_queued
            .set(self.most_queued.get().max(self.queued.borrow().len()));
        Ok(())
    }

    fn next_outcome(&self) -> Option<Outcome> {
        let name = self.queued.borrow_mut().pop_front()?;
        let uploaded = match self.answers.get(name.as_str()) {
            Some(error) => Err(error.clone()),
            None => Ok(Uploaded {
                size: 1,
                sha256: String::new(),
            }),
        };
        Some(Outcome { name, uploaded })
    }

    fn report_error(&self, name: &str, reason: &str, message: &str, _: Option<&str>) -> Result<(), Error> {
        if let Some(error) = self.refusals.get(name) {
            return Err(error.clone());
        }
        // As the host is.
        if !is_valid(name) || message.len() > 1024 {
            return Err(Error::Invalid(format!(
                "{name:?} or {message:?} is not acceptable"
            )));
        }
        self.errors.borrow_mut().push(format!("{name} {reason}"));
        Ok(())
    }

    fn log(&self, level: Level, line: &str) {
        self.log.borrow_mut().push(format!("{level:?} {line}"));
    }
}
