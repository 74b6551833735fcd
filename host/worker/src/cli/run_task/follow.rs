//! The task's log, from its first byte, to standard output while it is written.
//!
//! The log is followed as anybody would do it: the run has an artifact that refers to the address of the live log. What a
//! live log has not given when it ends is taken from the artifact that holds the whole.

use std::{
    io::{self, Write as _},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use queue::{Queue, wire::ArtifactContent};
use tokio::time::sleep;

use super::keep::{Fetched, fetch};

/// Refers to the live log, and links to the whole one when the task is over.
const LIVE: &str = "public/logs/live.log";
/// How often the queue is asked for it.
const POLL: Duration = Duration::from_millis(25);
/// How long a log that is being followed may take to end once the worker has ended.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

/// The log of a task, and how much of it has been written.
#[derive(Debug)]
pub(super) struct Log {
    queue: Queue,
    http: reqwest::Client,
    task_id: String,
    written: AtomicU64,
}

impl Log {
    /// Nothing has been written yet.
    pub(super) fn new(queue: Queue, http: reqwest::Client, task_id: String) -> Self {
        Self {
            queue,
            http,
            task_id,
            written: AtomicU64::new(0),
        }
    }

    /// Writes the log while it is written, until it ends or breaks off. Waits for the log to be there.
    ///
    /// # Cancel safety
    /// May be dropped: [`rest`](Self::rest) goes on where this stopped.
    pub(super) async fn follow(&self) {
        let url = loop {
            match self.queue.latest_artifact(&self.task_id, LIVE).await {
                Ok(ArtifactContent::Reference { url }) => break url,
                // It is over already.
                Ok(
                    ArtifactContent::S3 { .. }
                    | ArtifactContent::Object { .. }
                    | ArtifactContent::Error { .. },
                ) => {
                    return;
                }
                Err(error) => tracing::trace!(%error, "no log yet"),
            }
            sleep(POLL).await;
        };
        if let Err(error) = self.write(&url).await {
            tracing::debug!(%error, "the live log broke off");
        }
    }

    /// Writes what is missing of the log of a task that is over.
    pub(super) async fn rest(&self) {
        let Ok(content) = self.queue.latest_artifact(&self.task_id, LIVE).await else {
            // There is no plugin that publishes logs.
            return;
        };
        // None where it could not.
        if let Ok(Some(url)) = self.queue.address_of(content).await
            && let Err(error) = self.write(&url).await
        {
            tracing::warn!(%error, "the log could not be read to its end");
        }
    }

    /// Writes what an address has beyond what has been written.
    async fn write(&self, url: &str) -> anyhow::Result<()> {
        let mut skip = self.written.load(Ordering::Relaxed);
        let mut log: Fetched = fetch(&self.http, url).await?;
        while let Some(chunk) = log.chunk().await? {
            let seen = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip = skip.saturating_sub(chunk.len() as u64);
            let new = chunk.get(seen..).unwrap_or_default();
            self.written.fetch_add(new.len() as u64, Ordering::Relaxed);
            let mut stdout = io::stdout().lock();
            // A reader that is gone is no reason to stop the task.
            let _ = stdout.write_all(new).and_then(|()| stdout.flush());
        }
        Ok(())
    }
}
