//! Fuzz targets: everything in the worker that reads bytes of others, as functions of bytes. [`TARGETS`] is the one list of
//! them.
//!
//! A target is right when it returns. A panic anywhere in the process, a call that does not end, or something that is still
//! held when all is over is a finding. `cargo test` takes each target once over its corpus (`corpus/<target>`); `make fuzz`
//! gives them to libFuzzer.

mod config;
mod findings;
mod host_functions;
mod loader;
mod log;
mod payload;
mod place;
mod queue_answers;
mod task_log;
mod worker_runner;

pub use findings::Findings;
pub use host_functions::script;
pub use place::Place;

/// A target that is ready: to be called with one input after the other.
pub type Ready = Box<dyn Fn(&[u8])>;

/// Something that reads bytes of others.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of the folder of its corpus.
    pub name: &'static str,
    /// What its inputs are.
    pub inputs: &'static str,
    /// Of how many parts of the time it gets one, all targets together: what is deep gets more.
    pub share: u32,
    /// The longest input, in bytes.
    pub max_len: usize,
    /// What it takes is started here, once for all inputs.
    pub ready: fn(&Place) -> Ready,
}

/// Every target.
pub const TARGETS: [Target; 9] = [
    Target {
        name: "loader",
        inputs: "files in the plugin directory",
        share: 3,
        max_len: 64 << 10,
        ready: loader::files,
    },
    Target {
        name: "plugins",
        inputs: "what components are made of, hostile and nearly good ones",
        share: 3,
        max_len: 4 << 10,
        ready: loader::generated,
    },
    Target {
        name: "host_functions",
        inputs: "scripts of the guest `calls`: calls of every function of the contract",
        share: 6,
        max_len: 2 << 10,
        ready: host_functions::ready,
    },
    Target {
        name: "config",
        inputs: "configs in YAML, with layers over them",
        share: 3,
        max_len: 8 << 10,
        ready: config::ours,
    },
    Target {
        name: "generic_worker_config",
        inputs: "configs of generic-worker, in JSON",
        share: 1,
        max_len: 8 << 10,
        ready: config::generic_worker,
    },
    Target {
        name: "payload",
        inputs: "payload schemas of an engine and of plugins, and a payload",
        share: 2,
        max_len: 8 << 10,
        ready: payload::ready,
    },
    Target {
        name: "queue_answers",
        inputs: "what Taskcluster's services answer, in JSON",
        share: 1,
        max_len: 4 << 10,
        ready: queue_answers::ready,
    },
    Target {
        name: "task_log",
        inputs: "what tasks print and what is said of them",
        share: 1,
        max_len: 4 << 10,
        ready: task_log::ready,
    },
    Target {
        name: "worker_runner",
        inputs: "what worker-runner says",
        share: 1,
        max_len: 4 << 10,
        ready: worker_runner::ready,
    },
];
