//! Accepts connections, as many as are allowed, serves each in a task of its own, and ends them all.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Responder, stall::ImpatientStream};

/// What strangers may take up.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Connections at a time. Further ones wait until one ends.
    pub(crate) connections: usize,
    /// How long a request's head may take to arrive; also how long a connection may be idle between requests.
    pub(crate) head: Duration,
    /// How long a reader may take nothing of what there is. Long, since people page through logs.
    pub(crate) stall: Duration,
    /// How long readers have when the server shuts down.
    pub(crate) grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 256,
            head: Duration::from_secs(10),
            stall: Duration::from_mins(10),
            grace: Duration::from_secs(2),
        }
    }
}

/// The owner of all connections.
#[derive(Debug)]
pub(super) struct Connections<R> {
    responder: R,
    bounds: Bounds,
    stop: CancellationToken,
    places: Arc<Semaphore>,
    running: JoinSet<()>,
}

impl<R: Responder> Connections<R> {
    /// None yet. `stop` ends them.
    pub(super) fn new(responder: R, bounds: Bounds, stop: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(bounds.connections));
        Self {
            responder,
            bounds,
            stop,
            places,
            running: JoinSet::new(),
        }
    }

    /// Serves until it is told to stop; then all connections have ended.
    pub(super) async fn run(mut self, listener: TcpListener) {
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // Ended ones are joined as they end, so that the set does not grow.
                Some(_) = self.running.join_next() => {}
                (stream, place) = accept::<R>(&listener, &self.places) => self.serve(stream, place),
            }
        }
        // Nobody waits in vain for an answer to a connection that will not be taken.
        drop(listener);
        let all_ended = async { while self.running.join_next().await.is_some() {} };
        if timeout(self.bounds.grace, all_ended).await.is_err() {
            tracing::debug!(readers = self.running.len(), "readers of {} are cut off", R::WHAT);
            self.running.shutdown().await;
        }
    }

    fn serve(&mut self, stream: TcpStream, place: OwnedSemaphorePermit) {
        let connection = serve(
            stream,
            self.responder.clone(),
            self.bounds.clone(),
            self.stop.clone(),
        );
        self.running.spawn(async move {
            connection.await;
            drop(place);
        });
    }
}

/// The next connection, once there is a place for one.
async fn accept<R: Responder>(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            // The semaphore is never closed.
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            // The peer gave up before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Out of descriptors or memory: it will not be better at once.
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a reader of {} can't be accepted",
                    R::WHAT
                );
                sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

/// One connection, to its end.
async fn serve<R: Responder>(stream: TcpStream, responder: R, bounds: Bounds, stop: CancellationToken) {
    // A line is to arrive when it is printed; where that can't be set it arrives a little later.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let response = responder.respond(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .serve_connection(TokioIo::new(ImpatientStream::new(stream, bounds.stall)), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            // Answers the request that is being answered, and no other.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "a reader of {} is gone",
            R::WHAT
        );
    }
}
