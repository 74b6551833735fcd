//! Everything that the author of a plugin in Rust needs: a trait for each kind of plugin with a default for each hook,
//! methods on the handles that hooks get, and one export macro for each kind: [`export_task_plugin!`],
//! [`export_worker_plugin!`], and [`export_task_and_worker_plugin!`] for a plugin that is both.
//!
//! A whole plugin is a struct, a schema and the hooks it cares about:
//!
//! ```
//! use plugin_sdk::{HookError, NewTask, Plugin, TaskPlugin, environment::SetVariable as _, SandboxBuilder};
//!
//! struct Greeting(String);
//!
//! #[derive(serde::Deserialize)]
//! struct Payload {
//!     greeting: Option<String>,
//! }
//!
//! impl Plugin for Greeting {
//!     type Config = plugin_sdk::NoConfig;
//!     const NAME: &'static str = "greeting";
//!     const VERSION: &'static str = "1.0.0";
//!     const SUMMARY: &'static str = "Greets in the variable GREETING.";
//!     const PAYLOAD_SCHEMA: &'static str = r#"{"type": "object", "properties": {"greeting": {"type": "string"}}}"#;
//! }
//!
//! impl TaskPlugin for Greeting {
//!     type Payload = Payload;
//!
//!     fn new_task(task: NewTask<Self>) -> Result<Self, HookError> {
//!         Ok(Self(task.payload.and_then(|payload| payload.greeting).unwrap_or_else(|| "hello".to_owned())))
//!     }
//!
//!     fn build_sandbox(&mut self, builder: &SandboxBuilder) -> Result<(), HookError> {
//!         Ok(builder.set_variable("GREETING", &self.0)?)
//!     }
//! }
//!
//! plugin_sdk::export_task_plugin!(Greeting);
//! ```
//!
//! It is a `cdylib` crate, built with `cargo build --target wasm32-wasip2 --release`. What it imports is what it can do:
//! this one needs the grant `environment`, because it calls [`environment::SetVariable::set_variable`].

pub mod bindings;

mod capabilities;
mod error;
mod export;
mod integer;
mod plugin;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use bindings::plugin::exports::taskcluster::plugin::plugin::Section;
pub use bindings::plugin::taskcluster::plugin::types::{
    Error, ExceptionReason, HookError, TaskInfo, WorkerInfo,
};
pub use bindings::plugin::taskcluster::plugin::{
    result_set::ResultSet, sandbox::Sandbox, sandbox_builder::SandboxBuilder,
};
pub use bindings::worker::exports::taskcluster::plugin::worker_hooks::WorkerStatus;
pub use capabilities::{
    artifacts, environment, files, kill, lifecycle, log, results, task_definition, task_log,
};
pub use integer::Integer;
pub use plugin::{NewTask, NoConfig, NoPayload, Plugin, TaskPlugin, WorkerPlugin};

#[doc(hidden)]
pub use export::{TaskSlot, WorkerSlot, describe, parse_config, payload_schema};
