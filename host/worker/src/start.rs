//! From a config's file to a worker that may begin: it gains access to its deployment, by credentials or by a registration, and
//! what the deployment says of its config is laid over what the file says.

use queue::{CallError, ClientOptions, CredentialsHandle, Deployment, NewDeploymentError};
use serde_json::{Map, Value};

use crate::{
    config::{
        Config, ConfigError, Draft, Identity, Layer, NoSecret, Secrets, WorkerManagerConfig, keys, ours,
    },
    patience::{NoAnswer, Patience},
    registration::{AtEnd, RegisterError, Registration, StaticProof},
    root::{Access, ManagedWorker},
};

/// Why a worker can't begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Its config is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It is not registered.
    #[error(transparent)]
    Register(Box<RegisterError>),
    /// The secrets service can't be asked.
    #[error("the secret {name} can't be asked for")]
    Secret {
        /// Of the secret.
        name: String,
        /// Why.
        #[source]
        source: Box<CallError>,
    },
    /// There is no HTTP client.
    #[error("the HTTP client can't be made")]
    Http(#[from] reqwest::Error),
    /// There is no such deployment.
    #[error(transparent)]
    Deployment(#[from] NewDeploymentError),
    /// The worker was told to stop.
    #[error("told to stop before the worker began")]
    Stopped,
}

impl From<RegisterError> for StartError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Stopped => Self::Stopped,
            error @ (RegisterError::Refused { .. } | RegisterError::Unreachable(_)) => {
                Self::Register(Box::new(error))
            }
        }
    }
}

/// A worker that may begin.
#[derive(Debug)]
pub(crate) struct Start {
    /// All of its config.
    pub(crate) config: Config,
    /// None: the queue is the one that the config embeds.
    pub(crate) access: Option<Access>,
    /// To be kept while the worker works.
    pub(crate) registration: Option<Registration>,
}

/// Access to a deployment.
#[derive(Debug)]
pub(crate) struct Gained {
    access: Access,
    deployment: Deployment,
    registration: Option<Registration>,
    /// What the pool's definition says of the worker's config.
    pool_config: Map<String, Value>,
}

/// Gains access and completes the config.
///
/// # Errors
/// When either is impossible. Worker-manager is told, where it knows the worker.
pub(crate) async fn start(draft: Draft, patience: &Patience<'_>) -> Result<Start, StartError> {
    let identity = draft.identity()?;
    let Some(gained) = gain(&identity, patience).await? else {
        return Ok(Start {
            config: draft.finish()?,
            access: None,
            registration: None,
        });
    };
    let completed = complete(draft, &identity, &gained, patience).await;
    match completed.and_then(|draft| Ok(draft.finish()?)) {
        Ok(config) => Ok(Start {
            config,
            access: Some(gained.access),
            registration: gained.registration,
        }),
        Err(error) => {
            if let (StartError::Config(wrong), Some(managed)) = (&error, &gained.access.manager) {
                managed
                    .report_error("the worker's config is wrong", &wrong.to_string())
                    .await;
            }
            if let Some(registration) = gained.registration {
                registration.end().await;
            }
            Err(error)
        }
    }
}

/// Gains access to the deployment of a config; none where the config embeds a queue.
///
/// # Errors
/// When worker-manager does not register the worker.
pub(crate) async fn gain(identity: &Identity, patience: &Patience<'_>) -> Result<Option<Gained>, StartError> {
    let Identity { taskcluster, name } = identity;
    let Some(root_url) = taskcluster.root_url() else {
        return Ok(None);
    };
    let anonymous = Deployment::anonymous(queue::http_client()?, root_url, ClientOptions::default())?;
    if let Some(WorkerManagerConfig::Static {
        provider_id,
        static_secret,
        remove_at_end,
    }) = &taskcluster.worker_manager
    {
        let proof = StaticProof {
            provider_id: provider_id.clone(),
            static_secret: static_secret.expose().to_owned(),
        };
        let at_end = if *remove_at_end {
            AtEnd::Remove
        } else {
            AtEnd::Stay
        };
        let (registration, pool_config) =
            Registration::register(&anonymous, root_url, name.clone(), (proof, at_end), patience).await?;
        let access = registration.access();
        return Ok(Some(Gained {
            deployment: anonymous.with_credentials(access.credentials.clone()),
            access,
            registration: Some(registration),
            pool_config,
        }));
    }
    let Some(credentials) = &taskcluster.credentials else {
        return Ok(None);
    };
    let credentials = CredentialsHandle::new(credentials.into());
    let deployment = anonymous.with_credentials(credentials.clone());
    let manager = taskcluster.worker_manager.as_ref().map(|_| ManagedWorker {
        manager: deployment.worker_manager(),
        name: name.clone(),
    });
    Ok(Some(Gained {
        access: Access {
            root_url: root_url.to_owned(),
            credentials,
            manager,
        },
        deployment,
        registration: None,
        pool_config: Map::new(),
    }))
}

/// Lays what the deployment says over a draft, and fills the values of secrets in.
///
/// # Errors
/// When what has come of it is wrong, or the secrets service can't be reached and `patience` ends.
pub(crate) async fn complete(
    mut draft: Draft,
    identity: &Identity,
    gained: &Gained,
    patience: &Patience<'_>,
) -> Result<Draft, StartError> {
    lay(&mut draft, &Layer::WorkerManager, gained.pool_config.clone())?;
    let mut secrets = Secrets::default();
    let wanted = identity.taskcluster.pool_secret;
    if wanted.unwrap_or(identity.taskcluster.registers()) {
        let name = format!("worker-pool:{}", identity.name.worker_pool_id);
        let answer = ask(&gained.deployment, &name, patience).await?;
        secrets.add(&name, answer.clone());
        match answer {
            Ok(secret) => lay_secret(&mut draft, name, secret)?,
            Err(NoSecret::Missing) => tracing::info!(name, "the pool has no secret"),
            Err(NoSecret::Forbidden) => {
                tracing::warn!(name, "the worker may not read the secret of its pool");
            }
            Err(NoSecret::Refused(why)) => tracing::warn!(name, why, "the secret of the pool can't be read"),
        }
    }
    for name in draft.secrets() {
        if !secrets.has(&name) {
            let answer = ask(&gained.deployment, &name, patience).await?;
            secrets.add(&name, answer);
        }
    }
    draft.fill(&secrets)?;
    Ok(draft)
}

/// Lays the config that is in the pool's secret over a draft. Its files are worker-runner's to write.
fn lay_secret(draft: &mut Draft, name: String, mut secret: Map<String, Value>) -> Result<(), StartError> {
    let files = secret.get("files").and_then(Value::as_array);
    if files.is_some_and(|files| !files.is_empty()) {
        tracing::warn!(
            name,
            "files of the pool's secret are not written: only its config is used"
        );
    }
    match secret.remove("config") {
        Some(Value::Object(config)) => lay(draft, &Layer::PoolSecret(name), config),
        None => Ok(()),
        Some(_) => {
            tracing::warn!(
                name,
                "the config of the pool's secret is no object, and is not used"
            );
            Ok(())
        }
    }
}

/// Lays what is ours of a config over a draft.
fn lay(draft: &mut Draft, layer: &Layer, config: Map<String, Value>) -> Result<(), StartError> {
    let found = ours(config, &keys());
    if let Some(warning) = found.warning {
        tracing::warn!("{layer} is not all used: {warning}");
    }
    if let Some(config) = found.config {
        draft.lay_over(layer, config)?;
        tracing::info!("{layer} counts over the config's file");
    }
    Ok(())
}

async fn ask(
    deployment: &Deployment,
    name: &str,
    patience: &Patience<'_>,
) -> Result<Result<Map<String, Value>, NoSecret>, StartError> {
    let service = deployment.secrets();
    let answer = patience
        .until_answered("the secrets service", || service.get(name))
        .await;
    match answer {
        Ok(secret) => Ok(Ok(secret.secret)),
        Err(NoAnswer::Refused(error)) => Ok(Err(match error.refused_with() {
            Some(404 | 410) => NoSecret::Missing,
            Some(403) => NoSecret::Forbidden,
            _ => NoSecret::Refused(error.to_string()),
        })),
        Err(NoAnswer::Unreachable(source)) => Err(StartError::Secret {
            name: name.to_owned(),
            source: Box::new(source),
        }),
        Err(NoAnswer::Stopped) => Err(StartError::Stopped),
    }
}
