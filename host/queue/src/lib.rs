//! The Taskcluster queue, from the caller's side: [`wire`] has the types of its API, [`Queue`] the calls.

mod client;
mod clock;
mod credentials;
mod error;
mod retry;
mod sign;

pub mod wire;

pub use client::{ClientOptions, NewQueueError, Queue, http_client};
pub use credentials::CredentialsHandle;
pub use error::{CallError, CallErrorKind};
