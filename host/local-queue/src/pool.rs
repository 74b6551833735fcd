//! Worker pools and the workers that worker-manager knows, and the rules for registering them. No I/O.
//!
//! Workers are made by people, not by a cloud: of Taskcluster's providers there is `static`. A pool that is deleted goes to the
//! `null-provider`, as on any deployment, and is forgotten once its last worker has stopped.
//!
//! A worker is `running` from its creation on, whether it has registered or not, and `stopped` once it was removed. A stopped one
//! is remembered until it expires, so that its name is not taken again.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{
    error::ApiError,
    task::{self, Fields},
};

/// The provider that workers are registered with.
pub(crate) const STATIC: &str = "static";
/// The provider of pools that are to be forgotten.
pub(crate) const NULL_PROVIDER: &str = "null-provider";
/// How long credentials last where the pool does not say: 96 hours, in seconds.
const REREGISTRATION_TIMEOUT: u32 = 96 * 3600;
/// The longest that a pool may say: 30 days.
const MAX_REREGISTRATION_TIMEOUT: u32 = 30 * 24 * 3600;

/// A worker pool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WorkerPool {
    /// `<provisionerId>/<workerType>`.
    pub(crate) worker_pool_id: String,
    /// `static`, or `null-provider` for one that is to be forgotten.
    pub(crate) provider_id: String,
    /// For people.
    pub(crate) description: String,
    /// What its workers are told, and how long their credentials last.
    pub(crate) config: Map<String, Value>,
    /// Whose it is: an email address.
    pub(crate) owner: String,
    /// Whether the owner wants to be told of errors. Nobody is: there is no notify service here.
    pub(crate) email_on_error: bool,
    /// When it was made.
    pub(crate) created: DateTime<Utc>,
    /// When it was changed last.
    pub(crate) last_modified: DateTime<Utc>,
}

impl WorkerPool {
    /// What registered workers are told.
    pub(crate) fn worker_config(&self) -> Map<String, Value> {
        let config = self.config.get("workerConfig").and_then(Value::as_object);
        config.cloned().unwrap_or_default()
    }

    /// Until when credentials are good that this worker gets now.
    pub(crate) fn credentials_end(&self, worker: &ManagedWorker, now: DateTime<Utc>) -> DateTime<Utc> {
        let seconds = self
            .config
            .get("lifecycle")
            .and_then(|lifecycle| lifecycle.get("reregistrationTimeout")?.as_f64())
            .unwrap_or_else(|| f64::from(REREGISTRATION_TIMEOUT));
        // Whole, and not more than 30 days: it was checked when it was written down.
        let end = now + TimeDelta::seconds(seconds as i64);
        end.min(worker.expires)
    }

    /// Whether it was deleted.
    pub(crate) fn is_deleted(&self) -> bool {
        self.provider_id == NULL_PROVIDER
    }
}

/// Refuses a config that the provider does not know.
pub(crate) fn check_config(provider_id: &str, config: &Map<String, Value>) -> Result<(), ApiError> {
    match provider_id {
        NULL_PROVIDER => return Ok(()),
        STATIC => {}
        _ => {
            return Err(ApiError::input(format!(
                "Invalid Provider: {provider_id}. There are: {STATIC}, {NULL_PROVIDER}"
            )));
        }
    }
    let mut fields = Fields::new(config, "config");
    fields.refuse_unknown(&["lifecycle", "workerConfig"]);
    fields.object("workerConfig");
    let lifecycle = fields.object("lifecycle");
    let mut errors = fields.into_errors();
    if let Some(lifecycle) = lifecycle {
        let mut fields = Fields::new(lifecycle, "config.lifecycle");
        fields.refuse_unknown(&["reregistrationTimeout"]);
        fields.integer("reregistrationTimeout", 0, MAX_REREGISTRATION_TIMEOUT);
        errors.extend(fields.into_errors());
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(task::schema_error(&errors))
}

/// Which worker is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkerName {
    /// `<provisionerId>/<workerType>`.
    pub(crate) worker_pool_id: String,
    /// Its workerGroup.
    pub(crate) worker_group: String,
    /// Its workerId.
    pub(crate) worker_id: String,
}

impl fmt::Display for WorkerName {
    /// As scopes have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            worker_pool_id,
            worker_group,
            worker_id,
        } = self;
        write!(f, "{worker_pool_id}/{worker_group}/{worker_id}")
    }
}

/// What a worker is doing, as far as worker-manager knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerState {
    /// It may register.
    Running,
    /// It was removed.
    Stopped,
}

impl WorkerState {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }
}

/// What is left of a secret: it tells whether another is the same.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint(pub(crate) String);

impl Fingerprint {
    /// Of a secret that nobody can guess.
    pub(crate) fn of(secret: &str) -> Self {
        let hash = Sha256::digest(secret.as_bytes());
        Self(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fingerprint").finish_non_exhaustive()
    }
}

/// A worker that worker-manager knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManagedWorker {
    /// Which.
    pub(crate) name: WorkerName,
    /// Which provider it belongs to.
    pub(crate) provider_id: String,
    /// What it is doing.
    pub(crate) state: WorkerState,
    /// How many tasks it runs at once.
    pub(crate) capacity: u32,
    /// When it was made.
    pub(crate) created: DateTime<Utc>,
    /// When it is forgotten.
    pub(crate) expires: DateTime<Utc>,
    /// When it was changed last.
    pub(crate) last_modified: DateTime<Utc>,
    /// What it proves with that it is this worker.
    pub(crate) static_secret: Fingerprint,
    /// What it registers again with; nothing before it has registered.
    pub(crate) registration: Option<Fingerprint>,
}

impl ManagedWorker {
    /// Whether it may register with this provider and this secret.
    pub(crate) fn check_registration(
        &self,
        provider_id: &str,
        static_secret: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), ApiError> {
        let who = format!("Worker {}/{}", self.name.worker_group, self.name.worker_id);
        let why = if self.expires < now {
            format!("{who} has expired")
        } else if self.provider_id != provider_id {
            format!("{who} does not have provider {provider_id}")
        } else if self.state == WorkerState::Stopped {
            format!("{who} is stopped")
        } else if static_secret.map(Fingerprint::of).as_ref() != Some(&self.static_secret) {
            "bad staticSecret".to_owned()
        } else {
            return Ok(());
        };
        Err(ApiError::input(why))
    }

    /// The same for a worker that has registered before.
    pub(crate) fn check_reregistration(&self, secret: &str, now: DateTime<Utc>) -> Result<(), ApiError> {
        // A wrong secret is told nothing else.
        if self.registration.as_ref() != Some(&Fingerprint::of(secret)) {
            return Err(wrong_registration());
        }
        let why = if self.state == WorkerState::Stopped {
            "Worker is not running"
        } else if self.expires < now {
            "Worker has expired"
        } else {
            return Ok(());
        };
        Err(ApiError::input(why))
    }

    /// Why it is no longer needed, if so.
    pub(crate) fn reason_to_terminate(
        &self,
        pool: Option<&WorkerPool>,
        now: DateTime<Utc>,
    ) -> Option<&'static str> {
        if self.state == WorkerState::Stopped {
            Some("the worker was removed")
        } else if pool.is_none_or(WorkerPool::is_deleted) {
            Some("the worker pool was deleted")
        } else if self.expires < now {
            Some("the worker has expired")
        } else {
            None
        }
    }

    /// What it may do.
    pub(crate) fn scopes(&self) -> Vec<String> {
        let WorkerName {
            worker_pool_id: pool,
            worker_group,
            worker_id,
        } = &self.name;
        let name = &self.name;
        vec![
            format!("assume:worker-type:{pool}"),
            format!("assume:worker-pool:{pool}"),
            format!("assume:worker-id:{worker_group}/{worker_id}"),
            format!("queue:worker-id:{worker_group}/{worker_id}"),
            format!("queue:claim-work:{pool}"),
            format!("secrets:get:worker-type:{pool}"),
            format!("secrets:get:worker-pool:{pool}"),
            format!("worker-manager:remove-worker:{name}"),
            format!("worker-manager:reregister-worker:{name}"),
            format!("worker-manager:should-worker-terminate:{name}"),
        ]
    }
}

/// What somebody is told who has not the secret of any registration.
pub(crate) fn wrong_registration() -> ApiError {
    ApiError::input("Could not generate credentials for this secret")
}

#[cfg(test)]
mod tests;
