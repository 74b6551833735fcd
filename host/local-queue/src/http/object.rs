//! The object service: bytes that are uploaded and downloaded by the method that both sides know.

use std::sync::Arc;

use axum::Router;

use super::App;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
}
