//! The binary. `app` puts everything together, `cli` is what people see of it; `worker` claims tasks, `launch` makes runs of
//! claims, `task` is the life of one run.

mod app;
mod backoff;
mod cli;
mod config;
mod credentials_file;
mod exit;
mod generic_worker;
mod launch;
mod located;
mod manager;
mod metrics;
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

fn main() -> std::process::ExitCode {
    app::main()
}
