//! The worker as worker-manager knows it: it registers, gets credentials, renews them for as long as it works, and is removed
//! at its end where the config says so.
//!
//! Static workers prove who they are by a secret, and may do so again at any time. So a renewal that is refused, or of which
//! the answer with the next secret was lost, is no end: the worker registers anew.

use std::{error::Error, time::Duration};

use chrono::{DateTime, Utc};
use queue::{
    CallError, CredentialsHandle, Deployment, WorkerManager, WorkerName,
    wire::{RegisterWorkerRequest, ReregisterWorkerRequest},
};
use serde_json::{Map, Value};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    patience::{NoAnswer, Patience},
    root::{Access, ManagedWorker},
    stop::{Reason, StopHandle},
};

mod schedule;

use schedule::Schedule;

/// How long the removal of the worker may take: it ends, whatever worker-manager does.
const REMOVAL: Duration = Duration::from_secs(10);

/// What makes credentials that end at once is not asked for new ones all the time.
const SHORTEST: Duration = Duration::from_secs(1);

/// How a worker proves who it is.
#[derive(Clone)]
pub(crate) struct StaticProof {
    /// Of the deployment's provider.
    pub(crate) provider_id: String,
    /// What worker-manager was told when the worker was created there.
    pub(crate) static_secret: String,
}

/// What happens to the registration when the worker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// It stays, so that the worker can register again.
    Stay,
    /// The worker is removed.
    Remove,
}

/// Why the worker is not registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    /// Worker-manager does not take it.
    #[error(
        "worker-manager does not register the worker {group}/{id} of the pool {pool} with the provider {provider}{advice}",
        group = .name.worker_group,
        id = .name.worker_id,
        pool = .name.worker_pool_id,
        advice = advice(.source)
    )]
    Refused {
        /// Of the worker.
        name: WorkerName,
        /// The providerId.
        provider: String,
        /// What worker-manager says.
        #[source]
        source: CallError,
    },
    /// It can't be asked.
    #[error("worker-manager can't be asked to register the worker")]
    Unreachable(#[source] CallError),
    /// The worker was told to stop before worker-manager could be reached.
    #[error("told to stop before the worker was registered")]
    Stopped,
}

/// A worker that is registered. Its credentials are good for a while; [`Registration::keep`] renews them.
pub(crate) struct Registration {
    /// With the worker's credentials.
    deployment: Deployment,
    /// Without any.
    anonymous: WorkerManager,
    root_url: String,
    credentials: CredentialsHandle,
    name: WorkerName,
    proof: StaticProof,
    at_end: AtEnd,
    /// For the renewal: good for one time.
    secret: String,
    /// When the credentials end.
    ends: Instant,
}

/// A registration whose credentials are renewed, by a task of its own.
#[derive(Debug)]
pub(crate) struct Kept {
    manager: WorkerManager,
    name: WorkerName,
    at_end: AtEnd,
    end: CancellationToken,
    renewal: JoinHandle<()>,
}

impl Registration {
    /// Registers the worker, and answers what the pool's definition says of its config. Worker-manager is asked without
    /// credentials. `deployment` has none.
    ///
    /// # Errors
    /// When worker-manager refuses, or can't be reached and `patience` ends.
    pub(crate) async fn register(
        deployment: &Deployment,
        root_url: &str,
        name: WorkerName,
        (proof, at_end): (StaticProof, AtEnd),
        patience: &Patience<'_>,
    ) -> Result<(Self, Map<String, Value>), RegisterError> {
        let request = request(&name, &proof);
        let manager = deployment.worker_manager();
        let answer = patience
            .until_answered("worker-manager", || manager.register_worker(&request))
            .await
            .map_err(|no_answer| match no_answer {
                NoAnswer::Refused(source) => RegisterError::Refused {
                    name: name.clone(),
                    provider: proof.provider_id.clone(),
                    source,
                },
                NoAnswer::Unreachable(source) => RegisterError::Unreachable(source),
                NoAnswer::Stopped => RegisterError::Stopped,
            })?;
        let credentials = CredentialsHandle::new(answer.credentials);
        let registration = Self {
            deployment: deployment.with_credentials(credentials.clone()),
            anonymous: manager,
            root_url: root_url.to_owned(),
            ends: Instant::now() + left(deployment, answer.expires),
            credentials,
            name,
            proof,
            at_end,
            secret: answer.secret,
        };
        tracing::info!(
            worker_pool_id = registration.name.worker_pool_id,
            worker_group = registration.name.worker_group,
            worker_id = registration.name.worker_id,
            expires = %answer.expires,
            "registered with worker-manager"
        );
        Ok((registration, answer.worker_config))
    }

    /// What the worker signs with, and whom it asks. Renewals swap the credentials in it.
    pub(crate) fn access(&self) -> Access {
        Access {
            root_url: self.root_url.clone(),
            credentials: self.credentials.clone(),
            manager: Some(ManagedWorker {
                manager: self.deployment.worker_manager(),
                name: self.name.clone(),
            }),
        }
    }

    /// Renews the credentials until the worker ends. Where that is impossible the worker is stopped while it still has some,
    /// so that its runs can be given back. Must be called in a runtime.
    pub(crate) fn keep(self, stop: StopHandle) -> Kept {
        let end = CancellationToken::new();
        Kept {
            manager: self.deployment.worker_manager(),
            name: self.name.clone(),
            at_end: self.at_end,
            end: end.clone(),
            renewal: tokio::spawn(async move {
                end.run_until_cancelled(self.renew(&stop)).await;
            }),
        }
    }

    /// The end of a worker that could not begin.
    pub(crate) async fn end(self) {
        if self.at_end == AtEnd::Remove {
            remove(&self.deployment.worker_manager(), &self.name).await;
        }
    }

    /// One renewal after the other, for as long as they succeed. One that is refused lets the running tasks go on for as long as
    /// there are credentials: who refuses it may be mended until then.
    async fn renew(mut self, stop: &StopHandle) {
        loop {
            let mut schedule = Schedule::new(self.left());
            tokio::time::sleep(schedule.first().max(SHORTEST)).await;
            while let Err(refusal) = self.renew_within(schedule.patience(self.left())).await {
                if refusal.as_ref().is_some_and(CallError::is_final) {
                    stop.graceful(
                        Reason::CredentialsEnd,
                        "the renewal of its credentials is refused",
                    );
                }
                match self.again(&mut schedule, refusal.as_ref()) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => {
                        stop.now(Reason::CredentialsEnd, "its credentials end and can't be renewed");
                        return;
                    }
                }
            }
        }
    }

    /// How long to wait after a renewal that failed: with a refusal, or without any answer.
    fn again(&self, schedule: &mut Schedule, refusal: Option<&CallError>) -> Option<Duration> {
        let error = refusal.map(|error| error as &dyn Error);
        let pause = schedule.again(self.left());
        if pause.is_some() {
            tracing::warn!(
                error,
                ?pause,
                "the worker's credentials could not be renewed, trying again"
            );
        } else {
            tracing::error!(error, "the worker's credentials can't be renewed");
        }
        pause
    }

    async fn renew_within(&mut self, patience: Duration) -> Result<(), Option<CallError>> {
        match tokio::time::timeout(patience, self.renew_once()).await {
            Ok(renewed) => renewed.map_err(Some),
            Err(_) => Err(None),
        }
    }

    /// Takes new credentials into use.
    async fn renew_once(&mut self) -> Result<(), CallError> {
        let request = ReregisterWorkerRequest {
            worker_pool_id: self.name.worker_pool_id.clone(),
            worker_group: self.name.worker_group.clone(),
            worker_id: self.name.worker_id.clone(),
            secret: self.secret.clone(),
        };
        let manager = self.deployment.worker_manager();
        let (credentials, expires, secret) = match manager.reregister_worker(&request).await {
            Ok(answer) => (answer.credentials, answer.expires, answer.secret),
            Err(error) if error.is_final() => {
                tracing::warn!(
                    error = &error as &dyn Error,
                    "the renewal is refused, registering anew"
                );
                let answer = self.anonymous.register_worker(&self.request()).await?;
                (answer.credentials, answer.expires, answer.secret)
            }
            Err(error) => return Err(error),
        };
        self.credentials.set(credentials);
        self.ends = Instant::now() + left(&self.deployment, expires);
        self.secret = secret;
        tracing::info!(%expires, "the worker's credentials are renewed");
        Ok(())
    }

    fn request(&self) -> RegisterWorkerRequest {
        request(&self.name, &self.proof)
    }

    fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }
}

impl Kept {
    /// Ends the renewal, and removes the worker where that was wanted. Everything that the worker has is released before.
    pub(crate) async fn end(self) {
        self.end.cancel();
        if let Err(error) = self.renewal.await {
            tracing::error!(%error, "the renewal of credentials was lost");
        }
        if self.at_end == AtEnd::Remove {
            remove(&self.manager, &self.name).await;
        }
    }
}

async fn remove(manager: &WorkerManager, name: &WorkerName) {
    match tokio::time::timeout(REMOVAL, manager.remove_worker(name)).await {
        Ok(Ok(())) => tracing::info!("removed from worker-manager"),
        Ok(Err(error)) => tracing::warn!(
            error = &error as &dyn Error,
            "the worker is not removed from worker-manager"
        ),
        Err(_) => tracing::warn!("worker-manager does not answer, the worker is not removed from it"),
    }
}

fn request(name: &WorkerName, proof: &StaticProof) -> RegisterWorkerRequest {
    let secret = proof.static_secret.clone().into();
    RegisterWorkerRequest {
        worker_pool_id: name.worker_pool_id.clone(),
        provider_id: proof.provider_id.clone(),
        worker_group: name.worker_group.clone(),
        worker_id: name.worker_id.clone(),
        worker_identity_proof: Map::from_iter([("staticSecret".to_owned(), secret)]),
        system_boot_time: None,
    }
}

/// How long credentials are good, by the deployment's clock: ours may be another.
fn left(deployment: &Deployment, expires: DateTime<Utc>) -> Duration {
    (expires - deployment.server_time()).to_std().unwrap_or_default()
}

/// What the operator may look at, after what is said of the worker.
fn advice(refusal: &CallError) -> &'static str {
    match refusal.refused_with() {
        Some(404) => {
            ": it knows no such pool, provider or worker (createWorker makes a worker known, with the same provider and secret)"
        }
        Some(400) => {
            " (taskcluster.workerManager.staticSecret must be the one that createWorker was told, and the worker's time not be over)"
        }
        _ => "",
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration")
            .field("name", &self.name)
            .field("at_end", &self.at_end)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for StaticProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaticProof")
            .field("provider_id", &self.provider_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
