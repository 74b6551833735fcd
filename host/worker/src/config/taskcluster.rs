//! Where tasks come from, and how the worker proves who it is.

use std::{net::SocketAddr, path::PathBuf};

use queue::wire;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Period, Secret};

/// The queue: of a Taskcluster deployment (`rootUrl` and `credentials`, or the registration of `workerManager`), or embedded
/// in the worker (`embedded`).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TaskclusterConfig {
    /// The root URL of a deployment, such as `https://tc.example.com`.
    #[serde(default)]
    #[schemars(regex(pattern = "^https?://[^/?#]+(/[^?#]*)?$"))]
    pub(crate) root_url: Option<String>,
    /// Credentials with the scopes `queue:claim-work:<taskQueueId>` and `queue:worker-id:<workerGroup>/<workerId>`.
    #[serde(default)]
    pub(crate) credentials: Option<CredentialsConfig>,
    /// How worker-manager knows the worker. Without it: not at all.
    #[serde(default)]
    pub(crate) worker_manager: Option<WorkerManagerConfig>,
    /// Whether the `config` of the secret `worker-pool:<taskQueueId>` counts over this file and over the pool's config.
    /// Without it: where the worker registers.
    #[serde(default)]
    pub(crate) pool_secret: Option<bool>,
    /// A queue inside the worker, with the same API, for one machine.
    #[serde(default)]
    pub(crate) embedded: Option<EmbeddedConfig>,
}

/// Taskcluster credentials.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CredentialsConfig {
    /// The name of the client.
    pub(crate) client_id: String,
    /// The secret. Keep it out of the config: `{$env: TASKCLUSTER_ACCESS_TOKEN}` or `{$file: …}`.
    pub(crate) access_token: Secret,
    /// Of temporary credentials: a JSON document as a string.
    #[serde(default)]
    pub(crate) certificate: Option<Secret>,
}

/// How worker-manager knows the worker.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    tag = "providerType",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub(crate) enum WorkerManagerConfig {
    /// The worker registers, with a secret that worker-manager was told by `createWorker`, and gets credentials that it
    /// renews; and, from the pool's definition, more of its config.
    Static {
        /// Which of the deployment's providers the pool belongs to.
        provider_id: String,
        /// The secret, of 44 characters. Keep it out of the config: `{$env: …}` or `{$file: …}`.
        static_secret: Secret,
        /// Whether the worker is removed from worker-manager when it ends. A static worker that was removed can't register
        /// again before it is created anew, so that this is for workers that begin once.
        #[serde(default)]
        remove_at_end: bool,
    },
    /// The worker has credentials of its own, and asks worker-manager only whether it is one too many, with the scope
    /// `worker-manager:should-worker-terminate:<taskQueueId>/<workerGroup>/<workerId>`.
    Standalone {},
}

/// The embedded queue.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EmbeddedConfig {
    /// Where it keeps tasks and artifacts; created if it is missing. Credentials for it are in `credentials.json` there.
    pub(crate) directory: PathBuf,
    /// Where it listens. Port 0 is any that is free.
    #[serde(default = "default_queue_listen")]
    pub(crate) listen: SocketAddr,
    /// How long a claim lasts before it must be renewed. Runs whose claims are not renewed are tried again.
    #[serde(default = "default_claim_timeout")]
    pub(crate) claim_timeout: Period,
}

impl TaskclusterConfig {
    /// Of a deployment, without a slash at the end.
    pub(crate) fn root_url(&self) -> Option<&str> {
        self.root_url.as_deref().map(|url| url.trim_end_matches('/'))
    }

    /// Whether the worker registers.
    pub(crate) fn registers(&self) -> bool {
        matches!(self.worker_manager, Some(WorkerManagerConfig::Static { .. }))
    }
}

impl From<&CredentialsConfig> for wire::Credentials {
    fn from(config: &CredentialsConfig) -> Self {
        Self {
            client_id: config.client_id.clone(),
            access_token: config.access_token.expose().to_owned(),
            certificate: config
                .certificate
                .as_ref()
                .map(|certificate| certificate.expose().to_owned()),
        }
    }
}

fn default_queue_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8042))
}

/// As in Taskcluster.
pub(crate) fn default_claim_timeout() -> Period {
    Period::seconds(1200)
}
