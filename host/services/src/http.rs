//! A small HTTP server: as many connections as are allowed, each served in a task of its own, all of them ended together. What
//! is answered is a [`Responder`]'s to say.
//!
//! - `connections` accepts, bounds and ends connections,
//! - `stall` ends those whose reader has stopped reading.

mod connections;
mod stall;

use std::{io, net::SocketAddr};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::{net::TcpListener, sync::Mutex};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

pub(crate) use connections::Bounds;
use connections::Connections;

/// What is sent after the head of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Answers requests. Clones answer alike.
pub(crate) trait Responder: Clone + Send + Sync + 'static {
    /// What is served, in the words of the worker's log.
    const WHAT: &'static str;

    /// The answer to a request, of which the body is not read.
    fn respond<B>(&self, request: &Request<B>) -> Response<Body>;
}

/// A server that listens. Dropping it ends every connection at once.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    /// Owns the listener and all connections; none once it is joined.
    connections: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl Server {
    /// Begins to serve. Called on a tokio runtime, which the server then lives on.
    pub(crate) async fn start(
        listen: SocketAddr,
        responder: impl Responder,
        bounds: Bounds,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let connections = Connections::new(responder, bounds, stop.clone());
        let connections = AbortOnDropHandle::new(tokio::spawn(connections.run(listener)));
        Ok(Self {
            address,
            stop,
            connections: Mutex::new(Some(connections)),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, gives those there are their grace to end, and ends them. When this returns all are gone and
    /// the port is free. Again it does nothing.
    ///
    /// # Cancel safety
    /// Dropped before it is ready it has begun: the server ends by itself, and a second call waits for that.
    pub(crate) async fn shutdown(&self) {
        self.stop.cancel();
        let mut connections = self.connections.lock().await;
        if let Some(running) = connections.as_mut() {
            if let Err(error) = running.await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "an HTTP server of the worker has failed"
                );
            }
            *connections = None;
        }
    }
}
