//! The worker-manager service: workers that register, ask whether to end, and report errors.

use std::sync::Arc;

use axum::Router;

use super::App;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
}
