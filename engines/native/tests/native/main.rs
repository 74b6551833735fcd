//! The native engine, through real processes.
//!
//! A supervisor is the program of the worker started again, and here that of the test: so this `main` does what a worker's does
//! first, and then runs the tests one after the other. As root it runs them a second time as `nobody`, since a worker without
//! rights has no cgroups and ends tasks by other means.

use std::process::ExitCode;

#[cfg(test)]
mod cgroups;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod environment;
#[cfg(test)]
mod extraction;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod leftovers;
#[cfg(test)]
mod runner;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(kit::TASK_PROCESS) => engine_native::task_process_main(),
        Some(leftovers::WORKER) => leftovers::work(arguments),
        _ => runner::run(&[
            cgroups::TESTS,
            commands::TESTS,
            contract::TESTS,
            ending::TESTS,
            environment::TESTS,
            extraction::TESTS,
            leftovers::TESTS,
        ]),
    }
}
