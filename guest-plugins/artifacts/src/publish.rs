//! Publishes what a task wants to be published, and judges the task by what came of it.
//!
//! Three things can go wrong, and each means something else. A file that can't be had, or a name that no artifact can have,
//! is the task's failure: it gets an error artifact in its place. A contradiction is the author's: the payload is malformed.
//! A queue or a storage that does not answer is nobody's: the resource is unavailable. Of an artifact that is optional all of
//! these are only warnings.

use std::collections::BTreeMap;

use plugin_sdk::{Error, HookError, artifacts::Outcome, log::Level, results::ExtractError};

use crate::{
    host::Host,
    name,
    payload::{Definition, Kind, Need, Wanted, add_line},
    table::{Fate, RowId, Table},
};

/// How many uploads are queued before one is heard of: enough to keep the host busy, few enough to stop soon where the
/// storage is down.
const QUEUED: usize = 32;
/// How many contradictions are told.
const TOLD: usize = 50;
/// How many lines and bytes are said of artifacts one by one: the table at the end is to find room in what a plugin may write.
const SAID: (usize, usize) = (5000, 2 << 20);
/// The longest message that the host takes for an error artifact, in bytes: long names are in messages too.
const MAX_MESSAGE: usize = 1024;

const MISSING: &str = "file-missing-on-worker";
const INVALID: &str = "invalid-resource-on-worker";
const NOT_READABLE: &str = "file-not-readable-on-worker";
const TOO_LARGE: &str = "too-large-file-on-worker";

/// The publishing of one task's artifacts.
#[derive(Debug)]
pub(crate) struct Publisher<'a, H> {
    host: &'a H,
    reserved: &'a [String],
    task_expires: &'a str,
    /// By name.
    published: BTreeMap<String, Published>,
    table: Table,
    queued: usize,
    /// Whether it makes no sense to go on.
    over: bool,
    verdict: Verdict,
    /// Lines and bytes that may still be said.
    left: (usize, usize),
}

/// What a name was given to.
#[derive(Debug)]
enum Published {
    File(Definition, Need, RowId),
    Error,
}

/// What is to be said of the task. The worst is said, from the last to the first.
#[derive(Debug, Default)]
struct Verdict {
    failed: bool,
    /// A line each.
    malformed: String,
    contradictions: usize,
    unavailable: Option<String>,
    internal: Option<String>,
}

impl Verdict {
    fn answer(self) -> Result<bool, HookError> {
        if let Some(message) = self.internal {
            Err(HookError::Internal(message))
        } else if let Some(message) = self.unavailable {
            Err(HookError::ResourceUnavailable(message))
        } else if !self.malformed.is_empty() {
            Err(HookError::MalformedPayload(self.malformed))
        } else {
            Ok(!self.failed)
        }
    }
}

/// Why there is no artifact, as the queue is told.
struct Reason {
    word: &'static str,
    message: String,
}

impl<'a, H: Host> Publisher<'a, H> {
    /// Nothing is published yet. `task_expires` is when artifacts expire that say nothing of it.
    pub(crate) fn new(host: &'a H, reserved: &'a [String], task_expires: &'a str) -> Self {
        Self {
            host,
            reserved,
            task_expires,
            published: BTreeMap::new(),
            table: Table::default(),
            queued: 0,
            over: false,
            verdict: Verdict::default(),
            left: SAID,
        }
    }

    /// Publishes all of it, and answers whether the task may succeed.
    pub(crate) fn publish(mut self, all: &[Wanted]) -> Result<bool, HookError> {
        for wanted in all {
            if self.over {
                break;
            }
            match wanted.kind {
                Kind::File => self.file(wanted),
                Kind::Directory => self.directory(wanted),
            }
        }
        while let Some(outcome) = self.host.next_outcome() {
            self.settle(outcome);
        }
        self.table.write(self.host);
        self.verdict.answer()
    }

    /// Says something of one artifact.
    fn say(&mut self, level: Level, line: &str) {
        let (lines, bytes) = &mut self.left;
        if *lines == 0 {
            return;
        }
        *lines -= 1;
        match bytes.checked_sub(line.len()) {
            Some(left) if *lines > 0 => {
                *bytes = left;
                self.host.log(level, line);
            }
            Some(_) | None => {
                *lines = 0;
                self.host.log(
                    Level::Info,
                    "Nothing more is said of single artifacts but in the table at the end",
                );
            }
        }
    }

    fn file(&mut self, wanted: &Wanted) {
        if self.is_reserved(&wanted.name) {
            return;
        }
        match self.host.file(&wanted.path) {
            Ok(file) => self.upload(wanted, "", &wanted.name, file),
            Err(error) => self.no_such(wanted, error),
        }
    }

    fn directory(&mut self, wanted: &Wanted) {
        let folder = match self.host.folder(&wanted.path) {
            Ok(folder) => folder,
            Err(error) => return self.no_such(wanted, error),
        };
        while !self.over {
            match self.host.next(&folder) {
                Ok(Some((path, file))) => self.below(wanted, &path, file),
                Ok(None) => break,
                Err(error) => return self.no_such(wanted, error),
            }
        }
    }

    /// A file below a directory that is wanted.
    fn below(&mut self, wanted: &Wanted, path: &str, file: Result<H::File, ExtractError>) {
        let name = name::join(&wanted.name, path);
        if self.is_reserved(&name) {
            return;
        }
        match file {
            Ok(file) => self.upload(wanted, path, &name, file),
            Err(error) => {
                let path = name::join(&wanted.path, path);
                match reason(Kind::File, &format!("'{path}'"), error) {
                    Ok(reason) => self.instead(wanted, &name, reason),
                    Err(error) => self.not_begun(&name, wanted.need, error),
                }
            }
        }
    }

    fn is_reserved(&mut self, name: &str) -> bool {
        let reserved = self.reserved.iter().any(|reserved| reserved == name);
        if reserved {
            self.say(
                Level::Warn,
                &format!("Not uploading artifact {name} of task.payload.artifacts: the worker publishes another of this name"),
            );
            let row = self.table.add(name, None);
            self.table.set(row, Fate::LeftOut);
        }
        reserved
    }

    /// Queues the upload of a file: what is wanted, or what is `below` it.
    fn upload(&mut self, wanted: &Wanted, below: &str, name: &str, file: H::File) {
        let definition = wanted.definition(below, name);
        if !name::is_valid(name) {
            let message = format!(
                "'{}' can't be published as {name:?}: a name is printable ASCII, at most 1024 characters",
                definition.path
            );
            return self.instead(
                wanted,
                name,
                Reason {
                    word: INVALID,
                    message,
                },
            );
        }
        match self.published.get(name) {
            Some(Published::File(former, ..)) if *former == definition => return,
            Some(Published::File(..) | Published::Error) => {
                let why = format!(
                    "'{}' is not what was published under this name before",
                    definition.path
                );
                return self.not_begun(name, wanted.need, Error::Conflict(why));
            }
            None => {}
        }
        let expires = definition
            .expires
            .as_ref()
            .map_or(self.task_expires, |time| &time.text);
        let line = format!(
            "Uploading artifact {name} from file {} with content encoding \"{}\", mime type \"{}\" and expiry {}",
            definition.path,
            definition.encoding.name(),
            definition.content_type,
            expires,
        );
        self.say(Level::Info, &line);
        let row = self.table.add(name, Some(definition.encoding));
        match self.host.upload(name, file, &definition) {
            Ok(()) => self.queued += 1,
            Err(error) => return self.refused(row, name, wanted.need, error),
        }
        self.published
            .insert(name.to_owned(), Published::File(definition, wanted.need, row));
        if self.queued >= QUEUED
            && let Some(outcome) = self.host.next_outcome()
        {
            self.settle(outcome);
        }
    }

    /// Takes in what became of an upload.
    fn settle(&mut self, outcome: Outcome) {
        self.queued = self.queued.saturating_sub(1);
        let Some(Published::File(_, need, row)) = self.published.get(&outcome.name) else {
            return;
        };
        let (need, row) = (*need, *row);
        match outcome.uploaded {
            Ok(uploaded) => self.table.set(row, Fate::Uploaded(uploaded.size)),
            Err(error) => self.refused(row, &outcome.name, need, error),
        }
    }

    /// What is wanted can't be had.
    fn no_such(&mut self, wanted: &Wanted, error: ExtractError) {
        let path = format!("'{}'", wanted.path);
        match reason(wanted.kind, &path, error) {
            Ok(reason) => self.instead(wanted, &wanted.name, reason),
            Err(error) => self.not_begun(&wanted.name, wanted.need, error),
        }
    }

    /// Publishes why there is no artifact of a name.
    fn instead(&mut self, wanted: &Wanted, name: &str, reason: Reason) {
        let Reason { word, message } = reason;
        let row = self.table.add(name, None);
        let why = format!("{word}: {message}");
        let valid = name::made_valid(name);
        let place = if valid == name {
            String::new()
        } else {
            format!(" (published as {valid})")
        };
        match wanted.need {
            Need::Optional => {
                self.say(
                    Level::Warn,
                    &format!("An optional artifact is missing: {why}{place}"),
                );
                self.table.set(row, Fate::Missing(why));
            }
            Need::Required => {
                // Where the commands have failed, this is most likely a consequence.
                let level = if self.host.succeeded() {
                    Level::Error
                } else {
                    Level::Warn
                };
                self.say(
                    level,
                    &format!("TASK FAILURE during artifact upload: {why}{place}"),
                );
                self.table.set(row, Fate::Failed(why));
                self.verdict.failed = true;
            }
        }
        if self.published.contains_key(&valid) {
            return;
        }
        let expires = wanted.expires.as_ref().map(|time| time.text.as_str());
        match self
            .host
            .report_error(&valid, word, name::cut(&message, MAX_MESSAGE), expires)
        {
            Ok(()) => {
                self.published.insert(valid, Published::Error);
            }
            Err(error) => self.refused(row, &valid, wanted.need, error),
        }
    }

    /// The host does not even begin to do what it was asked to.
    fn not_begun(&mut self, name: &str, need: Need, error: Error) {
        let row = self.table.add(name, None);
        self.refused(row, name, need, error);
    }

    /// The host does not do what it was asked to.
    fn refused(&mut self, row: RowId, name: &str, need: Need, error: Error) {
        let why = error.message().to_owned();
        self.table.set(
            row,
            match need {
                Need::Optional => Fate::Missing(why),
                Need::Required => Fate::Failed(why),
            },
        );
        match (&error, need) {
            (Error::Cancelled, _) => {
                self.over = true;
                self.verdict.failed = true;
            }
            // It will be the same for all that follow, optional or not.
            (Error::Limit(why), _) => {
                self.over = true;
                self.verdict.failed = true;
                self.host.log(
                    Level::Error,
                    &format!("Artifact {name} and those after it are not published: {why}"),
                );
            }
            (error, Need::Optional) => {
                let why = error.message();
                self.say(
                    Level::Warn,
                    &format!("The optional artifact {name} is not published: {why}"),
                );
            }
            // A name that no artifact can have, or that the operator lets no task have.
            (Error::Invalid(why) | Error::Denied(why), Need::Required) => {
                self.verdict.failed = true;
                self.say(Level::Error, &format!("Artifact {name} is not published: {why}"));
            }
            (Error::Conflict(why), Need::Required) => {
                self.verdict.contradictions += 1;
                if self.verdict.contradictions <= TOLD {
                    let line =
                        format!("artifact {name} can't be published twice with different content: {why}");
                    add_line(&mut self.verdict.malformed, &line);
                }
            }
            (Error::Unavailable(why), Need::Required) => {
                self.over = true;
                self.verdict.unavailable.get_or_insert_with(|| why.clone());
            }
            (error, Need::Required) => {
                let why = error.message();
                self.verdict
                    .internal
                    .get_or_insert_with(|| format!("artifact {name}: {why}"));
            }
        }
    }
}

/// Why there is no artifact of what should be at a path; or, where that is no fault of the task's, the error.
fn reason(kind: Kind, path: &str, error: ExtractError) -> Result<Reason, Error> {
    let kind = kind.name();
    let (word, message) = match error {
        ExtractError::Missing => (MISSING, format!("there is no {kind} at {path}")),
        ExtractError::WrongKind => (INVALID, format!("{path} is there and is not a {kind}")),
        ExtractError::NotReadable => (NOT_READABLE, format!("{path} can't be read")),
        ExtractError::TooLarge => (
            TOO_LARGE,
            format!("{path} is larger than what may be published here"),
        ),
        ExtractError::Refused(Error::Invalid(why)) => (INVALID, format!("{path} can't be published: {why}")),
        // One call took too long.
        ExtractError::Refused(Error::Limit(why)) => (NOT_READABLE, format!("{path} can't be read: {why}")),
        ExtractError::Refused(error) => return Err(error),
    };
    Ok(Reason { word, message })
}
