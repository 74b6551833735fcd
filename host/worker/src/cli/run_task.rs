//! `run-task`: one task, here and now. An embedded queue in a temporary directory gets the task, a worker claims it, its log
//! is followed to standard output; what else there is to say goes to standard error.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use clap::Args;
use queue::{CredentialsHandle, Deployment, Queue, wire};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::{Failure, Outcome, could_not_run, places, say, usage};
use crate::{
    config::{self, Config, LiveLogConfig},
    credentials_file,
    exit::Exit,
    root::{Access, EmbeddedOptions, EmbeddedQueue, Root, WorkOptions},
    signals::Signals,
    stop::{Reason, StopHandle},
};

mod follow;
mod keep;
mod progress;
mod summary;
mod task_file;
mod variables;

use progress::FirstCompilation;
use summary::Stages;
use variables::Variable;

/// For the help of the command.
pub(super) const EXIT_STATUS: &str = "\
Exit status: 0 the task completed, 1 it failed, 2 the command line or a file is wrong, 3 the task ended as an exception, \
4 it could not be run.";

#[derive(Debug, Args)]
pub(super) struct RunTaskArgs {
    /// The task's definition, in YAML or JSON. Only its payload is required
    task: PathBuf,
    /// A variable for the task's environment; without a value, the one of this process
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = Variable::parse)]
    variables: Vec<Variable>,
    /// Keep the task's artifacts there
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    /// The plugin directory
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// A worker's config, of which engine, plugins and the like are used, and queue, directories and addresses are not
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// How soon the run hears that its task was canceled: the queue is on this machine.
const CANCEL_WITHIN: Duration = Duration::from_millis(250);

/// Everything that is made before the task is run.
struct Prepared {
    task_id: String,
    definition: serde_json::Value,
    config: Config,
    plugin_directory: PathBuf,
    /// Removed at the end, with everything in it.
    directory: TempDir,
}

/// How the task ended, as the queue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    state: wire::TaskState,
    /// `completed`, `failed`, or the reason of an exception.
    reason: String,
    run_id: u32,
}

pub(super) async fn run(root: &dyn Root, args: RunTaskArgs) -> Outcome {
    let prepared = prepare(&args)?;
    let directory = prepared.directory.path().join("queue");
    let client = credentials_file::load_or_create(&directory).map_err(could_not_run)?;
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let options = EmbeddedOptions {
        directory,
        listen,
        claim_timeout: config::default_claim_timeout().duration(),
        client: client.clone(),
    };
    let queue = root.embedded_queue(options).await.map_err(could_not_run)?;
    let outcome = execute(root, &*queue, client, &prepared, args.artifacts.as_deref()).await;
    queue.shutdown().await;
    outcome
}

/// Reads what was given, before anything is begun.
fn prepare(args: &RunTaskArgs) -> Result<Prepared, Failure> {
    let directory = tempfile::Builder::new()
        .prefix("taskcluster-worker-")
        .tempdir()
        .map_err(could_not_run)?;
    let mut config = match &args.config {
        Some(file) => config::load(file)?,
        None => {
            let plugins = places::plugin_directory(args.plugins.as_deref()).map_err(could_not_run)?;
            Config::built_in(plugins, directory.path())
        }
    };
    let named = args.plugins.as_deref().or(config.plugin_directory.as_deref());
    let plugin_directory = places::plugin_directory(named).map_err(could_not_run)?;
    let mut task = task_file::load(&args.task)?;
    for variable in &args.variables {
        let value = variable.value().map_err(usage)?;
        task.set_variable(variable.name(), &value).map_err(usage)?;
    }
    config.worker.task_queue_id = task.task_queue_id().unwrap_or(config.worker.task_queue_id);
    config.worker.directory = directory.path().join("worker");
    config.queue.status_interval = CANCEL_WITHIN.into();
    config.worker.concurrency = 1;
    config.worker.task_limit = Some(1);
    config.plugin_directory = Some(plugin_directory.clone());
    config.plugin_cache_directory = places::user_cache();
    // Followed from here, while a worker with the same config may be using its address.
    config.live_log = LiveLogConfig::default();
    let definition = task.definition(&config.worker.task_queue_id);
    Ok(Prepared {
        task_id: slugid::nice(),
        definition,
        config,
        plugin_directory,
        directory,
    })
}

/// From the creation of the task to its summary.
async fn execute(
    root: &dyn Root,
    embedded: &dyn EmbeddedQueue,
    client: wire::Credentials,
    prepared: &Prepared,
    artifacts: Option<&Path>,
) -> Outcome {
    let task_id = &prepared.task_id;
    let access = Access {
        root_url: embedded.root_url(),
        credentials: CredentialsHandle::new(client),
        manager: None,
    };
    let config = prepared.config.clone();
    let http = queue::http_client().map_err(could_not_run)?;
    let options = (&config.queue).into();
    let credentials = access.credentials.clone();
    let queue = Deployment::new(http.clone(), &access.root_url, credentials, options)
        .map_err(could_not_run)?
        .queue();
    let stop = StopHandle::new();
    let cancel = Arc::new(Notify::new());
    let _signals = Signals::listen(vec![Box::new({
        let cancel = cancel.clone();
        move |_| cancel.notify_one()
    })])
    .map_err(could_not_run)?;
    queue
        .create_task(task_id, &prepared.definition)
        .await
        .map_err(|error| {
            // The queue has read the definition: what it does not take is the author's to mend.
            if error.refused_with() == Some(400) {
                usage(error)
            } else {
                could_not_run(error)
            }
        })?;
    let stages = Arc::new(Stages::new());
    let work = root.work(
        config,
        WorkOptions {
            plugin_directory: prepared.plugin_directory.clone(),
            compiler: places::compiler().map_err(could_not_run)?,
            progress: Arc::new(FirstCompilation::default()),
            observer: stages.clone(),
            access: Some(access),
        },
        stop.clone(),
    );
    let log = follow::Log::new(queue.clone(), http.clone(), task_id.clone());
    let worked = attend(work, &log, || cancel_task(&queue, task_id, &stop), &cancel).await;
    worked.map_err(could_not_run)?;
    log.rest().await;
    let ending = ending(&queue, task_id).await?;
    let listed = keep::list(&queue, task_id, ending.run_id)
        .await
        .map_err(could_not_run)?;
    say(&summary::text(task_id, &ending, &stages, &listed));
    if let Some(directory) = artifacts {
        let keeper = keep::Keeper::new(queue, http, task_id.clone(), ending.run_id);
        keeper.keep(&listed, directory).await.map_err(could_not_run)?;
    }
    Ok(ending.exit())
}

/// Waits for the worker, following the log, and cancels the task when asked to.
async fn attend<C: Future<Output = ()>>(
    work: impl Future<Output = anyhow::Result<()>>,
    log: &follow::Log,
    cancel_task: impl FnOnce() -> C,
    cancel: &Notify,
) -> anyhow::Result<()> {
    tokio::pin!(work);
    let follow = log.follow();
    tokio::pin!(follow);
    let cancelled = async {
        cancel.notified().await;
        say("canceling the task; once more to end at once");
        cancel_task().await;
    };
    tokio::pin!(cancelled);
    let (mut followed, mut canceled) = (false, false);
    loop {
        tokio::select! {
            result = &mut work => {
                if !followed && result.is_ok() {
                    // What was being followed when the worker ended has an end of its own, soon.
                    let _ = tokio::time::timeout(follow::LAST_WORDS, &mut follow).await;
                }
                return result;
            }
            () = &mut follow, if !followed => followed = true,
            () = &mut cancelled, if !canceled => canceled = true,
        }
    }
}

/// Cancels the task: its run hears of it from the queue, as any worker's would, and a worker that has not claimed it yet
/// does not.
async fn cancel_task(queue: &Queue, task_id: &str, stop: &StopHandle) {
    match queue.cancel_task(task_id).await {
        Ok(_) => stop.graceful(Reason::Interrupted, "the task is canceled"),
        Err(error) => {
            tracing::warn!(%error, "the task could not be canceled, ending the worker");
            stop.now(Reason::Interrupted, "the task is to be canceled");
        }
    }
}

/// How the task ended.
async fn ending(queue: &Queue, task_id: &str) -> Result<Ending, Failure> {
    let status = queue.status(task_id).await.map_err(could_not_run)?.status;
    let resolved = status
        .runs
        .iter()
        .rev()
        .find_map(|run| Some((run.run_id, run.reason_resolved.clone()?)));
    match resolved {
        Some((run_id, reason)) => Ok(Ending {
            state: status.state,
            reason,
            run_id,
        }),
        None => Err(could_not_run(anyhow::anyhow!(
            "the worker ended without resolving the task"
        ))),
    }
}

impl Ending {
    fn exit(&self) -> Exit {
        match self.state {
            wire::TaskState::Completed => Exit::Success,
            wire::TaskState::Failed => Exit::Failed,
            // A run that was lost may leave the task pending for another: this one had no verdict.
            wire::TaskState::Exception
            | wire::TaskState::Unscheduled
            | wire::TaskState::Pending
            | wire::TaskState::Running
            | wire::TaskState::Unknown => Exit::Exception,
        }
    }
}

/// A lock that a panic of somebody else's does not take away.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_is_used_beside_the_worker_that_it_is_of() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("worker.yml");
        let text = "
            taskcluster: {embedded: {directory: queue}}
            worker: {taskQueueId: proj/linux, directory: state, concurrency: 8, maxLogBytes: 4096}
            liveLog: {enabled: false, listen: '127.0.0.1:60023', publicUrl: 'https://worker.example.com'}
        ";
        std::fs::write(&file, text).unwrap();
        let prepared = prepare(&RunTaskArgs {
            task: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello.yml"),
            variables: Vec::new(),
            artifacts: None,
            plugins: Some(folder.path().to_owned()),
            config: Some(file),
        })
        .unwrap_or_else(|failure| panic!("{:?}", failure.error));
        let Config { worker, live_log, .. } = &prepared.config;
        assert!(worker.directory.starts_with(prepared.directory.path()));
        assert_eq!((worker.concurrency, worker.max_log_bytes), (1, 4096));
        assert!(live_log.enabled && live_log.public_url.is_none());
        assert_eq!(live_log.listen.port(), 0);
    }
}
