//! The queue: tasks, their groups, their runs and their artifacts.

mod artifact_content;
mod artifacts;
mod groups;
mod objects;
mod task_queues;
mod tasks;
mod work;
mod workers;

pub(super) use workers::{listed_worker, no_such_worker, seen_worker, worker_to_json};

use std::sync::Arc;

use axum::Router;

use super::App;

/// The queue's own calls.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(tasks::routes())
        .merge(groups::routes())
        .merge(work::routes())
        .merge(workers::routes())
        .merge(task_queues::routes())
        .merge(artifacts::routes())
        .merge(artifact_content::routes())
}
