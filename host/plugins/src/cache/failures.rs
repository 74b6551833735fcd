//! What could not be compiled, remembered beside what could, so that it costs once, and not once for each start of a worker.
//!
//! A failure is the file `<key>.failed`, under the key that the compiled code would have. One that can't be read is none: the
//! component is compiled again.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use nix::libc;
use serde::{Deserialize, Serialize};

use super::{Cache, UNFINISHED};
use crate::compile::CompileError;

/// What failures end with.
const SUFFIX: &str = ".failed";
/// How many are kept. Beyond it the oldest go.
const MAX_FAILURES: usize = 1_000;
/// The longest that is read, in bytes: a compiler's message of 8 KiB, however it is escaped.
const MAX_BYTES: u64 = 64 << 10;
/// How long a failure counts that the machine may have had a part in.
const COUNTS_FOR: Duration = Duration::from_hours(24);

/// The failures that another try would not mend.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "why", content = "message")]
enum Failure {
    Invalid(String),
    TooLarge,
    Crashed(String),
    TooSlow,
}

impl Failure {
    /// None where it was not the component that failed, or may not have been.
    fn of(error: &CompileError) -> Option<Self> {
        Some(match error {
            CompileError::Invalid(message) => Self::Invalid(message.clone()),
            CompileError::TooLarge => Self::TooLarge,
            CompileError::Crashed(message) => Self::Crashed(message.clone()),
            CompileError::TooSlow => Self::TooSlow,
            CompileError::TimedOut | CompileError::Process { .. } => return None,
        })
    }

    /// Whether it would be the same on a machine with nothing else to do.
    fn is_certain(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::TooLarge => true,
            Self::Crashed(_) | Self::TooSlow => false,
        }
    }
}

impl From<Failure> for CompileError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Invalid(message) => Self::Invalid(message),
            Failure::TooLarge => Self::TooLarge,
            Failure::Crashed(message) => Self::Crashed(message),
            Failure::TooSlow => Self::TooSlow,
        }
    }
}

impl Cache {
    /// Why a component, whose hash is given, could not be compiled before; none where that is worth a try.
    pub(crate) fn failure(&self, sha256: &str) -> Option<CompileError> {
        let path = self.failure_path(sha256);
        match read(&path) {
            Ok((failure, age)) if failure.is_certain() || age < COUNTS_FOR => Some(failure.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // Too old, or broken.
            Ok(_) | Err(_) => {
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Remembers why a component could not be compiled. Where that fails it costs another try, and nothing else.
    pub(crate) fn remember(&self, sha256: &str, error: &CompileError) {
        let Some(failure) = Failure::of(error) else { return };
        if let Err(error) = self.write(&self.failure_path(sha256), &failure) {
            tracing::warn!(%error, "what can't be compiled can't be remembered");
        }
        self.forget_the_oldest();
    }

    fn write(&self, path: &Path, failure: &Failure) -> io::Result<()> {
        // Files of this kind are readable and writable by their owner only.
        let mut unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.directory)?;
        unfinished.write_all(&serde_json::to_vec(failure)?)?;
        unfinished.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    fn forget_the_oldest(&self) {
        let is_failure = |path: &PathBuf| path.to_string_lossy().ends_with(SUFFIX);
        let paths = self.entries().into_iter().map(|entry| entry.path);
        let mut failures: Vec<(SystemTime, PathBuf)> = paths
            .filter(is_failure)
            .filter_map(|path| Some((fs::symlink_metadata(&path).ok()?.modified().ok()?, path)))
            .collect();
        failures.sort();
        let excess = failures.len().saturating_sub(MAX_FAILURES);
        for (_, path) in failures.into_iter().take(excess) {
            let _ = fs::remove_file(path);
        }
    }

    fn failure_path(&self, sha256: &str) -> PathBuf {
        self.directory.join(format!("{}{SUFFIX}", self.key(sha256)))
    }
}

/// A failure, and how long ago it was.
fn read(path: &Path) -> io::Result<(Failure, Duration)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.len() > MAX_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    // One from the future is of a clock that was wrong.
    let age = SystemTime::now()
        .duration_since(found.modified()?)
        .unwrap_or(COUNTS_FOR);
    Ok((serde_json::from_slice(&bytes)?, age))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tempfile::TempDir;

    use super::*;
    use crate::engine;

    fn cache() -> (TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine::compiling_engine().unwrap();
        let cache = Cache::open(&folder.path().join("cache"), &engine).unwrap();
        (folder, cache)
    }

    #[test]
    fn a_component_that_is_not_valid_is_remembered_for_good_and_by_its_hash() {
        let (folder, cache) = cache();
        cache.remember("a", &CompileError::Invalid("bad".to_owned()));
        assert!(matches!(cache.failure("a"), Some(CompileError::Invalid(why)) if why == "bad"));
        assert!(cache.failure("b").is_none());
        age(&cache, "a");
        let again = Cache::open(&folder.path().join("cache"), &cache.engine).unwrap();
        assert!(again.failure("a").is_some());
    }

    #[test]
    fn what_the_machine_may_have_had_a_part_in_is_tried_again_after_a_day() {
        let (_folder, cache) = cache();
        for error in [CompileError::TooSlow, CompileError::Crashed("killed".to_owned())] {
            cache.remember("a", &error);
            assert!(cache.failure("a").is_some(), "{error}");
            age(&cache, "a");
            assert!(cache.failure("a").is_none(), "{error}");
        }
    }

    #[test]
    fn a_process_that_failed_says_nothing_of_the_component() {
        let (_folder, cache) = cache();
        cache.remember("a", &CompileError::TimedOut);
        assert!(cache.failure("a").is_none());
    }

    #[test]
    fn a_broken_note_is_none_and_is_removed() {
        let (_folder, cache) = cache();
        for broken in ["", "{}", "[1", &"x".repeat(100_000)] {
            fs::write(cache.failure_path("a"), broken).unwrap();
            assert!(cache.failure("a").is_none());
            assert!(!cache.failure_path("a").exists());
        }
    }

    #[test]
    fn the_oldest_of_too_many_are_forgotten() {
        let (_folder, cache) = cache();
        cache.remember("oldest", &CompileError::TooLarge);
        age(&cache, "oldest");
        for number in 0..MAX_FAILURES {
            let path = cache.failure_path(&number.to_string());
            fs::copy(cache.failure_path("oldest"), path).unwrap();
        }
        cache.remember("newest", &CompileError::TooLarge);
        assert!(cache.failure("oldest").is_none());
        assert!(cache.failure("newest").is_some());
    }

    fn age(cache: &Cache, sha256: &str) {
        let file = File::options()
            .write(true)
            .open(cache.failure_path(sha256))
            .unwrap();
        file.set_modified(SystemTime::now() - 2 * COUNTS_FOR).unwrap();
    }
}
