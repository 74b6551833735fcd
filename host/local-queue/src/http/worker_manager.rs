//! The worker-manager service: pools, their workers, and what workers ask of it. Workers are created by hand, and register with a
//! secret that they were given: the provider `static` of any deployment.

mod errors;
mod listing;
mod pools;
mod registration;
mod workers;

use std::sync::Arc;

use axum::Router;

use super::App;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(pools::routes())
        .merge(workers::routes())
        .merge(registration::routes())
        .merge(errors::routes())
        .merge(listing::routes())
}
