//! The owner of the file that keeps what is known of plugins: writes it when that has changed, off the way of every run, and
//! hears of plugins that are to be released.

use std::{path::PathBuf, time::Duration};

use tokio::{sync::Mutex, time::sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{FaultPolicy, Faults, file};
use crate::statistics::Accounts;

/// The least time between two times that the file is written for what hooks have cost. A fault is written at once.
const PAUSE: Duration = Duration::from_secs(2);
/// How often it is looked whether a plugin is to be released, while there is one with faults.
const LOOK: Duration = Duration::from_secs(2);

/// Keeps the faults and the statistics of a worker's plugins.
#[derive(Debug)]
pub(crate) struct Keeper {
    accounts: Accounts,
    stop: CancellationToken,
    /// None once it is joined.
    task: Mutex<Option<AbortOnDropHandle<()>>>,
}

/// What the task works with.
#[derive(Debug)]
struct Desk {
    accounts: Accounts,
    /// What is in the file.
    written: String,
    /// Whether the last time that it was to be written failed, so that it is said once.
    failed: bool,
}

impl Keeper {
    /// Reads what was kept before. Called on the worker's own runtime, which the keeper then lives on.
    pub(crate) async fn start(policy: FaultPolicy) -> Self {
        let path = policy.file.clone();
        let ledger = blocking(move || file::load(&path)).await.unwrap_or_default();
        let accounts = Accounts::new(Faults::new(policy, ledger));
        let desk = Desk {
            accounts: accounts.clone(),
            written: String::new(),
            failed: false,
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(desk.work(stop.clone()));
        Self {
            accounts,
            stop,
            task: Mutex::new(Some(AbortOnDropHandle::new(task))),
        }
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Writes what is not written yet. Again it does nothing.
    pub(crate) async fn shutdown(&self) {
        self.stop.cancel();
        let mut task = self.task.lock().await;
        if let Some(running) = task.as_mut() {
            if let Err(error) = running.await {
                tracing::error!(%error, "what is known of plugins is not kept");
            }
            *task = None;
        }
    }
}

impl Desk {
    async fn work(mut self, stop: CancellationToken) {
        let faults = self.accounts.faults().clone();
        // What was asked for while no worker was here to hear of it.
        self.release().await;
        loop {
            let look = async {
                if faults.any() {
                    sleep(LOOK).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = faults.changed() => {}
                () = self.accounts.settled() => {}
                () = look => self.release().await,
            }
            self.write().await;
            // Many runs that end at once are written once.
            tokio::select! {
                () = stop.cancelled() => break,
                () = faults.changed() => self.write().await,
                () = sleep(PAUSE) => {}
            }
        }
        self.write().await;
    }

    /// Lets go of the plugins that somebody wants released. It is kept before it is done with: a crash does not undo it.
    async fn release(&mut self) {
        let path = self.path();
        let found = blocking(move || file::releases(&path)).await;
        let hashes = match found {
            Some(Ok(hashes)) if !hashes.is_empty() => hashes,
            Some(Ok(_)) | None => return,
            Some(Err(error)) => {
                return tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "nobody can ask for a release"
                );
            }
        };
        for sha256 in &hashes {
            tracing::info!(sha256, "a plugin is released from quarantine");
            self.accounts.faults().release(sha256);
        }
        self.write().await;
        let path = self.path();
        blocking(move || {
            hashes
                .iter()
                .for_each(|sha256| file::remove_release(&path, sha256))
        })
        .await;
    }

    /// Writes what has changed since the last time.
    async fn write(&mut self) {
        let text = file::text(&self.accounts.faults().snapshot(), &self.accounts.snapshot());
        if text == self.written {
            return;
        }
        let path = self.path();
        let kept = text.clone();
        let Some(result) = blocking(move || file::write(&path, &kept)).await else {
            return;
        };
        match result {
            Ok(()) => {
                self.written = text;
                self.failed = false;
            }
            Err(error) => {
                if !self.failed {
                    tracing::warn!(path = %self.path().display(), %error, "the faults of plugins can't be kept: a restart would forget them");
                }
                self.failed = true;
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.accounts.faults().policy().file.clone()
    }
}

/// Runs what may block on a thread for it. None: it panicked, or the process ends.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.inspect_err(
        |error| tracing::error!(%error, "the file of the plugins' faults could not be worked on"),
    )
    .ok()
}
