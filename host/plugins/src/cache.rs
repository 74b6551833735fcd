//! Compiled code on disk, so that a plugin is compiled once on a machine.
//!
//! An entry is the file `<key>.<digest>.cwasm`. The key is made of the component's bytes, of wasmtime's version and
//! settings and of the processor's features; the digest, of the compiled code, tells an entry that was cut short or
//! has decayed. Since what is in an entry is run as it is, the directory belongs to the worker alone, and so does each file.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    hash::{Hash as _, Hasher},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use nix::libc;
use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

use crate::directory::{DirectoryError, Trust, check_way, hex};

mod deserialize;
mod failures;

/// The most that all entries together may take, in bytes. Beyond it the ones that were not used for longest go.
const MAX_TOTAL: u64 = 1 << 30;
/// A file that was being written this long ago will not be finished.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);
/// What entries end with.
const SUFFIX: &str = ".cwasm";
/// What unfinished entries begin with.
const UNFINISHED: &str = ".unfinished-";

/// The directory of compiled code.
#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
    engine: Engine,
    /// Of all that a key depends on beside the component.
    environment: [u8; 32],
}

/// Why compiled code can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Somebody else could put code there.
    #[error("the cache of compiled plugins, {}, can't be trusted: {why}", .directory.display())]
    Untrusted {
        /// The directory.
        directory: PathBuf,
        /// Whose it is or who can write there.
        why: String,
    },
    /// Somebody else could replace the directory.
    #[error("the way to the cache of compiled plugins can't be trusted")]
    Way(#[from] DirectoryError),
    /// It begins with more memory, tables or instances than any plugin may have here. It was not kept.
    #[error("{0}")]
    DoesNotFit(String),
    /// The operating system says no.
    #[error("{} could not be {operation}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What was attempted.
        operation: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl Cache {
    /// Opens the directory, which is created if it is missing, and removes what predecessors left unfinished.
    pub(crate) fn open(directory: &Path, engine: &Engine) -> Result<Self, CacheError> {
        let io = |operation| {
            move |source| CacheError::Io {
                path: directory.to_owned(),
                operation,
                source,
            }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(io("created"))?;
        check_way(directory, Trust::Demanded)?;
        let found = fs::metadata(directory).map_err(io("checked"))?;
        let untrusted = |why: String| {
            Err(CacheError::Untrusted {
                directory: directory.to_owned(),
                why,
            })
        };
        if found.uid() != nix::unistd::geteuid().as_raw() {
            return untrusted(format!("it belongs to user {}, not to the worker's", found.uid()));
        }
        if found.mode() & 0o077 != 0 {
            return untrusted(
                "others than the worker's user have access to it (remove it: the worker makes it anew)"
                    .to_owned(),
            );
        }
        let cache = Self {
            directory: directory.to_owned(),
            engine: engine.clone(),
            environment: environment(engine),
        };
        cache.sweep();
        Ok(cache)
    }

    /// The compiled code of a component, whose hash is given; none where it must be compiled. A broken entry is removed.
    pub(crate) fn load(&self, sha256: &str) -> Option<Component> {
        let key = self.key(sha256);
        let (path, digest) = self.entries().into_iter().find_map(|entry| {
            let digest = entry
                .name
                .strip_prefix(&key)?
                .strip_prefix('.')?
                .strip_suffix(SUFFIX)?
                .to_owned();
            Some((entry.path, digest))
        })?;
        match self.check_and_load(&path, &digest) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), error, "an entry in the cache of compiled plugins is broken, compiling anew");
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Keeps compiled code, and gives it back loaded.
    pub(crate) fn store(&self, sha256: &str, compiled: &[u8]) -> Result<Component, CacheError> {
        let name = format!("{}.{}{SUFFIX}", self.key(sha256), hex(&Sha256::digest(compiled)));
        let path = self.directory.join(name);
        let io = |operation| {
            let path = path.clone();
            move |source| CacheError::Io {
                path,
                operation,
                source,
            }
        };
        // Files of this kind are readable and writable by their owner only.
        let mut unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.directory)
            .map_err(io("created"))?;
        unfinished.write_all(compiled).map_err(io("written"))?;
        unfinished
            .persist(&path)
            .map_err(|error| io("put in place")(error.error))?;
        self.prune(&path);
        deserialize::from_file(&self.engine, &path).map_err(|error| {
            let why = format!("{error:#}");
            // It has no type of its own: a test makes sure that the words are still these.
            if why.contains("pooling allocator") {
                let _ = fs::remove_file(&path);
                CacheError::DoesNotFit(why)
            } else {
                io("loaded")(io::Error::other(why))
            }
        })
    }

    fn check_and_load(&self, path: &Path, digest: &str) -> Result<Component, String> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)
            .map_err(|error| error.to_string())?;
        let found = file.metadata().map_err(|error| error.to_string())?;
        if !found.is_file() || found.uid() != nix::unistd::geteuid().as_raw() || found.mode() & 0o022 != 0 {
            return Err("it is not a file that only the worker can write".to_owned());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or_default());
        file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if hex(&Sha256::digest(&bytes)) != digest {
            return Err("its contents are not what was written".to_owned());
        }
        drop(bytes);
        touch(&file);
        deserialize::from_file(&self.engine, path).map_err(|error| format!("{error:#}"))
    }

    fn key(&self, sha256: &str) -> String {
        hex(&Sha256::new()
            .chain_update(self.environment)
            .chain_update(sha256)
            .finalize())
    }

    /// What there is, unfinished entries too. What can't be read is not there.
    fn entries(&self) -> Vec<Entry> {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return Vec::new();
        };
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry.ok()?;
            Some(Entry {
                path: entry.path(),
                name: entry.file_name().into_string().ok()?,
            })
        };
        entries.filter_map(entry).collect()
    }

    /// Removes what a killed worker was writing.
    fn sweep(&self) {
        let now = SystemTime::now();
        for entry in self
            .entries()
            .into_iter()
            .filter(|entry| entry.name.starts_with(UNFINISHED))
        {
            let modified = fs::symlink_metadata(&entry.path).and_then(|found| found.modified());
            if modified.is_ok_and(|modified| {
                now.duration_since(modified)
                    .is_ok_and(|age| age > ABANDONED_AFTER)
            }) {
                let _ = fs::remove_file(&entry.path);
            }
        }
    }

    /// Removes the entries that were not used for longest, until the rest is small enough; not the one that is just new.
    fn prune(&self, newest: &Path) {
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = self
            .entries()
            .into_iter()
            .filter(|entry| entry.name.ends_with(SUFFIX))
            .filter_map(|entry| {
                let found = fs::symlink_metadata(&entry.path).ok()?;
                Some((found.modified().ok()?, found.len(), entry.path))
            })
            .collect();
        let mut total: u64 = entries.iter().map(|(_, size, _)| size).sum();
        entries.sort();
        for (_, size, path) in entries {
            if total <= MAX_TOTAL {
                return;
            }
            if path != newest && fs::remove_file(&path).is_ok() {
                total -= size;
            }
        }
    }
}

/// One file of the directory.
struct Entry {
    path: PathBuf,
    name: String,
}

/// Marks an entry as used. Pruning is only a matter of tidiness, so a failure does not matter.
fn touch(file: &File) {
    let _ = file.set_modified(SystemTime::now());
}

/// Everything that compiled code depends on beside the component: wasmtime's version, its settings, the processor.
fn environment(engine: &Engine) -> [u8; 32] {
    let mut hasher = Digesting(Sha256::new_with_prefix(
        "taskcluster-worker cache of compiled plugins 1\0",
    ));
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// A hasher whose answer can't be made to collide.
struct Digesting(Sha256);

impl Hasher for Digesting {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Not used: the whole digest is taken.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests;
