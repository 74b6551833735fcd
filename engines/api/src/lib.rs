//! What an engine is: the traits between the worker and whatever runs a task's commands.
//!
//! An [`Engine`] makes a [`SandboxBuilder`] for a run; plugins configure it; [`SandboxBuilder::start`] turns it into a
//! [`Sandbox`]; [`Sandbox::wait`] turns that into a [`ResultSet`]; [`ResultSet::dispose`] ends it. Each step consumes the
//! one before, so at every moment a run holds exactly one thing that must be released:
//!
//! ```text
//! Engine ──new_builder──▶ SandboxBuilder ──start──▶ Sandbox ──wait──▶ ResultSet ──dispose──▶ nothing
//!                              │ discard                │ wait, cancelled
//!                              ▼                        ▼
//!                           nothing                  nothing
//! ```
//!
//! # Cancellation
//!
//! No future of an engine is dropped before it is ready. What may take long (`new_builder`, `start`, `wait`) takes a
//! [`CancellationToken`](tokio_util::sync::CancellationToken) instead and is awaited to its end: when the token fires, the
//! call stops what it does at once, releases all that it holds, and answers that it was cancelled.

mod chain;
mod content;
mod engine;
mod error;
mod log;
mod result_set;
mod run;
mod sandbox;

pub mod conformance;

pub use chain::chain;
pub use content::{BytesContent, Content, ContentReader};
pub use engine::{Engine, RunContext};
pub use error::{DisposeError, EngineError, EngineErrorKind, KillError, SetVariableError};
pub use log::{LogLevel, LogSink, is_active};
pub use result_set::{ExtractError, FolderEntry, FolderWalk, ResultSet};
pub use run::RunKey;
pub use sandbox::{Sandbox, SandboxBuilder, SandboxEnd};
