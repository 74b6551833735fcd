//! Logs that can be followed over HTTP while they are written.
//!
//! ```text
//! register ─► <public URL>/log/<token> ─► handle dropped: 404 for new requests, open streams go on to the log's end
//! ```
//!
//! - `respond` makes an answer of a request and the logs there are,
//! - `range` reads the `Range` header.

mod range;
mod respond;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
};

use http::{Request, Response};

use crate::{
    LogReader,
    http::{Body, Bounds, Responder, Server},
};

/// Where logs are served.
#[derive(Clone, Debug)]
pub struct LiveLogOptions {
    /// The address to listen on. Port 0 is any that is free.
    pub listen: SocketAddr,
    /// How others reach that address, such as `https://worker-1.example.com:60023`. Without it: `http://<listen>`.
    pub public_url: Option<String>,
}

/// The address for live logs can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("live logs can't be served on {address}")]
pub struct BindError {
    /// What was asked for.
    pub address: SocketAddr,
    #[source]
    source: io::Error,
}

/// Serves the logs of all runs while they are written. Dropping it ends every connection at once;
/// [`LiveLogServer::shutdown`] lets the readers come to the end of their logs.
#[derive(Debug)]
pub struct LiveLogServer {
    logs: Logs,
    public_url: String,
    server: Server,
}

/// A log that is being served, until this is dropped.
#[derive(Debug)]
pub struct LiveLogHandle {
    logs: Logs,
    token: String,
    url: String,
}

/// The logs that are served, by token.
///
/// A token is found by a hash with a secret key (the standard one, keyed at random), so how long a wrong one takes says
/// nothing about how much of it is right.
#[derive(Clone, Debug, Default)]
struct Logs(Arc<RwLock<HashMap<String, LogReader>>>);

impl LiveLogServer {
    /// Begins to serve, with no logs yet. Called on a tokio runtime, which the server then lives on.
    ///
    /// # Errors
    /// When the address is taken, not ours, or not allowed to us.
    pub async fn start(options: LiveLogOptions) -> Result<Self, BindError> {
        Self::start_within(options, Bounds::default()).await
    }

    async fn start_within(options: LiveLogOptions, bounds: Bounds) -> Result<Self, BindError> {
        let address = options.listen;
        let logs = Logs::default();
        let server = Server::start(address, logs.clone(), bounds)
            .await
            .map_err(|source| BindError { address, source })?;
        let public_url = options
            .public_url
            .unwrap_or_else(|| format!("http://{}", server.address()));
        Ok(Self {
            logs,
            public_url: public_url.trim_end_matches('/').to_owned(),
            server,
        })
    }

    /// Serves a log under an address that can't be guessed: whoever knows it may read the log.
    #[must_use]
    pub fn register(&self, log: LogReader) -> LiveLogHandle {
        // 244 random bits.
        let token = [slugid::v4(), slugid::v4()].concat();
        let url = format!("{}/log/{token}", self.public_url);
        self.logs.insert(token.clone(), log);
        LiveLogHandle {
            logs: self.logs.clone(),
            token,
            url,
        }
    }

    /// Takes no more readers, gives those there are two seconds to come to the end of their logs, and ends them. When this
    /// returns all connections are gone and the port is free. Again it does nothing.
    ///
    /// # Cancel safety
    /// Dropped before it is ready it has begun: the server ends by itself, and a second call waits for that.
    pub async fn shutdown(&self) {
        self.server.shutdown().await;
    }
}

impl LiveLogHandle {
    /// Where the log can be followed.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for LiveLogHandle {
    fn drop(&mut self) {
        self.logs.remove(&self.token);
    }
}

impl Responder for Logs {
    const WHAT: &'static str = "live logs";

    fn respond<B>(&self, request: &Request<B>) -> Response<Body> {
        respond::respond(self, request)
    }
}

impl Logs {
    fn insert(&self, token: String, log: LogReader) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token, log);
    }

    fn remove(&self, token: &str) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(token);
    }

    fn get(&self, token: &str) -> Option<LogReader> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(token)
            .cloned()
    }
}

#[cfg(test)]
mod tests;
