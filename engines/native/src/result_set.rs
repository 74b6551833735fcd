//! What a task left behind.

use std::{os::fd::AsFd, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use engine_api::{Content, DisposeError, ExtractError, FolderWalk, ResultSet};

use crate::{
    blocking,
    files::{
        beneath,
        content::{TaskFile, Terms},
        locate::Places,
        walk::Walk,
    },
    holdings::Holdings,
    task_process::Success,
};

/// Which files may be published, by the config.
#[derive(Clone, Debug)]
pub(crate) struct Extraction {
    /// Absolute paths of folders outside of the task's own.
    pub(crate) roots: Vec<PathBuf>,
    /// The most bytes that a file may have.
    pub(crate) max_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct NativeResultSet {
    success: Success,
    exit_code: Option<i32>,
    places: Arc<Places>,
    holdings: Arc<Holdings>,
    terms: Terms,
}

impl NativeResultSet {
    pub(crate) fn new(
        success: Success,
        exit_code: Option<i32>,
        holdings: Arc<Holdings>,
        extraction: Extraction,
    ) -> Self {
        let places = Places {
            directory: holdings.directory().to_owned(),
            directory_handle: Arc::clone(holdings.directory_handle()),
            roots: extraction.roots,
        };
        Self {
            success,
            exit_code,
            places: Arc::new(places),
            holdings,
            terms: Terms::new(extraction.max_bytes),
        }
    }

    /// Does something with the files, where it may block.
    async fn extract<T: Send + 'static>(
        &self,
        path: &str,
        what: impl FnOnce(&Places, &str, Terms) -> Result<T, ExtractError> + Send + 'static,
    ) -> Result<T, ExtractError> {
        let (places, path, terms) = (Arc::clone(&self.places), path.to_owned(), self.terms.clone());
        blocking(move || what(&places, &path, terms))
            .await
            .unwrap_or_else(|error| Err(ExtractError::NotReadable(error.to_string())))
    }
}

#[async_trait]
impl ResultSet for NativeResultSet {
    fn success(&self) -> bool {
        self.success == Success::Succeeded
    }

    fn exit_code(&self) -> Option<i32> {
        self.exit_code
    }

    async fn extract_file(&self, path: &str) -> Result<Arc<dyn Content>, ExtractError> {
        let file = self.extract(path, |places, path, terms| {
            let place = places.locate(path)?;
            let found = beneath::find(place.root.as_fd(), &place.path)?;
            TaskFile::new(place, &found, terms)
        });
        Ok(file.await?)
    }

    async fn extract_folder(&self, path: &str) -> Result<Box<dyn FolderWalk>, ExtractError> {
        let walk = self.extract(path, |places, path, terms| {
            let place = places.locate(path)?;
            let found = beneath::find(place.root.as_fd(), &place.path)?;
            Walk::begin(place, found, terms)
        });
        Ok(Box::new(walk.await?))
    }

    async fn dispose(&self) -> Result<(), DisposeError> {
        self.terms.end();
        release(&self.holdings).await
    }
}

/// Releases all that a run holds.
pub(crate) async fn release(holdings: &Arc<Holdings>) -> Result<(), DisposeError> {
    let holdings = Arc::clone(holdings);
    blocking(move || holdings.release())
        .await
        .unwrap_or_else(|error| Err(DisposeError::Files(format!("the removal broke: {error}"))))
}
