//! `results`: reading what the sandbox left behind.

use std::sync::Arc;

use engine_api::{ExtractError as EngineError, FolderEntry, ResultSet};
use wasmtime::component::Resource;

use crate::{
    bindings::latest::taskcluster::plugin::{
        results::{Entry, ExtractError, Host, HostFolder},
        types::Error,
    },
    handles::{FileHandle, FolderHandle, ResultsHandle},
    state::{Opened, State, short},
};

impl State {
    /// The result set, if it is still there and the path is one.
    fn results_for(
        &mut self,
        handle: &Resource<ResultsHandle>,
        path: &str,
    ) -> wasmtime::Result<Result<Arc<dyn ResultSet>, ExtractError>> {
        let phase = self.get(handle)?.0;
        Ok(self
            .run()
            .map(drop)
            .and_then(|()| short("a path", path))
            .and_then(|()| phase.with(Arc::clone).map_err(|_closed| Error::Closed))
            .map_err(ExtractError::Refused))
    }
}

impl Host for State {
    async fn extract_file(
        &mut self,
        results: Resource<ResultsHandle>,
        path: String,
    ) -> wasmtime::Result<Result<Resource<FileHandle>, ExtractError>> {
        let results = match self.results_for(&results, &path)? {
            Ok(results) => results,
            Err(error) => return Ok(Err(error)),
        };
        match self
            .of_engine(async move { results.extract_file(&path).await })
            .await
        {
            Ok(Ok(content)) => Ok(self.give(FileHandle(content)).map_err(ExtractError::Refused)),
            Ok(Err(error)) => Ok(Err(error.into())),
            Err(error) => Ok(Err(ExtractError::Refused(error))),
        }
    }

    async fn extract_folder(
        &mut self,
        results: Resource<ResultsHandle>,
        path: String,
    ) -> wasmtime::Result<Result<Resource<FolderHandle>, ExtractError>> {
        let phase = self.get(&results)?.0;
        let results = match self.results_for(&results, &path)? {
            Ok(results) => results,
            Err(error) => return Ok(Err(error)),
        };
        let held = match self.hold_open(Opened::Folder) {
            Ok(held) => held,
            Err(error) => return Ok(Err(ExtractError::Refused(error))),
        };
        match self
            .of_engine(async move { results.extract_folder(&path).await })
            .await
        {
            Ok(Ok(walk)) => {
                let folder = FolderHandle {
                    walk: Some(walk),
                    _held: held,
                    results: phase,
                };
                Ok(self.give(folder).map_err(ExtractError::Refused))
            }
            Ok(Err(error)) => Ok(Err(error.into())),
            Err(error) => Ok(Err(ExtractError::Refused(error))),
        }
    }
}

impl HostFolder for State {
    async fn next(
        &mut self,
        folder: Resource<FolderHandle>,
    ) -> wasmtime::Result<Result<Option<Entry>, ExtractError>> {
        let FolderHandle { walk, results, .. } = self.table.get_mut(&folder)?;
        let is_open = results.with(|_| ()).is_ok();
        let Some(mut walk) = walk.take_if(|_| is_open) else {
            return Ok(Err(ExtractError::Refused(Error::Closed)));
        };
        let next = self.of_engine(async move {
            let next = walk.next().await;
            (walk, next)
        });
        let (walk, next) = match next.await {
            Ok(next) => next,
            Err(error) => return Ok(Err(ExtractError::Refused(error))),
        };
        // After an error the walk is over: it is not put back.
        let entry = match next {
            Ok(Some(FolderEntry { path, content })) => {
                // An error of the file is of this entry: the walk goes on.
                let content = match content.map(|content| self.give(FileHandle(content))) {
                    Ok(Ok(file)) => Ok(file),
                    Ok(Err(error)) => return Ok(Err(ExtractError::Refused(error))),
                    Err(error) => Err(error.into()),
                };
                Some(Entry { path, content })
            }
            Ok(None) => None,
            Err(error) => return Ok(Err(error.into())),
        };
        self.table.get_mut(&folder)?.walk = Some(walk);
        Ok(Ok(entry))
    }

    async fn drop(&mut self, folder: Resource<FolderHandle>) -> wasmtime::Result<()> {
        self.table.delete(folder)?;
        Ok(())
    }
}

impl From<EngineError> for ExtractError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Missing => Self::Missing,
            EngineError::WrongKind(_) => Self::WrongKind,
            EngineError::NotReadable(_) => Self::NotReadable,
            EngineError::TooLarge { .. } => Self::TooLarge,
            EngineError::Refused(message) => Self::Refused(Error::Invalid(message)),
        }
    }
}
