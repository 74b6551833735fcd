//! One Taskcluster deployment, as one caller sees it: what all its services share.

mod call;
pub(crate) mod paths;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use url::Url;

use crate::{
    Auth, CredentialsHandle, Objects, Queue, Secrets, WorkerManager,
    clock::ServerClock,
    retry::{Pauses, Retry},
    wire::Credentials,
};

pub(crate) use call::{Call, to_json};

/// How long calls may take.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// For one try of any call but `claimWork`.
    pub call_timeout: Duration,
    /// For `claimWork`, which the queue holds for 20 s while nothing is pending.
    pub claim_timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            call_timeout: Duration::from_secs(30),
            claim_timeout: Duration::from_secs(45),
        }
    }
}

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NewDeploymentError {
    /// The root URL is none.
    #[error("the root URL {0:?} is not an http or https URL, such as https://tc.example.com")]
    RootUrl(String),
}

/// How often it is seen whether a connection is alive, and how long that may take.
const ALIVE: Duration = Duration::from_secs(10);

/// The process's HTTP client: one pool of connections, system root certificates, no redirects followed.
///
/// # Errors
/// When the TLS library or the system's root certificates can't be set up.
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    http_client_builder().build()
}

fn http_client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("taskcluster-worker/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        // All calls share one connection of HTTP/2. Where it is stuck, each that is tried again would be stuck with it.
        .http2_keep_alive_interval(ALIVE)
        .http2_keep_alive_timeout(ALIVE)
        .http2_keep_alive_while_idle(true)
}

/// A deployment. Clones share the pool of connections, the credentials and what is known of the deployment's clock.
#[derive(Clone, Debug)]
pub struct Deployment {
    http: reqwest::Client,
    root: Arc<Url>,
    credentials: Option<CredentialsHandle>,
    clock: ServerClock,
    options: ClientOptions,
    retry: Retry,
    pauses: Pauses,
}

impl Deployment {
    /// The deployment under `root_url`, for somebody who signs with `credentials`.
    ///
    /// # Errors
    /// For a root URL that is none.
    pub fn new(
        http: reqwest::Client,
        root_url: &str,
        credentials: CredentialsHandle,
        options: ClientOptions,
    ) -> Result<Self, NewDeploymentError> {
        Ok(Self {
            credentials: Some(credentials),
            ..Self::anonymous(http, root_url, options)?
        })
    }

    /// The same for somebody who signs nothing.
    ///
    /// # Errors
    /// For a root URL that is none.
    pub fn anonymous(
        http: reqwest::Client,
        root_url: &str,
        options: ClientOptions,
    ) -> Result<Self, NewDeploymentError> {
        let root = parse_root(root_url).ok_or_else(|| NewDeploymentError::RootUrl(root_url.to_owned()))?;
        Ok(Self {
            http,
            root: Arc::new(root),
            credentials: None,
            clock: ServerClock::default(),
            options,
            retry: Retry::Allowed,
            pauses: Pauses::default(),
        })
    }

    /// The same deployment for somebody else.
    #[must_use]
    pub fn with_credentials(&self, credentials: CredentialsHandle) -> Self {
        Self {
            credentials: Some(credentials),
            ..self.clone()
        }
    }

    /// The same deployment for somebody who asks again by rules of their own: each call is tried once, and may take no longer
    /// than `within` and than the options say.
    #[must_use]
    pub(crate) fn tried_once(&self, within: Duration) -> Self {
        let mut once = self.clone();
        once.retry = Retry::Never;
        once.options.call_timeout = within.min(self.options.call_timeout);
        once
    }

    /// What the deployment's clock shows, as far as its answers have told.
    #[must_use]
    pub fn server_time(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Tasks, runs and artifacts.
    #[must_use]
    pub fn queue(&self) -> Queue {
        Queue::new(self.service("queue"))
    }

    /// Scopes.
    #[must_use]
    pub fn auth(&self) -> Auth {
        Auth::new(self.service("auth"))
    }

    /// The bytes of artifacts.
    #[must_use]
    pub fn objects(&self) -> Objects {
        Objects::new(self.service("object"))
    }

    /// Values that few may read.
    #[must_use]
    pub fn secrets(&self) -> Secrets {
        Secrets::new(self.service("secrets"))
    }

    /// The lives of workers.
    #[must_use]
    pub fn worker_manager(&self) -> WorkerManager {
        WorkerManager::new(self.service("worker-manager"))
    }

    /// The credentials to sign with now.
    fn signer(&self) -> Option<Credentials> {
        self.credentials.as_ref().map(CredentialsHandle::get)
    }

    pub(crate) fn claim_timeout(&self) -> Duration {
        self.options.claim_timeout
    }

    fn service(&self, name: &'static str) -> Service {
        Service {
            deployment: self.clone(),
            name,
        }
    }
}

/// One service of a deployment.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) deployment: Deployment,
    /// As in its paths.
    name: &'static str,
}

impl Service {
    /// What a path of its API is below the root URL.
    fn path(&self, path: &str) -> String {
        format!("api/{}/v1/{path}", self.name)
    }
}

/// What all paths are below; none for a root URL that is none.
fn parse_root(root_url: &str) -> Option<Url> {
    let mut url = Url::parse(root_url).ok()?;
    let plain = url.has_host() && url.query().is_none() && url.fragment().is_none();
    if !plain || !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Some(url)
}

#[cfg(test)]
mod tests;
