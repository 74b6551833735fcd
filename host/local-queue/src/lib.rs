//! The embedded services: as much of Taskcluster as workers and tasks use, for one machine, durable in SQLite.
//!
//! A worker, and the official clients, can't tell them from the real ones: the same paths under `/api/<service>/v1/`, the same
//! JSON, the same error codes, Hawk with real scopes, clients and roles. What has been acknowledged is on disk; the process may
//! be killed at any time. Calls that are not here answer 404 and say so.
//!
//! Data flows one way: `http` (parse, authenticate, answer) → `store` (one thread owns the database, and commits in groups)
//! → `task` and `artifact` (the rules, without I/O). `auth` has all that requests are checked with in memory; the database's
//! thread gives it clients and roles anew when they have changed. `due` resolves deadlines and claims that ran out, `sweep`
//! forgets what has expired, `content` keeps the bytes of artifacts.

mod artifact;
mod auth;
mod clock;
mod content;
mod due;
mod error;
mod http;
mod ids;
mod lock;
mod mac;
mod objects;
mod pool;
mod server;
mod signals;
mod store;
mod sweep;
mod task;
#[cfg(test)]
mod tests;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use queue::wire::Credentials;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{auth::Clients, http::App, signals::Signals, store::Store};

/// Where and how a queue runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Holds everything that the queue keeps. It must exist, and belongs to one queue at a time.
    pub directory: PathBuf,
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The root client, which may do everything: its scope is `*`. It also signs the credentials of tasks.
    pub client: Credentials,
    /// How long a claim lasts unless it is renewed: `takenUntil` is now plus this.
    pub claim_timeout: Duration,
}

impl Options {
    /// The defaults: claims last 20 minutes, as on any deployment.
    #[must_use]
    pub fn new(directory: PathBuf, listen: SocketAddr, client: Credentials) -> Self {
        Self {
            directory,
            listen,
            client,
            claim_timeout: Duration::from_secs(1200),
        }
    }
}

/// Why a queue could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process, or another queue of this one, has the directory.
    #[error("the directory {directory:?} is in use by another queue")]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// The directory can't be read or written.
    #[error("the directory {directory:?} can't be used")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The database can't be opened.
    #[error("the database {path:?} can't be used")]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database was written by a newer version.
    #[error("the database {path:?} has version {found}, and this program knows versions up to {known}")]
    NewerDatabase {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The address can't be listened on.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// A running queue. Dropped without [`shutdown`](Self::shutdown) it ends too, but nobody waits for it.
#[derive(Debug)]
pub struct LocalQueue {
    address: SocketAddr,
    stopping: CancellationToken,
    tasks: JoinSet<()>,
    store: Arc<Store>,
    /// Tests wait until somebody waits.
    #[cfg(test)]
    signals: Arc<Signals>,
}

impl LocalQueue {
    /// Opens the directory and serves it until [`shutdown`](Self::shutdown).
    ///
    /// # Errors
    /// When the directory is in use or can't be used, or the address can't be listened on.
    ///
    /// # Cancel safety
    /// Dropped half-way it leaves nothing but files that the next start takes over.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let signals = Arc::new(Signals::default());
        let clients = Arc::new(Clients::new(&options.client));
        let opened = {
            let (directory, signals) = (options.directory.clone(), Arc::clone(&signals));
            let clients = Arc::clone(&clients);
            tokio::task::spawn_blocking(move || store::open(&directory, signals, clients))
                .await
                .map_err(|error| StartError::Directory {
                    directory: options.directory.clone(),
                    source: io::Error::other(error),
                })??
        };
        let listen = |source| StartError::Listen {
            address: options.listen,
            source,
        };
        let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let stopping = CancellationToken::new();
        let store = Arc::new(opened.store);
        let app = Arc::new(App::new(
            &options,
            reachable(address),
            http::Parts {
                store: Arc::clone(&store),
                signals: Arc::clone(&signals),
                content: opened.content.clone(),
                clients,
                signing_key: opened.signing_key,
                stopping: stopping.clone(),
            },
        ));
        let mut tasks = JoinSet::new();
        tasks.spawn(server::serve(listener, http::router(app), stopping.clone()));
        tasks.spawn(due::run(
            Arc::clone(&store),
            Arc::clone(&signals),
            stopping.clone(),
        ));
        tasks.spawn(sweep::run(Arc::clone(&store), opened.content, stopping.clone()));
        tracing::info!(%address, directory = %options.directory.display(), "queue started");
        Ok(Self {
            address,
            stopping,
            tasks,
            store,
            #[cfg(test)]
            signals,
        })
    }

    /// The root URL for clients on this machine: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn root_url(&self) -> String {
        format!("http://{}", reachable(self.address))
    }

    /// Stops: requests under way are answered, long polls return empty at once, everything is joined and closed.
    pub async fn shutdown(mut self) {
        self.stopping.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the queue has failed");
            }
        }
        self.store.close().await;
    }
}

impl Drop for LocalQueue {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// An address that clients on this machine can connect to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}
