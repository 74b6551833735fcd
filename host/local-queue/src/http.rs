//! The HTTP side: what is asked for, by whom, and the answer. The rules are elsewhere.

mod auth;
mod call;
mod errors;
mod files;
mod headers;
mod index;
mod object;
mod pages;
mod purge_cache;
mod queue;
mod secrets;
mod service;
mod worker_manager;

use std::{sync::Arc, time::Duration};

use axum::{Router, middleware};
use tokio_util::sync::CancellationToken;

use crate::{
    Options,
    auth::Clients,
    content::{Addresses, ContentFiles},
    signals::Signals,
    store::Store,
};

/// What all calls share.
#[derive(Debug)]
pub(crate) struct App {
    store: Arc<Store>,
    signals: Arc<Signals>,
    content: ContentFiles,
    addresses: Addresses,
    clients: Arc<Clients>,
    claim_timeout: Duration,
    /// Where we are, for callers that do not say how they have found us.
    address: std::net::SocketAddr,
    started: std::time::Instant,
    stopping: CancellationToken,
}

/// What [`App`] is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) store: Arc<Store>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) content: ContentFiles,
    pub(crate) clients: Arc<Clients>,
    pub(crate) signing_key: Vec<u8>,
    pub(crate) stopping: CancellationToken,
}

impl App {
    pub(crate) fn new(options: &Options, address: std::net::SocketAddr, parts: Parts) -> Self {
        Self {
            store: parts.store,
            signals: parts.signals,
            content: parts.content,
            addresses: Addresses::new(parts.signing_key),
            clients: parts.clients,
            claim_timeout: options.claim_timeout,
            address,
            started: std::time::Instant::now(),
            stopping: parts.stopping,
        }
    }
}

/// Everything that is served.
pub(crate) fn router(app: Arc<App>) -> Router {
    let services = [
        ("auth", auth::routes()),
        ("index", index::routes()),
        ("object", object::routes()),
        ("purge-cache", purge_cache::routes()),
        ("queue", queue::routes()),
        ("secrets", secrets::routes()),
        ("worker-manager", worker_manager::routes()),
    ];
    let mut router = Router::new();
    for (name, routes) in services {
        router = router.nest(&format!("/api/{name}/v1"), routes.merge(service::routes()));
    }
    router
        .merge(files::routes())
        .fallback(errors::unknown_route)
        .method_not_allowed_fallback(errors::unknown_route)
        .layer(middleware::from_fn(headers::add))
        .with_state(app)
}
