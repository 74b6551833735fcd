//! The files below a folder, one after the other.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    os::{fd::AsFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use engine_api::{Content, ExtractError, FolderEntry, FolderWalk};
use nix::dir::{Dir, OwningIter};

use super::{
    beneath::{self, Found, Kind},
    content::{TaskFile, Terms},
    locate::Located,
};

/// How deep folders are walked into: each level holds two descriptors open.
const DEPTH: usize = 128;

/// How many entries are looked up at once, so that not each of them costs a change of threads.
const BATCH: usize = 64;

/// How many are looked at for them, folders among them, before somebody may end the walk.
const LOOKED_AT: usize = 4096;

/// A walk. Dropping it half way releases all that it holds.
pub(crate) struct Walk {
    /// What was found and not yet asked for.
    ready: VecDeque<FolderEntry>,
    /// None once it is over, and while a batch is being looked up.
    walker: Option<Walker>,
}

struct Walker {
    place: Located,
    terms: Terms,
    levels: Vec<Level>,
}

/// A folder that is being listed.
struct Level {
    /// Relative to the folder that is walked.
    path: PathBuf,
    entries: OwningIter,
    /// To look entries up in.
    folder: Found,
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk")
            .field("ready", &self.ready.len())
            .finish_non_exhaustive()
    }
}

impl Walk {
    /// Begins a walk of the folder that was found at a place.
    pub(crate) fn begin(place: Located, found: Found, terms: Terms) -> Result<Self, ExtractError> {
        match found.kind() {
            Kind::Folder => {}
            Kind::File => return Err(ExtractError::WrongKind("a file")),
            Kind::Link => return Err(ExtractError::WrongKind("a link")),
            Kind::Other(kind) => return Err(ExtractError::WrongKind(kind)),
        }
        let levels = vec![Level::open(PathBuf::new(), found)?];
        Ok(Self {
            ready: VecDeque::new(),
            walker: Some(Walker { place, terms, levels }),
        })
    }
}

#[async_trait]
impl FolderWalk for Walk {
    async fn next(&mut self) -> Result<Option<FolderEntry>, ExtractError> {
        while self.ready.is_empty()
            && let Some(mut walker) = self.walker.take()
        {
            let batch = tokio::task::spawn_blocking(move || {
                let batch = walker.batch();
                (batch, walker)
            });
            let (batch, walker) = batch
                .await
                .map_err(|error| ExtractError::NotReadable(error.to_string()))?;
            self.ready = batch?;
            if !walker.levels.is_empty() {
                self.walker = Some(walker);
            }
        }
        Ok(self.ready.pop_front())
    }
}

impl Walker {
    /// The next entries, of which there may be none yet. The walk is over when there are no levels left.
    fn batch(&mut self) -> Result<VecDeque<FolderEntry>, ExtractError> {
        let mut batch = VecDeque::new();
        for _ in 0..LOOKED_AT {
            if batch.len() >= BATCH {
                break;
            }
            if self.terms.is_over() {
                return Err(ExtractError::NotReadable("the run was disposed of".to_owned()));
            }
            let Some(level) = self.levels.last_mut() else {
                break;
            };
            let Some(entry) = level.entries.next() else {
                self.levels.pop();
                continue;
            };
            let entry = entry.map_err(|error| ExtractError::NotReadable(error.to_string()))?;
            let name = Path::new(OsStr::from_bytes(entry.file_name().to_bytes()));
            if name == Path::new(".") || name == Path::new("..") {
                continue;
            }
            let path = level.path.join(name);
            let found = beneath::entry(level.folder.as_fd(), name);
            batch.extend(self.entry(path, found));
        }
        Ok(batch)
    }

    /// What is to be said of an entry. Nothing of folders, which are walked into, and of links to folders, which are not.
    fn entry(&mut self, path: PathBuf, found: Result<Found, ExtractError>) -> Option<FolderEntry> {
        let Some(name) = path.to_str().map(str::to_owned) else {
            let refused = ExtractError::Refused("its name is no UTF-8".to_owned());
            return Some(FolderEntry {
                path: path.to_string_lossy().into_owned(),
                content: Err(refused),
            });
        };
        let content = match found {
            Ok(found) if found.kind() == Kind::Folder => match self.descend(path, found) {
                Ok(()) => return None,
                Err(error) => Err(error),
            },
            Ok(found) if found.kind() == Kind::Link => self.follow(&path)?,
            Ok(found) => self.content(&path, &found),
            Err(error) => Err(error),
        };
        Some(FolderEntry { path: name, content })
    }

    fn descend(&mut self, path: PathBuf, folder: Found) -> Result<(), ExtractError> {
        if self.levels.len() >= DEPTH {
            return Err(ExtractError::Refused(format!(
                "it is nested deeper than {DEPTH} folders"
            )));
        }
        self.levels.push(Level::open(path, folder)?);
        Ok(())
    }

    /// The file that a link leads to, as if it were there.
    fn follow(&self, path: &Path) -> Option<Result<Arc<dyn Content>, ExtractError>> {
        match beneath::find(self.place.root.as_fd(), &self.place.path.join(path)) {
            Ok(found) if found.kind() == Kind::Folder => None,
            Ok(found) => Some(self.content(path, &found)),
            Err(error) => Some(Err(error)),
        }
    }

    fn content(&self, path: &Path, found: &Found) -> Result<Arc<dyn Content>, ExtractError> {
        let place = Located {
            root: Arc::clone(&self.place.root),
            path: self.place.path.join(path),
        };
        Ok(TaskFile::new(place, found, self.terms.clone())?)
    }
}

impl Level {
    fn open(path: PathBuf, folder: Found) -> Result<Self, ExtractError> {
        let listed = folder
            .open()
            .map_err(|error| ExtractError::NotReadable(error.to_string()))?;
        let entries =
            Dir::from_fd(listed.into()).map_err(|error| ExtractError::NotReadable(error.to_string()))?;
        Ok(Self {
            path,
            entries: entries.into_iter(),
            folder,
        })
    }
}
