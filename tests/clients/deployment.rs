//! What is checked: where it is, with whose credentials, and which task queue the checks have for themselves.

use std::{env, fmt, process::Command};

use anyhow::{Context as _, bail};
use taskcluster::Credentials;

/// The variables that name a deployment; the certificate is the only one that may be missing.
const VARIABLES: [&str; 4] = [
    "TASKCLUSTER_ROOT_URL",
    "TASKCLUSTER_CLIENT_ID",
    "TASKCLUSTER_ACCESS_TOKEN",
    "TASKCLUSTER_TASK_QUEUE_ID",
];
const CERTIFICATE: &str = "TASKCLUSTER_CERTIFICATE";

/// Whose services they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Our own, started for the checks.
    Embedded,
    /// Those that the environment names.
    Given,
}

/// Services that are checked.
pub(crate) struct Deployment {
    root_url: String,
    credentials: Credentials,
    task_queue_id: String,
    kind: Kind,
}

impl Deployment {
    /// The embedded services, which have no other user.
    pub(crate) fn embedded(root_url: String, credentials: Credentials) -> Self {
        Self {
            root_url,
            credentials,
            task_queue_id: "checks/client".to_owned(),
            kind: Kind::Embedded,
        }
    }

    /// The one that the environment names; none where it names no root URL.
    ///
    /// # Errors
    ///
    /// If it names a root URL, but not all of the rest.
    pub(crate) fn from_environment() -> anyhow::Result<Option<Self>> {
        let given = VARIABLES.map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
        let [root_url, client_id, access_token, task_queue_id] = given;
        let Some(root_url) = root_url else {
            return Ok(None);
        };
        let (Some(client_id), Some(access_token), Some(task_queue_id)) =
            (client_id, access_token, task_queue_id)
        else {
            bail!("TASKCLUSTER_ROOT_URL is set: set all of {}", VARIABLES.join(", "));
        };
        if !task_queue_id.contains('/') {
            bail!("TASKCLUSTER_TASK_QUEUE_ID is <provisionerId>/<workerType>");
        }
        let mut credentials = Credentials::new(client_id, access_token);
        credentials.certificate = env::var(CERTIFICATE).ok().filter(|value| !value.is_empty());
        Ok(Some(Self {
            root_url: root_url.trim_end_matches('/').to_owned(),
            credentials,
            task_queue_id,
            kind: Kind::Given,
        }))
    }

    pub(crate) fn root_url(&self) -> &str {
        &self.root_url
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The task queue that no worker but the checks claims from.
    pub(crate) fn task_queue_id(&self) -> &str {
        &self.task_queue_id
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Tells a program of the deployment, by the variables that all clients know.
    pub(crate) fn tell(&self, command: &mut Command) {
        command
            .env("TASKCLUSTER_ROOT_URL", &self.root_url)
            .env("TASKCLUSTER_CLIENT_ID", &self.credentials.client_id)
            .env("TASKCLUSTER_ACCESS_TOKEN", &self.credentials.access_token)
            .env("TASKCLUSTER_TASK_QUEUE_ID", &self.task_queue_id)
            .env_remove(CERTIFICATE)
            .env_remove("TASKCLUSTER_PROXY_URL")
            .env_remove("CHECKS_EMBEDDED");
        if let Some(certificate) = &self.credentials.certificate {
            command.env(CERTIFICATE, certificate);
        }
        if self.kind == Kind::Embedded {
            command.env("CHECKS_EMBEDDED", "1");
        }
    }

    /// The same as lines of a shell's script.
    ///
    /// # Errors
    ///
    /// If a value can't be quoted.
    pub(crate) fn script(&self) -> anyhow::Result<String> {
        let mut command = Command::new("none");
        self.tell(&mut command);
        let mut script = String::new();
        for (name, value) in command.get_envs() {
            let (name, value) = (name.to_str(), value.map(|value| value.to_str()));
            let name = name.context("a variable's name is no text")?;
            match value {
                None => script.push_str(&format!("unset {name}\n")),
                Some(value) => {
                    let value = value.context("a variable is no text")?.replace('\'', r"'\''");
                    script.push_str(&format!("export {name}='{value}'\n"));
                }
            }
        }
        Ok(script)
    }
}

/// Without the access token.
impl fmt::Debug for Deployment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Deployment")
            .field("root_url", &self.root_url)
            .field("task_queue_id", &self.task_queue_id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Embedded => "embedded services:",
            Self::Given => "deployment:",
        })
    }
}
