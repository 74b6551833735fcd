//! The worker as its users meet it: through the real program and the real HTTP API.
//!
//! Every test has a directory, a queue and workers of its own and shares nothing, so that they run side by side. A test's name
//! is a claim. Nothing is timed: tests wait for events, and what hangs fails.

#[cfg(test)]
mod kit;
#[cfg(test)]
mod named_by_tests;

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod artifacts;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod claiming;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod config;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod embedded_queue;
#[cfg(test)]
mod environment;
#[cfg(test)]
mod exit_status;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod generic_worker;
#[cfg(test)]
mod grants;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod host_functions;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod many;
#[cfg(test)]
mod max_run_time;
#[cfg(test)]
mod metrics_page;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod payloads;
#[cfg(test)]
mod plugin_directory;
#[cfg(test)]
mod plugin_faults;
#[cfg(test)]
mod plugins_gone_wrong;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod resolutions;
#[cfg(test)]
mod run_task;
#[cfg(test)]
mod scopes;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod worker_plugins;
#[cfg(test)]
mod worker_runner;
