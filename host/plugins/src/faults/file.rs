//! The file in a worker's directory that keeps what is known of plugins across restarts: their faults, and what their hooks
//! have cost. It is replaced in one step.
//!
//! Only the worker writes it. Whoever wants a plugin released puts an empty file, named by the plugin's hash, into the folder
//! beside it: so there is nothing that two processes could write at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use super::{Entry, Fault, Ledger};
use crate::statistics::{HookStatistics, PluginIdentity, PluginStatistics};

/// The version of the format.
const VERSION: u32 = 1;
/// A file that is larger is none of ours.
const MAX_BYTES: u64 = 8 << 20;
/// The folder beside the file, in which there is a file for each plugin that is to be released.
const RELEASES: &str = "plugin-releases";
/// What the file is called that takes its place.
const NEW: &str = "new";
/// What a file is called that could not be read.
const SET_ASIDE: &str = "broken";

/// What is kept of one version of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PluginRecord {
    /// Of its file's bytes, hexadecimal.
    pub sha256: String,
    /// What it calls itself.
    pub name: String,
    /// The version that it says it is.
    pub version: String,
    /// When it broke, as far as that still counts.
    pub faults: Vec<DateTime<Utc>>,
    /// How it broke the last time.
    pub last_fault: Option<Fault>,
    /// Since when it is in quarantine.
    pub quarantined: Option<DateTime<Utc>>,
    /// What its hooks have cost since the worker began, by name.
    pub hooks: BTreeMap<String, HookStatistics>,
}

/// The whole file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Book {
    version: u32,
    plugins: Vec<PluginRecord>,
}

/// Why the file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The operating system does not give it.
    #[error("{path} can't be read", path = path.display())]
    Read {
        /// The file, or the folder beside it.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is there, and makes no sense.
    #[error("{path} is not what a worker wrote: {why}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Why a plugin can't be released.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// What is known of it can't be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// It has done nothing.
    #[error("no faults are known of a plugin {0}")]
    NoFaults(String),
    /// The worker can't be told.
    #[error("{path} can't be written", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// What a worker has written of its plugins; nothing where it has not written. What is about to be released has no faults.
///
/// # Errors
/// When the file is there and can't be used.
pub fn plugin_records(file: &Path) -> Result<Vec<PluginRecord>, RecordsError> {
    let mut records = read(file)?;
    let released = releases(file)?;
    for record in records
        .iter_mut()
        .filter(|record| released.contains(&record.sha256))
    {
        record.faults.clear();
        record.last_fault = None;
        record.quarantined = None;
    }
    Ok(records)
}

/// Lets a plugin back into service. Answers the hashes of which faults are forgotten: a running worker takes a few seconds to
/// notice, another one does it when it starts.
///
/// # Errors
/// When nothing is known against the plugin, or the worker's directory can't be used.
pub fn release_plugin(file: &Path, name: &str) -> Result<Vec<String>, ReleaseError> {
    let guilty = plugin_records(file)?
        .into_iter()
        .filter(|record| record.name == name && record.last_fault.is_some());
    let hashes: Vec<String> = guilty.map(|record| record.sha256).collect();
    if hashes.is_empty() {
        return Err(ReleaseError::NoFaults(name.to_owned()));
    }
    for sha256 in &hashes {
        let path = releases_folder(file).join(sha256);
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        match made {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(ReleaseError::Write { path, source }),
        }
    }
    Ok(hashes)
}

/// The faults that are kept in a file, without those that are to be released. A file that makes no sense is set aside.
pub(super) fn load(file: &Path) -> Ledger {
    let folder = releases_folder(file);
    if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&folder) {
        tracing::warn!(path = %folder.display(), %error, "plugins can't be released from quarantine there");
    }
    match plugin_records(file) {
        Ok(records) => Ledger::of(records.into_iter().filter_map(entry)),
        Err(error @ RecordsError::Read { .. }) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the faults of plugins are forgotten"
            );
            Ledger::default()
        }
        Err(RecordsError::Damaged { path, why }) => {
            let aside = path.with_extension(SET_ASIDE);
            let moved = fs::rename(&path, &aside);
            tracing::warn!(
                path = %path.display(),
                why,
                aside = %aside.display(),
                error = moved.err().map(tracing::field::display),
                "the faults of plugins are forgotten: the file that keeps them makes no sense, and is set aside"
            );
            Ledger::default()
        }
    }
}

/// The text of the file.
pub(super) fn text(ledger: &Ledger, statistics: &[PluginStatistics]) -> String {
    let mut records: BTreeMap<PluginIdentity, PluginRecord> = BTreeMap::new();
    let blank = |plugin: &PluginIdentity| PluginRecord {
        sha256: plugin.sha256.to_string(),
        name: plugin.name.to_string(),
        version: plugin.version.to_string(),
        faults: Vec::new(),
        last_fault: None,
        quarantined: None,
        hooks: BTreeMap::new(),
    };
    for entry in ledger.entries() {
        let record = records
            .entry(entry.plugin.clone())
            .or_insert_with(|| blank(&entry.plugin));
        record.faults = entry.times.iter().copied().collect();
        record.last_fault = Some(entry.last.clone());
        record.quarantined = entry.quarantined;
    }
    for PluginStatistics { plugin, hooks } in statistics {
        let record = records.entry(plugin.clone()).or_insert_with(|| blank(plugin));
        record.hooks = hooks
            .iter()
            .map(|(hook, read)| ((*hook).to_owned(), *read))
            .collect();
    }
    let book = Book {
        version: VERSION,
        plugins: records.into_values().collect(),
    };
    // Maps of text, numbers and text: that can't fail.
    serde_json::to_string_pretty(&book).unwrap_or_default()
}

/// Replaces the file in one step. What a crash leaves of the new one is written over the next time.
pub(super) fn write(file: &Path, text: &str) -> io::Result<()> {
    let path = file.with_extension(NEW);
    let mut new = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(&path)?;
    new.write_all(text.as_bytes())?;
    new.sync_data()?;
    fs::rename(path, file)
}

/// The hashes of the plugins that are to be released.
pub(super) fn releases(file: &Path) -> Result<BTreeSet<String>, RecordsError> {
    let path = releases_folder(file);
    let names = |entries: fs::ReadDir| {
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<BTreeSet<String>>>()
    };
    match fs::read_dir(&path).and_then(names) {
        Ok(hashes) => Ok(hashes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(source) => Err(RecordsError::Read { path, source }),
    }
}

/// Forgets that a plugin was to be released, once that is done and kept.
pub(super) fn remove_release(file: &Path, sha256: &str) {
    let path = releases_folder(file).join(sha256);
    if let Err(error) = fs::remove_file(&path) {
        tracing::warn!(path = %path.display(), %error, "a file that asks for a plugin's release can't be removed");
    }
}

fn releases_folder(file: &Path) -> PathBuf {
    file.with_file_name(RELEASES)
}

/// What is in the file.
fn read(file: &Path) -> Result<Vec<PluginRecord>, RecordsError> {
    let unreadable = |source| RecordsError::Read {
        path: file.to_owned(),
        source,
    };
    let damaged = |why: String| RecordsError::Damaged {
        path: file.to_owned(),
        why,
    };
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(file);
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => {
            return Err(damaged("it is a link".to_owned()));
        }
        Err(error) => return Err(unreadable(error)),
    };
    if !opened.metadata().map_err(unreadable)?.is_file() {
        return Err(damaged("it is no file".to_owned()));
    }
    let mut bytes = Vec::new();
    opened
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(damaged(format!("it has more than {MAX_BYTES} bytes")));
    }
    let book: Book = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if book.version != VERSION {
        return Err(damaged(format!("its version is {}", book.version)));
    }
    let is_hash = |hash: &str| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    match book.plugins.iter().find(|record| !is_hash(&record.sha256)) {
        Some(record) => Err(damaged(format!("{:?} is no hash", record.sha256))),
        None => Ok(book.plugins),
    }
}

/// The faults of a record, where it has any.
fn entry(record: PluginRecord) -> Option<Entry> {
    Some(Entry {
        last: record.last_fault?,
        plugin: PluginIdentity {
            name: Arc::from(record.name),
            version: Arc::from(record.version),
            sha256: Arc::from(record.sha256),
        },
        times: record.faults.into(),
        quarantined: record.quarantined,
    })
}
