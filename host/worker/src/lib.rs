//! The worker, of which the program is one line. `app` puts everything together, `cli` is what people see of it; `worker`
//! claims tasks, `launch` makes runs of claims, `task` is the life of one run.
//!
//! It is a library for one reason: the fuzz targets in `tests/fuzz` reach what reads bytes of others by [`fuzz`].

mod app;
mod backoff;
mod cli;
mod config;
mod counts;
mod credentials_file;
mod exit;
pub mod fuzz;
mod generic_worker;
mod launch;
mod located;
mod manager;
mod metrics;
mod metrics_page;
mod observe;
mod patience;
mod payload;
mod ports;
mod registration;
mod root;
mod runner;
mod schema;
mod signals;
mod start;
mod status_poll;
mod stop;
mod task;
mod worker;
mod yaml;

/// Runs the process. What it answers is the exit status.
pub fn main() -> std::process::ExitCode {
    app::main()
}
