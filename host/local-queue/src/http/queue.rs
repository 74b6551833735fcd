//! The queue: tasks, their groups, their runs and their artifacts.

mod artifact_content;
mod artifacts;
mod groups;
mod objects;
mod tasks;
mod work;

use std::sync::Arc;

use axum::Router;

use super::App;

/// The queue's own calls.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(tasks::routes())
        .merge(groups::routes())
        .merge(work::routes())
        .merge(artifacts::routes())
        .merge(artifact_content::routes())
}
