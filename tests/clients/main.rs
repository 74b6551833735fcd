//! Official Taskcluster clients against the embedded services, or against the deployment that the environment names.
//!
//! Each check is done in Python, JavaScript and Rust with the clients that Taskcluster publishes. A check makes what it looks
//! at, plays the worker where one is needed, and cleans up. Last, a worker of ours runs a decision task of taskgraph and the
//! graph that it submits. `docs/checking-a-deployment.md` says what a deployment must allow.

mod deployment;
mod process;
mod report;
mod rust;
mod script;
mod services;
mod worker;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, bail};

use deployment::Deployment;
use report::Report;
use services::Services;

const USAGE: &str = "usage: check-deployment [--embedded] [SUITE…]

Suites: rust, python, node, taskgraph; all of them by default.
The deployment is that of TASKCLUSTER_ROOT_URL; without it, or with --embedded, the embedded services are started.";

/// What the command line says.
#[derive(Debug)]
struct Arguments {
    embedded: bool,
    suites: Vec<String>,
}

impl Arguments {
    fn parse(words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut arguments = Self {
            embedded: false,
            suites: Vec::new(),
        };
        for word in words {
            match &*word {
                "--embedded" => arguments.embedded = true,
                "rust" | "python" | "node" | "taskgraph" => arguments.suites.push(word),
                _ => bail!("{USAGE}"),
            }
        }
        Ok(arguments)
    }

    fn has(&self, suite: &str) -> bool {
        self.suites.is_empty() || self.suites.iter().any(|name| name == suite)
    }
}

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "error: {error:#}");
        ExitCode::from(2)
    })
}

fn run() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let given = if arguments.embedded {
        None
    } else {
        Deployment::from_environment()?
    };
    let runtime = tokio::runtime::Runtime::new().context("no runtime")?;
    let mut report = Report::new();
    if let Some(deployment) = given {
        check(&deployment, &arguments, &runtime, &mut report)?;
        return Ok(report.close());
    }
    let services = Services::start()?;
    check(services.deployment(), &arguments, &runtime, &mut report)?;
    if report.failed() > 0 {
        report.say(&services.log());
    }
    Ok(report.close())
}

/// Runs the suites one after the other: they share a task queue.
fn check(
    deployment: &Deployment,
    arguments: &Arguments,
    runtime: &tokio::runtime::Runtime,
    report: &mut Report,
) -> anyhow::Result<()> {
    report.say(&format!(
        "{} checks of {} with the task queue {}",
        deployment.kind(),
        deployment.root_url(),
        deployment.task_queue_id()
    ));
    if arguments.has("rust") {
        runtime.block_on(rust::run(deployment, report));
    }
    if arguments.has("python") {
        script::python(deployment, report)?;
    }
    if arguments.has("node") {
        script::node(deployment, report)?;
    }
    if arguments.has("taskgraph") {
        script::taskgraph(deployment, report)?;
    }
    Ok(())
}
