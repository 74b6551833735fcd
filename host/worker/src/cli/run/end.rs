//! How a worker in generic-worker's place ends: what is told of it, to whom, and with which status.

use std::collections::BTreeMap;

use crate::{
    cli::{chain, say},
    config::Config,
    exit::RunExit,
    generic_worker::ShutdownMachine,
    metrics::WorkerMetrics,
    runner::{ErrorReport, Link},
};

/// An error that ends the worker, and how.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: RunExit,
    pub(super) error: anyhow::Error,
}

/// What is known of the worker when it ends, which depends on how far it has come.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) shutdown: ShutdownMachine,
    metrics: Option<WorkerMetrics>,
    /// What those who look after the pool want to know of the worker when it is broken.
    facts: BTreeMap<&'static str, String>,
}

impl Failure {
    /// What was to be there is not, or is broken.
    pub(super) fn internal(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: RunExit::Internal,
            error: error.into(),
        }
    }
}

impl Known {
    /// The worker has a config.
    pub(super) fn learn(&mut self, config: &Config, metrics: WorkerMetrics) {
        self.facts = facts(config);
        self.metrics = Some(metrics);
    }

    /// Tells everyone how the worker has ended, and answers the status of the process. worker-runner looks after the machine
    /// only where that is 0, or where it is told to before.
    pub(super) fn tell(self, exit: Result<RunExit, Failure>, link: Option<&Link>) -> RunExit {
        let (exit, broken) = match exit {
            Ok(RunExit::Internal) => {
                let description = "the worker can't go on, as its log says".to_owned();
                (RunExit::Internal, Some(description))
            }
            Ok(exit) => (exit, None),
            Err(Failure { exit, error }) => (exit, Some(chain(&error))),
        };
        if let Some(description) = broken {
            tell_error(description, self.facts, link);
        }
        if let Some(metrics) = self.metrics.filter(|_| ends_the_machine(exit)) {
            metrics.instance_shutdown();
        }
        if wants_no_machine(exit, self.shutdown) && !link.is_some_and(Link::shut_down) {
            tracing::warn!(
                status = exit.status(),
                "the machine is not wanted any more: it is left to whoever has started the worker to shut it down"
            );
        }
        tracing::info!(?exit, status = exit.status(), "the worker has ended");
        exit
    }
}

fn tell_error(description: String, mut facts: BTreeMap<&'static str, String>, link: Option<&Link>) {
    let line = format!("error: {description}");
    match link {
        Some(link) => {
            link.say(&line);
            facts.insert("version", env!("CARGO_PKG_VERSION").to_owned());
            let extra = facts;
            link.report_error(&ErrorReport { description, extra });
        }
        None => say(&line),
    }
}

/// Whether the machine usually ends with the worker, for the tools that watch pools.
fn ends_the_machine(exit: RunExit) -> bool {
    matches!(exit, RunExit::Idle | RunExit::Internal | RunExit::WorkerManager)
}

/// Whether the machine is to be shut down: as the config says, and always where worker-manager wants it gone.
fn wants_no_machine(exit: RunExit, shutdown: ShutdownMachine) -> bool {
    match exit {
        RunExit::Idle => shutdown.when_idle,
        RunExit::Internal => shutdown.on_internal_error,
        RunExit::WorkerManager => true,
        RunExit::TasksDone
        | RunExit::CanNotLoadConfig
        | RunExit::Interrupted
        | RunExit::Shutdown
        | RunExit::InvalidConfig
        | RunExit::ProtocolPipe => false,
    }
}

/// What is told of a worker with an error.
fn facts(config: &Config) -> BTreeMap<&'static str, String> {
    let worker = &config.worker;
    let (provisioner_id, worker_type) = worker.task_queue_id.split_once('/').unwrap_or_default();
    let instance_type = worker.metadata.get("instanceType").map(String::as_str);
    BTreeMap::from(
        [
            ("engine", config.engine.name()),
            ("instanceType", instance_type.unwrap_or_default()),
            ("provisionerId", provisioner_id),
            ("rootURL", config.taskcluster.root_url().unwrap_or_default()),
            ("workerGroup", &worker.worker_group),
            ("workerId", &worker.worker_id),
            ("workerType", worker_type),
        ]
        .map(|(key, fact)| (key, fact.to_owned())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_goes_where_the_config_or_worker_manager_says_so() {
        let never = ShutdownMachine::default();
        let when_idle = ShutdownMachine {
            when_idle: true,
            ..never
        };
        let on_internal_error = ShutdownMachine {
            on_internal_error: true,
            ..never
        };
        for (exit, shutdown, expected) in [
            (RunExit::Idle, never, false),
            (RunExit::Idle, when_idle, true),
            (RunExit::Internal, when_idle, false),
            (RunExit::Internal, on_internal_error, true),
            (RunExit::Idle, on_internal_error, false),
            (RunExit::WorkerManager, never, true),
            (RunExit::TasksDone, when_idle, false),
            (RunExit::Shutdown, on_internal_error, false),
        ] {
            assert_eq!(
                wants_no_machine(exit, shutdown),
                expected,
                "{exit:?} {shutdown:?}"
            );
        }
    }
}
