//! `files`: bytes that the host owns. Always granted.

use std::{io::Cursor, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use engine_api::{Content, ContentReader};
use tokio::io::AsyncReadExt as _;
use wasmtime::component::Resource;

use crate::{
    bindings::latest::taskcluster::plugin::{
        files::{Host, HostFile, HostReader},
        types::Error,
    },
    handles::{FileHandle, ReaderHandle},
    state::{Held, Opened, State},
};

/// The most that a guest can make a file of.
const MAX_FROM_BYTES: usize = 1 << 20;
/// The most that one call reads.
const MAX_READ: usize = 64 << 10;

impl Host for State {
    async fn from_bytes(&mut self, bytes: Vec<u8>) -> wasmtime::Result<Result<Resource<FileHandle>, Error>> {
        if bytes.len() > MAX_FROM_BYTES {
            return Ok(Err(self.refused.note(Error::Limit(format!(
                "from-bytes takes at most {MAX_FROM_BYTES} bytes"
            )))));
        }
        let held = match self.hold_bytes(bytes.len() as u64) {
            Ok(held) => held,
            Err(error) => return Ok(Err(error)),
        };
        let made = Made {
            bytes: bytes.into(),
            _held: held,
        };
        Ok(self.give(FileHandle(Arc::new(made))))
    }
}

/// A file that a guest made. It may outlive the guest's handle: an upload holds it.
#[derive(Debug)]
struct Made {
    bytes: Bytes,
    _held: Held,
}

#[async_trait]
impl Content for Made {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn open(&self) -> std::io::Result<ContentReader> {
        Ok(Box::new(Cursor::new(self.bytes.clone())))
    }
}

impl HostFile for State {
    async fn size(&mut self, file: Resource<FileHandle>) -> wasmtime::Result<u64> {
        Ok(self.get(&file)?.0.size())
    }

    async fn read(
        &mut self,
        file: Resource<FileHandle>,
    ) -> wasmtime::Result<Result<Resource<ReaderHandle>, Error>> {
        let content = self.get(&file)?.0;
        let held = match self.hold_open(Opened::Reader) {
            Ok(held) => held,
            Err(error) => return Ok(Err(error)),
        };
        let opened = match self.of_engine(async move { content.open().await }).await {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        match opened {
            Ok(reader) => Ok(self.give(ReaderHandle {
                reader: Some(reader),
                _held: held,
            })),
            Err(error) => Ok(Err(Error::Other(format!("the file can't be opened: {error}")))),
        }
    }

    async fn drop(&mut self, file: Resource<FileHandle>) -> wasmtime::Result<()> {
        self.table.delete(file)?;
        Ok(())
    }
}

impl HostReader for State {
    async fn next(
        &mut self,
        reader: Resource<ReaderHandle>,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let length = (max as usize).clamp(1, MAX_READ);
        let Some(mut source) = self.table.get_mut(&reader)?.reader.take() else {
            return Ok(Err(Error::Closed));
        };
        let read = self.of_engine(async move {
            let mut bytes = vec![0; length];
            let read = source.read(&mut bytes).await;
            let read = read.map(|length| {
                bytes.truncate(length);
                bytes
            });
            (source, read)
        });
        let (source, read) = match read.await {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        self.table.get_mut(&reader)?.reader = Some(source);
        Ok(read.map_err(|error| Error::Other(format!("the file can't be read: {error}"))))
    }

    async fn drop(&mut self, reader: Resource<ReaderHandle>) -> wasmtime::Result<()> {
        self.table.delete(reader)?;
        Ok(())
    }
}
