//! The HTTP side: what is asked for, by whom, and the answer. The rules are elsewhere.

mod artifact_content;
mod artifacts;
mod call;
mod errors;
mod files;
mod groups;
mod headers;
mod pages;
mod service;
mod tasks;
mod work;

use std::{sync::Arc, time::Duration};

use axum::{Router, middleware};
use tokio_util::sync::CancellationToken;

use crate::{
    Options,
    auth::{Client, Clients},
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
    clients: Clients,
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
    pub(crate) clients: Vec<Client>,
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
            clients: Clients::new(&options.client, parts.clients),
            claim_timeout: options.claim_timeout,
            address,
            started: std::time::Instant::now(),
            stopping: parts.stopping,
        }
    }
}

/// Everything that is served.
pub(crate) fn router(app: Arc<App>) -> Router {
    let api = Router::new()
        .merge(service::routes())
        .merge(tasks::routes())
        .merge(groups::routes())
        .merge(work::routes())
        .merge(artifacts::routes())
        .merge(artifact_content::routes());
    Router::new()
        .nest("/api/queue/v1", api)
        .merge(files::routes())
        .fallback(errors::unknown_route)
        .method_not_allowed_fallback(errors::unknown_route)
        .layer(middleware::from_fn(headers::add))
        .with_state(app)
}
