//! The services' calls, as far as a worker and its tools make them.

mod auth;
mod objects;
mod queue;
mod secrets;
mod worker_manager;

pub use auth::Auth;
pub use objects::Objects;
pub use queue::Queue;
pub use secrets::Secrets;
pub use worker_manager::{WorkerManager, WorkerName};
