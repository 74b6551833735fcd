//! An engine that does what its payload says, without a process: for tests of the worker and of plugins.
//!
//! ```json
//! {
//!   "steps": [{"log": "hello"}, {"sleepMs": 20}, {"file": {"path": "out/a.txt", "content": "…"}}, {"exitCode": 1}],
//!   "faults": {"start": {"error": {"kind": "internal", "message": "out of mocks"}}, "dispose": "panic"}
//! }
//! ```
//!
//! The steps are taken one after the other while the sandbox is waited for; what goes wrong outside of them is in
//! `faults`. The engine keeps a record of the calls it got, and knows which runs have not been released.

mod builder;
mod engine;
mod payload;
mod record;
mod result_set;
mod sandbox;

pub use engine::MockEngine;
pub use record::Call;
