//! The Taskcluster services, from the caller's side: [`wire`] has the types of their APIs, [`Deployment`] gives the services,
//! and each service its calls.

mod claims;
mod clock;
mod credentials;
mod deployment;
mod error;
mod retry;
mod services;
mod sign;

pub mod wire;

#[cfg(test)]
mod properties;

pub use claims::{Claims, Reclaimed, UnreadableClaim};
pub use credentials::CredentialsHandle;
pub use deployment::{ClientOptions, Deployment, NewDeploymentError, http_client};
pub use error::{CallError, CallErrorKind};
pub use services::{Auth, Objects, Queue, Secrets, WorkerManager, WorkerName};
