//! What a sandbox left behind: files in memory.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use engine_api::{
    BytesContent, Content, ContentReader, DisposeError, ExtractError, FolderEntry, FolderWalk, ResultSet,
};

use crate::{
    Call,
    payload::{DisposeFault, ExtractFault, Fault, Faults},
    record::Held,
};

/// What a sandbox left, by path. A path is compared as it was written: there is no `.`, `..` or link here.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) files: BTreeMap<String, Arc<BytesContent>>,
    pub(crate) endless_folders: BTreeSet<String>,
}

#[derive(Debug)]
pub(crate) struct MockResultSet {
    exit_code: Option<i32>,
    left: Left,
    extract_fault: Option<Fault<ExtractFault>>,
    dispose_fault: Option<Fault<DisposeFault>>,
    disposed: Arc<AtomicBool>,
    held: Held,
}

/// Content that is gone with its result set.
#[derive(Debug)]
struct MockContent {
    bytes: Arc<BytesContent>,
    disposed: Arc<AtomicBool>,
}

#[derive(Debug)]
struct MockWalk(VecDeque<FolderEntry>);

/// A walk through a folder without end.
#[derive(Debug)]
struct EndlessWalk(Arc<dyn Content>);

impl MockResultSet {
    pub(crate) fn new(exit_code: Option<i32>, left: Left, faults: &Faults, held: Held) -> Self {
        Self {
            exit_code,
            left,
            extract_fault: faults.extract.clone(),
            dispose_fault: faults.dispose.clone(),
            disposed: Arc::default(),
            held,
        }
    }

    fn below(&self, folder: &str) -> impl Iterator<Item = (&str, &Arc<BytesContent>)> {
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        self.left
            .files
            .iter()
            .filter_map(move |(path, bytes)| Some((path.strip_prefix(&prefix)?, bytes)))
    }

    fn content(&self, bytes: &Arc<BytesContent>) -> Arc<dyn Content> {
        Arc::new(MockContent {
            bytes: Arc::clone(bytes),
            disposed: Arc::clone(&self.disposed),
        })
    }
}

#[async_trait]
impl ResultSet for MockResultSet {
    fn success(&self) -> bool {
        self.exit_code == Some(0)
    }

    fn exit_code(&self) -> Option<i32> {
        self.exit_code
    }

    async fn extract_file(&self, path: &str) -> Result<Arc<dyn Content>, ExtractError> {
        if let Some(fault) = &self.extract_fault {
            fault.strike("extract_file").await?;
        }
        match self.left.files.get(path) {
            Some(bytes) => Ok(self.content(bytes)),
            None if self.below(path).next().is_some() => Err(ExtractError::WrongKind("a folder")),
            None => Err(ExtractError::Missing),
        }
    }

    async fn extract_folder(&self, path: &str) -> Result<Box<dyn FolderWalk>, ExtractError> {
        if let Some(fault) = &self.extract_fault {
            fault.strike("extract_folder").await?;
        }
        if self.left.endless_folders.contains(path) {
            return Ok(Box::new(EndlessWalk(self.content(&BytesContent::new("")))));
        }
        if self.left.files.contains_key(path) {
            return Err(ExtractError::WrongKind("a file"));
        }
        let entries: VecDeque<_> = self
            .below(path)
            .map(|(path, bytes)| FolderEntry {
                path: path.to_owned(),
                content: Ok(self.content(bytes)),
            })
            .collect();
        if entries.is_empty() {
            Err(ExtractError::Missing)
        } else {
            Ok(Box::new(MockWalk(entries)))
        }
    }

    async fn dispose(&self) -> Result<(), DisposeError> {
        self.held.call(Call::Dispose);
        if let Some(fault) = &self.dispose_fault {
            fault.strike("dispose").await?;
        }
        self.disposed.store(true, Ordering::Release);
        self.held.release();
        Ok(())
    }
}

#[async_trait]
impl Content for MockContent {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    async fn open(&self) -> io::Result<ContentReader> {
        if self.disposed.load(Ordering::Acquire) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the run was disposed of"));
        }
        self.bytes.open().await
    }
}

#[async_trait]
impl FolderWalk for MockWalk {
    async fn next(&mut self) -> Result<Option<FolderEntry>, ExtractError> {
        Ok(self.0.pop_front())
    }
}

#[async_trait]
impl FolderWalk for EndlessWalk {
    async fn next(&mut self) -> Result<Option<FolderEntry>, ExtractError> {
        Ok(Some(FolderEntry {
            path: "again".to_owned(),
            content: Ok(Arc::clone(&self.0)),
        }))
    }
}
