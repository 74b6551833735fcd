//! The artifacts of a run: listed, fetched, and kept as files. Their names are the task's, and lead nowhere but below the
//! folder that was named.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use async_compression::tokio::bufread::GzipDecoder;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::header::CONTENT_ENCODING;
use queue::{CallError, Queue, wire::Artifact};
use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader};
use tokio_util::io::StreamReader;

use crate::cli::say;

/// How many bytes are read at once.
const CHUNK: usize = 64 << 10;
/// The longest part of a name that file systems take, in bytes.
const MAX_PART: usize = 255;

/// Content that is being fetched, decompressed.
pub(super) struct Fetched(Box<dyn AsyncRead + Send + Unpin>);

/// Keeps the artifacts of a run.
#[derive(Debug)]
pub(super) struct Keeper {
    queue: Queue,
    http: reqwest::Client,
    task_id: String,
    run_id: u32,
}

/// Begins to fetch what is at an address.
///
/// # Errors
/// When nothing is.
pub(super) async fn fetch(http: &reqwest::Client, url: &str) -> anyhow::Result<Fetched> {
    let answer = http.get(url).send().await.map_err(reqwest::Error::without_url)?;
    let answer = answer.error_for_status().map_err(reqwest::Error::without_url)?;
    let is_gzip = answer
        .headers()
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding == "gzip");
    let reader = StreamReader::new(answer.bytes_stream().map_err(io::Error::other));
    Ok(Fetched(if is_gzip {
        Box::new(GzipDecoder::new(BufReader::with_capacity(CHUNK, reader)))
    } else {
        Box::new(reader)
    }))
}

/// Everything that a run published, by name.
///
/// # Errors
/// When the queue does not answer.
pub(super) async fn list(queue: &Queue, task_id: &str, run_id: u32) -> Result<Vec<Artifact>, CallError> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let page = queue.list_artifacts(task_id, run_id, token.as_deref()).await?;
        all.extend(page.artifacts);
        token = page.continuation_token;
        if token.is_none() {
            return Ok(all);
        }
    }
}

impl Fetched {
    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// When it breaks off.
    pub(super) async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
        let read = self.0.read_buf(&mut chunk).await?;
        Ok((read > 0).then(|| chunk.freeze()))
    }
}

impl Keeper {
    /// Of the run that is named.
    pub(super) fn new(queue: Queue, http: reqwest::Client, task_id: String, run_id: u32) -> Self {
        Self {
            queue,
            http,
            task_id,
            run_id,
        }
    }

    /// Writes every artifact that has bytes of its own below a folder, which is created if it is missing. A name that can't
    /// be a file's is left out with a word about it.
    ///
    /// # Errors
    /// When one can't be fetched or written.
    pub(super) async fn keep(&self, artifacts: &[Artifact], folder: &Path) -> anyhow::Result<()> {
        for artifact in artifacts
            .iter()
            .filter(|artifact| matches!(artifact.storage_type.as_str(), "s3" | "object"))
        {
            match relative(&artifact.name) {
                Some(path) => self
                    .keep_one(&artifact.name, &folder.join(path))
                    .await
                    .with_context(|| format!("artifact {} could not be kept", artifact.name))?,
                None => say(&format!(
                    "artifact {:?} was not kept: its name can't be that of a file",
                    artifact.name
                )),
            }
        }
        Ok(())
    }

    async fn keep_one(&self, name: &str, path: &Path) -> anyhow::Result<()> {
        let content = self.queue.artifact(&self.task_id, self.run_id, name).await?;
        let url = self.queue.address_of(content).await?;
        let url = url.context("the queue does not say where it is")?;
        let mut content = fetch(&self.http, &url).await?;
        let folder = path.parent().unwrap_or(path);
        tokio::fs::create_dir_all(folder).await?;
        // Whoever sees the file sees all of it.
        let new = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(folder)?;
        let mut file = tokio::fs::File::from_std(new.reopen()?);
        tokio::io::copy(&mut content.0, &mut file).await?;
        tokio::io::AsyncWriteExt::flush(&mut file).await?;
        new.persist(path)?;
        Ok(())
    }
}

/// The path of an artifact below the folder; none where its name would lead elsewhere, or can't be a file's.
fn relative(name: &str) -> Option<PathBuf> {
    let is_good = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.len() <= MAX_PART
            && !part.contains(|c: char| c.is_control() || c == '\\')
    };
    name.split('/').all(is_good).then(|| name.split('/').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_but_below_the_folder() {
        assert_eq!(relative("public/a b.txt"), Some(PathBuf::from("public/a b.txt")));
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a//b",
            "a/",
            "./a",
            "a\\..\\b",
            "a\0b",
            "a\nb",
        ] {
            assert_eq!(relative(name), None, "{name:?}");
        }
        assert_eq!(relative(&"x".repeat(300)), None);
    }
}
