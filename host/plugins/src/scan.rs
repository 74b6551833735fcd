//! A look at the plugin directory: which files are there, which of them are not known yet, and what comes of those.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    directory::{Directory, DirectoryError, ReadError, Stamps, Trust},
    loader::{Found, Outcome, Purpose},
    machine::{Machine, blocking},
    refusal::Refusal,
    report::PluginReport,
};

/// How often a file that somebody writes is looked at again, where a worker waits for it to begin.
const LOOKS: u32 = 10;
/// The time between two looks.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

/// What is known of one file.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) stamps: Stamps,
    /// Whether the same stamps will mean the same file.
    settled: bool,
    /// What lay beside it, if it could be read.
    signature: Option<Arc<[u8]>>,
    pub(crate) outcome: Outcome,
}

/// What is known of each file, by its name.
pub(crate) type Files = BTreeMap<String, Known>;

/// What is in the directory.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    directory: Arc<Directory>,
    /// What would keep the directory from being used, if it were looked at to load from it.
    problem: Option<Refusal>,
    pub(crate) files: BTreeMap<String, Stamps>,
}

impl Known {
    fn new(stamps: Stamps, signature: Option<Arc<[u8]>>, outcome: Outcome) -> Self {
        Self {
            stamps,
            settled: !outcome.is_passing() && stamps.are_settled(SystemTime::now()),
            signature,
            outcome,
        }
    }

    /// What is known of a file that can't be read.
    pub(crate) fn unread(file: &str, stamps: Stamps, problems: Vec<Refusal>) -> Self {
        Self::new(
            stamps,
            None,
            Outcome::not_admitted(PluginReport::new(file), problems),
        )
    }

    /// Whether a file that is listed with these stamps needs no other look.
    pub(crate) fn is(&self, stamps: &Stamps) -> bool {
        self.settled && self.stamps == *stamps
    }

    /// Whether anything that matters is different: not of a file that was only touched.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let face = |known: &Self| {
            let report = &known.outcome.report;
            (
                report.sha256.clone(),
                report.signature.clone(),
                report.verdict.clone(),
                report.problems.clone(),
            )
        };
        face(self) == face(other)
    }
}

impl Machine {
    /// Lists the plugin directory.
    pub(crate) async fn list(&self, purpose: Purpose) -> Result<Listing, DirectoryError> {
        let (path, trust) = (self.config().directory.clone(), self.trust());
        let listing = blocking(move || {
            let (directory, problem) = match Directory::open(&path, trust) {
                Ok(directory) => (directory, None),
                Err(error @ DirectoryError::Untrusted { .. }) if purpose == Purpose::Tell => {
                    (Directory::open(&path, Trust::NotNeeded)?, Some(error.into()))
                }
                Err(error) => return Err(error),
            };
            let files = directory.list()?;
            Ok(Listing {
                directory: Arc::new(directory),
                problem,
                files,
            })
        });
        let broken = |why| DirectoryError::Untrusted {
            path: self.config().directory.clone(),
            why,
        };
        listing.await.unwrap_or_else(|why| Err(broken(why)))
    }

    /// Loads every file of the plugin directory: those that the cache has at once, the others as fast as they can be
    /// compiled. What somebody writes just now is looked at again for a few seconds.
    ///
    /// # Cancel safety
    /// May be dropped; compilations under way are ended.
    pub(crate) async fn load_all(&self, purpose: Purpose) -> Result<Files, DirectoryError> {
        let mut files = Files::new();
        for look in 0.. {
            let listing = self.list(purpose).await?;
            files.retain(|file, _| listing.files.contains_key(file));
            let mut wanted = listing.files.clone();
            wanted.retain(|file, _| files.get(file).is_none_or(|known| known.outcome.is_of_motion()));
            files.extend(self.load_some(&listing, wanted, purpose).await);
            let moving: BTreeSet<&str> = files
                .iter()
                .filter(|(_, known)| known.outcome.is_of_motion())
                .map(|(file, _)| file.as_str())
                .collect();
            if moving.is_empty() || look >= LOOKS {
                break;
            }
            if look == 0 {
                tracing::info!(
                    ?moving,
                    "files in the plugin directory are being written, waiting for them"
                );
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Ok(files)
    }

    /// Loads some of the files that are listed.
    async fn load_some(
        &self,
        listing: &Listing,
        wanted: BTreeMap<String, Stamps>,
        purpose: Purpose,
    ) -> Files {
        let (mut files, mut found, mut traits) = (Files::new(), Vec::new(), BTreeMap::new());
        for (file, stamps) in wanted {
            match self.read(listing, &file, stamps, purpose).await {
                Ok(read) => {
                    traits.insert(file, (read.file.stamps, read.signature()));
                    found.push(read);
                }
                Err(known) => drop(files.insert(file, *known)),
            }
        }
        for outcome in self.load(found, purpose).await {
            let file = outcome.report.file.clone();
            if let Some((stamps, signature)) = traits.remove(&file) {
                files.insert(file, Known::new(stamps, signature, listing.warn(outcome)));
            }
        }
        files
    }

    /// Looks at one listed file again, of which `known` may be known. Where the bytes are still those, what came of them
    /// stands. None where it is not listed.
    ///
    /// # Cancel safety
    /// May be dropped; a compilation under way is ended.
    pub(crate) async fn take_up(
        &self,
        listing: Listing,
        file: String,
        known: Option<Known>,
    ) -> Option<Known> {
        let stamps = *listing.files.get(&file)?;
        let found = match self.read(&listing, &file, stamps, Purpose::Load).await {
            Ok(found) => found,
            Err(unread) => return Some(*unread),
        };
        let (stamps, signature) = (found.file.stamps, found.signature());
        if let Some(known) = known
            && known.stands_for(&found)
        {
            return Some(Known::new(stamps, signature, known.outcome));
        }
        let outcome = self.load(vec![found], Purpose::Load).await.pop()?;
        Some(Known::new(stamps, signature, listing.warn(outcome)))
    }

    /// Reads a listed file. An error is what is known of it then.
    async fn read(
        &self,
        listing: &Listing,
        file: &str,
        stamps: Stamps,
        purpose: Purpose,
    ) -> Result<Found, Box<Known>> {
        let (directory, name, trust) = (listing.directory.clone(), file.to_owned(), self.trust());
        let mut problems: Vec<Refusal> = listing.problem.iter().cloned().collect();
        let read = blocking(move || match directory.read(&name, trust) {
            Err(error @ (ReadError::Untrusted(_) | ReadError::Link)) if purpose == Purpose::Tell => {
                match directory.read_anyway(&name) {
                    Ok(file) => Ok((file, Some(error.into()))),
                    Err(_) => Err(error),
                }
            }
            read => read.map(|file| (file, None)),
        });
        let read = read.await.unwrap_or_else(|why| Err(ReadError::Os(why)));
        match read {
            Ok((file, problem)) => {
                problems.extend(problem);
                Ok(Found { file, problems })
            }
            Err(error) => {
                problems.push(error.into());
                Err(Box::new(Known::unread(file, stamps, problems)))
            }
        }
    }
}

impl Known {
    /// Whether a file that was read again has the bytes and the signature that it had, and what came of them stands.
    fn stands_for(&self, found: &Found) -> bool {
        let is_unreadable = found.file.signature.as_ref().is_some_and(Result::is_err);
        !self.outcome.is_passing()
            && self.outcome.report.sha256.as_ref() == Some(&found.file.sha256)
            && !is_unreadable
            && self.signature == found.signature()
    }
}

impl Found {
    fn signature(&self) -> Option<Arc<[u8]>> {
        self.file.signature.clone()?.ok()
    }
}

impl Listing {
    /// Adds what an operator should look into of the directory.
    fn warn(&self, mut outcome: Outcome) -> Outcome {
        outcome
            .report
            .warnings
            .extend(self.directory.warnings.iter().cloned());
        outcome
    }
}
