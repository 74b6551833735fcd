//! The native engine: a task is a tree of processes on this machine.
//!
//! `task.payload.command` is a list of commands, each a list of arguments. They run one after the other, up to the first that
//! fails, as the worker's own user, in a directory of the task's own, which is their `HOME`.
//!
//! ```text
//! worker ── one thread for each task ──socket──▶ supervisor ──▶ command ──▶ …
//!   ▲                                  ◀──pipe──────────────────────┴───────┘
//!   └── NativeEngine, NativeBuilder, NativeSandbox, NativeResultSet
//! ```
//!
//! Each task has a supervisor ([`task_process_main`]): the worker's program started once more, which starts the commands and
//! ends them, whatever they do to get away. All that the commands print goes through one pipe to the worker, in order.
//!
//! This engine keeps tasks from being in each other's way, and not from doing harm: see [`NativeEngine`].

mod builder;
mod config;
mod engine;
mod environment;
mod files;
mod holdings;
mod leftovers;
mod linux;
mod payload;
mod protocol;
mod result_set;
mod sandbox;
mod supervisor;
mod task_process;

pub use config::NativeConfig;
pub use engine::{NativeEngine, NewEngineError};
pub use leftovers::LeftoversError;
pub use payload::schema as payload_schema;
pub use supervisor::task_process_main;
pub use task_process::TaskProcessCommand;

/// Does what may block where that harms nobody. The error is that of a panic.
async fn blocking<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> std::io::Result<T> {
    Ok(tokio::task::spawn_blocking(what).await?)
}
