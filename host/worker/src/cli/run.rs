//! `run`: this worker in generic-worker's place, with that one's command line, config and exit statuses, started by
//! worker-runner or by a service manager.

use std::{
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use futures_util::FutureExt as _;
use queue::{CredentialsHandle, Deployment, WorkerName, wire::Credentials};

use super::{LogFormat, Outcome, chain, logging, places, print, work::LoggedProgress};
use crate::{
    config::{self, Config, Draft},
    exit::{Exit, RunExit},
    generic_worker::{self, ShutdownMachine},
    metrics::{Say, WorkerMetrics},
    patience::Patience,
    root::{Access, ManagedWorker, Root, WorkOptions},
    runner::{ConnectError, Connection, Instruction, RunningTasks},
    signals::{Signals, Which},
    start::{self, Start, StartError},
    stop::{Reason, StopHandle},
    task::run::panic_message,
};

mod end;

use end::{Failure, Known};

/// For the help of the command.
pub(super) const EXIT_STATUS: &str = "\
Exit status, as of generic-worker: 0 as many tasks were run as were to be, 64 the config can't be loaded, 68 idle for too \
long, 69 something is broken, 70 worker-manager does not want the worker any more, 71 interrupted, 72 told to end, 73 the config \
is wrong, 78 worker-runner can't be talked to.";
/// How long worker-runner has to say its welcome. It does so at once; what is no worker-runner never does.
const WELCOME: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// generic-worker's config, in JSON. What it has no word for is in its member taskclusterWorker, as in the config of
    /// `work`
    #[arg(short, long, value_name = "FILE", default_value = "generic-worker.config")]
    config: PathBuf,
    /// Speak worker-runner's protocol on standard input and output
    #[arg(long)]
    with_worker_runner: bool,
    /// With worker-runner, speak it over the pipes PIPE-input and PIPE-output instead
    #[arg(long, value_name = "PIPE")]
    worker_runner_protocol_pipe: Option<PathBuf>,
}

/// Works, from the first line to worker-runner to the last.
pub(super) async fn run(root: &dyn Root, args: &RunArgs, format: LogFormat) -> Outcome {
    let mut connection = match args.connect() {
        Ok(connection) => connection,
        Err(error) => {
            super::say(&format!("error: {}", chain(&error.into())));
            return Ok(Exit::Run(RunExit::ProtocolPipe));
        }
    };
    match &connection {
        Some(connection) => {
            let link = connection.link().clone();
            logging::start_to(link, format, logging::Quiet::No, logging::Colours::No);
        }
        None => logging::start(format, logging::Quiet::No),
    }
    let mut known = Known::default();
    let work = AssertUnwindSafe(work(root, args, connection.as_mut(), &mut known));
    // A panic is told as everything else that breaks.
    let exit = work.catch_unwind().await.unwrap_or_else(|panic| {
        let message = panic_message(&*panic);
        Err(Failure::internal(anyhow::anyhow!(
            "panic in the worker: {message}"
        )))
    });
    let exit = known.tell(exit, connection.as_ref().map(Connection::link));
    if let Some(connection) = connection {
        // What was said last is to be written, which takes as long as worker-runner takes to read it.
        let _ = tokio::task::spawn_blocking(|| connection.end()).await;
    }
    Ok(Exit::Run(exit))
}

impl RunArgs {
    /// None where there is no worker-runner.
    fn connect(&self) -> Result<Option<Connection>, ConnectError> {
        if !self.with_worker_runner {
            return Ok(None);
        }
        match self.worker_runner_protocol_pipe.as_deref() {
            Some(pipe) if !pipe.as_os_str().is_empty() => Connection::over_pipe(pipe),
            _ => Connection::over_stdio(),
        }
        .map(Some)
    }
}

/// From the config to the end of the last task.
async fn work(
    root: &dyn Root,
    args: &RunArgs,
    mut connection: Option<&mut Connection>,
    known: &mut Known,
) -> Result<RunExit, Failure> {
    if let Some(connection) = &connection {
        connection.greeted(WELCOME).await;
    }
    let (draft, shutdown, plugin_directory) = read(&args.config)?;
    known.shutdown = shutdown;
    let stop = StopHandle::new();
    let _signals = listen(&stop).map_err(Failure::internal)?;
    let mut signing = Signing::Later(None);
    let patience = Patience::Of(&stop);
    let start = start::start(draft, &patience);
    let (config, mut access) = match attend(start, connection.as_deref_mut(), &stop, &mut signing).await {
        Ok(Start {
            config,
            access: Some(access),
            ..
        }) => (config, access),
        Ok(_) => {
            return Err(Failure::internal(anyhow::anyhow!(
                "the config names no deployment"
            )));
        }
        Err(error) => return not_started(error, &stop),
    };
    signing.begin(&access.credentials);
    if connection.is_some() {
        access.manager = Some(managed(&config, &access).map_err(Failure::internal)?);
    }
    let metrics = WorkerMetrics::new(&config.worker, say(connection.as_deref()));
    metrics.instance_boot();
    known.learn(&config, metrics.clone());
    let options = WorkOptions {
        plugin_directory,
        compiler: places::compiler().map_err(Failure::internal)?,
        progress: Arc::new(LoggedProgress),
        observer: Arc::new(metrics),
        access: Some(access),
    };
    let work = root.work(config, options, stop.clone());
    attend(work, connection, &stop, &mut signing)
        .await
        .map_err(Failure::internal)?;
    // A worker ends for a reason.
    Ok(stop.reason().map_or(RunExit::Internal, RunExit::from))
}

/// What it means that the worker could not begin.
fn not_started(error: StartError, stop: &StopHandle) -> Result<RunExit, Failure> {
    match (&error, stop.reason()) {
        (StartError::Stopped, Some(reason)) => Ok(reason.into()),
        (StartError::Config(_) | StartError::Deployment(_), _) => Err(Failure {
            exit: RunExit::InvalidConfig,
            error: error.into(),
        }),
        _ => Err(Failure::internal(error)),
    }
}

/// Where lines go that are for programs: into worker-runner's log, or to standard output.
fn say(connection: Option<&Connection>) -> Say {
    match connection {
        Some(connection) => {
            let link = connection.link().clone();
            Arc::new(move |line: &str| link.say(line))
        }
        None => Arc::new(print),
    }
}

/// Reads the config, and looks for the plugins. Nothing is begun.
fn read(file: &Path) -> Result<(Draft, ShutdownMachine, PathBuf), Failure> {
    let can_not_load = |error: anyhow::Error| Failure {
        exit: RunExit::CanNotLoadConfig,
        error,
    };
    let invalid = |error: anyhow::Error| Failure {
        exit: RunExit::InvalidConfig,
        error,
    };
    let members = generic_worker::load(file).map_err(|error| can_not_load(error.into()))?;
    let plugin_directory = places::plugin_directory(members.plugin_directory()).map_err(Failure::internal)?;
    let translated = generic_worker::translate(members, &config::plugins_in(&plugin_directory))
        .map_err(|error| invalid(error.into()))?;
    for warning in &translated.warnings {
        tracing::warn!(config = %file.display(), "{warning}");
    }
    for note in &translated.notes {
        tracing::info!(config = %file.display(), "{note}");
    }
    let folder = std::env::current_dir().map_err(|error| can_not_load(error.into()))?;
    let origin = format!("{}, in this worker's own words", file.display());
    let draft =
        Draft::of_value(translated.config, &origin, &folder).map_err(|error| invalid(error.into()))?;
    Ok((draft, translated.shutdown, plugin_directory))
}

/// The worker as worker-manager knows it, with which worker-runner has registered it.
fn managed(config: &Config, access: &Access) -> anyhow::Result<ManagedWorker> {
    let deployment = Deployment::new(
        queue::http_client()?,
        &access.root_url,
        access.credentials.clone(),
        (&config.queue).into(),
    )?;
    Ok(ManagedWorker {
        manager: deployment.worker_manager(),
        name: WorkerName {
            worker_pool_id: config.worker.task_queue_id.clone(),
            worker_group: config.worker.worker_group.clone(),
            worker_id: config.worker.worker_id.clone(),
        },
    })
}

/// As generic-worker does: SIGTERM leaves no time for running tasks, SIGINT does, and a second signal of either kind does not.
/// The one after that ends the process at once.
fn listen(stop: &StopHandle) -> std::io::Result<Signals> {
    let (first, second) = (stop.clone(), stop.clone());
    Signals::listen(vec![
        Box::new(move |which| match which {
            Which::Interrupt => first.graceful(which.into(), "SIGINT"),
            Which::Terminate => first.now(which.into(), "SIGTERM"),
        }),
        Box::new(move |which| second.now(which.into(), "a second signal")),
    ])
}

/// Where new credentials go.
#[derive(Debug)]
enum Signing {
    /// The worker does not sign yet: they wait.
    Later(Option<Credentials>),
    /// To everything that signs.
    Now(CredentialsHandle),
}

impl Signing {
    fn begin(&mut self, handle: &CredentialsHandle) {
        if let Self::Later(Some(newer)) = std::mem::replace(self, Self::Now(handle.clone())) {
            handle.set(newer);
        }
    }

    fn renew(&mut self, new: Credentials) {
        match self {
            Self::Later(waiting) => *waiting = Some(new),
            Self::Now(handle) => handle.set(new),
        }
    }
}

/// Does what worker-runner says while something is done.
async fn attend<T>(
    work: impl Future<Output = T>,
    mut connection: Option<&mut Connection>,
    stop: &StopHandle,
    signing: &mut Signing,
) -> T {
    tokio::pin!(work);
    loop {
        let instruction = async {
            match connection.as_mut() {
                Some(connection) => connection.instruction().await,
                None => None,
            }
        };
        tokio::select! {
            worked = &mut work => return worked,
            instruction = instruction => match instruction {
                Some(Instruction::Terminate(RunningTasks::Finish)) => {
                    stop.graceful(Reason::Runner, "worker-runner, which lets running tasks finish");
                }
                Some(Instruction::Terminate(RunningTasks::Abort)) => {
                    stop.now(Reason::Runner, "worker-runner, which has no time for running tasks");
                }
                Some(Instruction::UseCredentials(new)) => {
                    tracing::info!(client_id = new.client_id, "worker-runner has given new credentials");
                    signing.renew(new);
                }
                None => return work.await,
            },
        }
    }
}
