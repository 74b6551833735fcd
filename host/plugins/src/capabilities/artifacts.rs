//! `artifacts`: artifacts of the run that the instance serves.
//!
//! Uploads run beside the hook, on the worker's own runtime; the store decides how many of all runs' at a time. Whatever is
//! still queued when the hook returns is settled before the hook counts as done.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use tokio::{
    runtime::Handle,
    task::{self, JoinSet},
};
use tokio_util::sync::CancellationToken;
use wasmtime::component::Resource;

use crate::{
    bindings::latest::taskcluster::plugin::{
        artifacts::{Encoding, Host, Options, Outcome, Uploaded},
        types::Error,
    },
    handles::FileHandle,
    limits::Limits,
    ports::{ArtifactError, ArtifactStore, Encoding as PortEncoding, Upload},
    state::{RunState, State, short},
};

/// How many uploads of one instance may wait or run before `upload` blocks.
const QUEUED: usize = 64;
/// The words of the queue for why there is no artifact.
const REASONS: [&str; 4] = [
    "file-missing-on-worker",
    "invalid-resource-on-worker",
    "too-large-file-on-worker",
    "file-not-readable-on-worker",
];

/// The uploads of one instance that have not been heard of.
#[derive(Debug)]
pub(crate) struct Uploads {
    running: JoinSet<Outcome>,
    names: HashMap<task::Id, String>,
    settled: VecDeque<Outcome>,
    runtime: Handle,
}

impl Uploads {
    /// None yet; they will run on `runtime`.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            running: JoinSet::new(),
            names: HashMap::new(),
            settled: VecDeque::new(),
            runtime,
        }
    }

    fn queue(&mut self, store: Arc<dyn ArtifactStore>, upload: Upload, cancel: CancellationToken) {
        let name = upload.name.clone();
        let known_as = name.clone();
        let begun = self.running.spawn_on(
            async move {
                let uploaded = cancel
                    .run_until_cancelled(store.upload(upload))
                    .await
                    .unwrap_or(Err(ArtifactError::Cancelled));
                let uploaded = uploaded
                    .map(|uploaded| Uploaded {
                        size: uploaded.size,
                        sha256: uploaded.sha256,
                    })
                    .map_err(Error::from);
                Outcome { name, uploaded }
            },
            &self.runtime,
        );
        self.names.insert(begun.id(), known_as);
    }

    /// Waits for one upload to end; none where there is none.
    ///
    /// # Cancel safety
    /// May be dropped; no outcome is lost.
    async fn one(&mut self) -> Option<Outcome> {
        match self.running.join_next_with_id().await? {
            Ok((id, outcome)) => {
                self.names.remove(&id);
                Some(outcome)
            }
            Err(error) => {
                tracing::error!(%error, "an upload broke");
                Some(Outcome {
                    name: self.names.remove(&error.id()).unwrap_or_default(),
                    uploaded: Err(Error::Other("the worker failed to upload it".to_owned())),
                })
            }
        }
    }

    /// The outcome that has waited for longest, or the next.
    async fn next(&mut self) -> Option<Outcome> {
        match self.settled.pop_front() {
            Some(outcome) => Some(outcome),
            None => self.one().await,
        }
    }

    /// Waits until another may be queued.
    async fn room(&mut self) {
        while self.running.len() >= QUEUED
            && let Some(outcome) = self.one().await
        {
            self.settled.push_back(outcome);
        }
    }

    /// Waits for all of them, and answers those that failed and that nobody asked for.
    pub(crate) async fn settle(&mut self) -> Vec<(String, Error)> {
        let mut failed = Vec::new();
        while let Some(Outcome { name, uploaded }) = self.next().await {
            failed.extend(uploaded.err().map(|error| (name, error)));
        }
        failed
    }

    /// Drops all of them, and waits until they have noticed.
    pub(crate) async fn abandon(&mut self) {
        self.running.shutdown().await;
        self.settled.clear();
        self.names.clear();
    }

    /// Whether there is nothing to settle.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.settled.is_empty()
    }
}

impl RunState {
    /// Takes one artifact out of the budget; false where it is used up.
    fn spend(&mut self) -> bool {
        let left = self.artifacts_left.checked_sub(1);
        self.artifacts_left = left.unwrap_or_default();
        left.is_some()
    }
}

impl State {
    /// The store, for a name that may be one, is granted and is within the budget.
    fn store_for(&mut self, name: &str) -> Result<Arc<dyn ArtifactStore>, Error> {
        self.run()?;
        self.granted(name)?;
        let run = self.run()?;
        if run.spend() {
            return Ok(run.ports.artifacts.clone());
        }
        Err(self.refused.note(Error::Limit(format!(
            "the plugin has created {} artifacts for this run already ({})",
            self.limits.artifacts,
            Limits::path(&self.plugin, "artifacts")
        ))))
    }
}

impl State {
    /// Refuses names that no artifact can have, and those that the operator did not grant.
    fn granted(&self, name: &str) -> Result<(), Error> {
        valid_name(name)?;
        let granted = self.grants.may_create(&self.plugin, name);
        granted.map_err(|not_granted| self.refused.note(Error::Denied(not_granted.to_string())))
    }
}

impl Host for State {
    async fn upload(
        &mut self,
        name: String,
        content: Resource<FileHandle>,
        encoding: Encoding,
        options: Options,
    ) -> wasmtime::Result<Result<(), Error>> {
        // The handle was given away with the call, whatever comes of it.
        let content = self.table.delete(content)?.0;
        let clock = self.clock.clone();
        let prepared = self
            .store_for(&name)
            .and_then(|store| Ok((store, checked(options)?)));
        let (store, (content_type, expires)) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Err(error)),
        };
        let encoding = match encoding {
            Encoding::Identity => PortEncoding::Identity,
            Encoding::Gzip => PortEncoding::Gzip,
        };
        let run = match self.run() {
            Ok(run) => run,
            Err(error) => return Ok(Err(error)),
        };
        {
            let _clock_stands_still = clock.hold();
            run.uploads.room().await;
        }
        if run.cancel.is_cancelled() {
            return Ok(Err(Error::Cancelled));
        }
        let cancel = run.cancel.clone();
        run.uploads.queue(
            store,
            Upload {
                name,
                content,
                encoding,
                content_type,
                expires,
            },
            cancel,
        );
        Ok(Ok(()))
    }

    async fn next_outcome(&mut self) -> wasmtime::Result<Option<Outcome>> {
        // After an abort, too: what is left then ends at once, with `cancelled`.
        let _clock_stands_still = self.clock.hold();
        match &mut self.run {
            Some(run) => Ok(run.uploads.next().await),
            None => Ok(None),
        }
    }

    async fn reference(
        &mut self,
        name: String,
        url: String,
        options: Options,
    ) -> wasmtime::Result<Result<(), Error>> {
        let prepared = self.store_for(&name).and_then(|store| {
            short("the address", &url)?;
            Ok((store, checked(options)?))
        });
        let (store, (content_type, expires)) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Err(error)),
        };
        let done = self
            .of_store(async move { store.reference(&name, &url, &content_type, expires).await })
            .await;
        Ok(done.and_then(|done| done.map_err(Error::from)))
    }

    async fn link(
        &mut self,
        name: String,
        target: String,
        options: Options,
    ) -> wasmtime::Result<Result<(), Error>> {
        // A link gives what it leads to another name, under which others may read it.
        let prepared = self
            .store_for(&name)
            .and_then(|store| self.granted(&target).map(|()| store))
            .and_then(|store| Ok((store, checked(options)?)));
        let (store, (content_type, expires)) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Err(error)),
        };
        let done = self
            .of_store(async move { store.link(&name, &target, &content_type, expires).await })
            .await;
        Ok(done.and_then(|done| done.map_err(Error::from)))
    }

    async fn report_error(
        &mut self,
        name: String,
        reason: String,
        message: String,
        expires: Option<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let prepared = self.store_for(&name).and_then(|store| {
            if !REASONS.contains(&reason.as_str()) {
                return Err(Error::Invalid(format!(
                    "the reason must be one of {}",
                    REASONS.join(", ")
                )));
            }
            short("the message", &message)?;
            Ok((store, expires.as_deref().map(time).transpose()?))
        });
        let (store, expires) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Err(error)),
        };
        let done = self
            .of_store(async move { store.report_error(&name, &reason, &message, expires).await })
            .await;
        Ok(done.and_then(|done| done.map_err(Error::from)))
    }
}

/// What the queue takes as a name; it answers 500 to longer ones. `.` and `..` can't be a part of an address.
fn valid_name(name: &str) -> Result<(), Error> {
    short("the name of an artifact", name)?;
    if name.is_empty() || !name.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        return Err(Error::Invalid(format!(
            "the name of an artifact is one or more printable ASCII characters, not {name:?}"
        )));
    }
    if matches!(name, "." | "..") {
        return Err(Error::Invalid(format!("no artifact can be named {name:?}")));
    }
    Ok(())
}

fn checked(options: Options) -> Result<(String, Option<DateTime<Utc>>), Error> {
    let Options {
        content_type,
        expires,
    } = options;
    if content_type.is_empty()
        || content_type.len() > 255
        || !content_type.bytes().all(|b| (0x20..=0x7e).contains(&b))
    {
        return Err(Error::Invalid(
            "a content type is 1 to 255 printable ASCII characters".to_owned(),
        ));
    }
    Ok((content_type, expires.as_deref().map(time).transpose()?))
}

fn time(text: &str) -> Result<DateTime<Utc>, Error> {
    short("a time", text)?;
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(time.with_timezone(&Utc)),
        Err(error) => Err(Error::Invalid(format!(
            "{text:?} is not a time by RFC 3339: {error}"
        ))),
    }
}

impl From<ArtifactError> for Error {
    fn from(error: ArtifactError) -> Self {
        match error {
            ArtifactError::Invalid(message) => Self::Invalid(message),
            ArtifactError::Conflict(message) => Self::Conflict(message),
            ArtifactError::Unavailable(message) => Self::Unavailable(message),
            ArtifactError::Cancelled => Self::Cancelled,
            ArtifactError::Other(message) => Self::Other(message),
        }
    }
}
