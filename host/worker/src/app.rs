//! The composition root: the only module that names engines and stores. It starts what a worker stands on in order, and
//! releases it in the opposite order, whatever happens in between.

use std::{error::Error, path::Path, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use async_trait::async_trait;
use engine_api::Engine;
use engine_mock::MockEngine;
use engine_native::{NativeEngine, TaskProcessCommand, task_process_main};
use local_queue::LocalQueue;
use plugin_host::{HostOptions, PluginHost, ports::WorkerInfo};
use queue::{CredentialsHandle, Deployment, Queue, wire};
use serde_json::Value;
use services::{LiveLogOptions, LiveLogServer, TemporaryFolder, TemporaryStorage};

use crate::{
    cli,
    config::{Config, EngineName, LiveLogConfig, NativeConfig, Source},
    credentials_file,
    launch::{Launcher, LauncherParts},
    root::{EmbeddedOptions, EmbeddedQueue, Root, WorkOptions},
    status_poll::StatusPoll,
    stop::StopHandle,
    worker::{WorkSettings, Worker},
};

/// The hidden command that supervises one task of the native engine.
const TASK: &str = "__task";

/// Runs the process. The supervisor of a task comes before everything else: it is to have one thread and no runtime.
pub(crate) fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|first| first == TASK) {
        return task_process_main();
    }
    cli::main(&App)
}

/// This program, with the engines and the store that it has.
#[derive(Debug)]
struct App;

#[async_trait]
impl Root for App {
    async fn work(&self, config: Config, options: WorkOptions, stop: StopHandle) -> anyhow::Result<()> {
        let source = config.taskcluster.source().context("the config names no queue")?;
        match source {
            Source::Deployment {
                root_url,
                credentials,
            } => {
                work_for(
                    &config,
                    &Endpoint {
                        root_url,
                        credentials,
                    },
                    options,
                    stop,
                )
                .await
            }
            Source::Embedded(embedded) => {
                let client = credentials_file::load_or_create(&embedded.directory)?;
                let queue = self
                    .embedded_queue(EmbeddedOptions {
                        directory: embedded.directory,
                        listen: embedded.listen,
                        claim_timeout: embedded.claim_timeout.duration(),
                        client: client.clone(),
                    })
                    .await?;
                let endpoint = Endpoint {
                    root_url: queue.root_url(),
                    credentials: client,
                };
                tracing::info!(root_url = endpoint.root_url, "the embedded queue listens");
                let worked = work_for(&config, &endpoint, options, stop).await;
                queue.shutdown().await;
                worked
            }
        }
    }

    async fn embedded_queue(&self, options: EmbeddedOptions) -> anyhow::Result<Box<dyn EmbeddedQueue>> {
        let EmbeddedOptions {
            directory,
            listen,
            claim_timeout,
            client,
        } = options;
        let queue = LocalQueue::start(local_queue::Options {
            claim_timeout,
            ..local_queue::Options::new(directory, listen, client)
        })
        .await?;
        Ok(Box::new(queue))
    }

    fn engine_schema(&self, config: &Config) -> Value {
        match config.engine {
            EngineName::Native => engine_native::payload_schema(),
            EngineName::Mock => MockEngine::new().payload_schema(),
        }
    }
}

#[async_trait]
impl EmbeddedQueue for LocalQueue {
    fn root_url(&self) -> String {
        Self::root_url(self)
    }

    async fn shutdown(self: Box<Self>) {
        Self::shutdown(*self).await;
    }
}

/// Where tasks are claimed, and as whom.
struct Endpoint {
    root_url: String,
    credentials: wire::Credentials,
}

/// What a worker stands on, in the order in which it was started.
struct Foundation {
    http: reqwest::Client,
    queue: Queue,
    storage: TemporaryStorage,
    scratch: TemporaryFolder,
    engine: Arc<dyn Engine>,
}

/// A worker, from its first file to its last.
async fn work_for(
    config: &Config,
    endpoint: &Endpoint,
    options: WorkOptions,
    stop: StopHandle,
) -> anyhow::Result<()> {
    let foundation = Foundation::lay(config, endpoint).await?;
    let worked = with_live_log(config, endpoint, options, stop, &foundation).await;
    foundation.clear().await;
    worked
}

async fn with_live_log(
    config: &Config,
    endpoint: &Endpoint,
    options: WorkOptions,
    stop: StopHandle,
    foundation: &Foundation,
) -> anyhow::Result<()> {
    let live_log = match live_log_options(&config.live_log) {
        Some(options) => Some(Arc::new(LiveLogServer::start(options).await?)),
        None => None,
    };
    let worked = with_plugins(config, endpoint, options, stop, foundation, live_log.clone()).await;
    if let Some(live_log) = live_log {
        live_log.shutdown().await;
    }
    worked
}

async fn with_plugins(
    config: &Config,
    endpoint: &Endpoint,
    options: WorkOptions,
    stop: StopHandle,
    foundation: &Foundation,
    live_log: Option<Arc<LiveLogServer>>,
) -> anyhow::Result<()> {
    let worker = worker_info(config, endpoint);
    let plugins = PluginHost::open(HostOptions {
        config: config.plugin_host(&options.plugin_directory),
        worker: worker.clone(),
        lifecycle: Arc::new(stop.clone()),
        host_runtime: tokio::runtime::Handle::current(),
        compiler: options.compiler,
        progress: options.progress,
    })
    .await?;
    let plugins = Arc::new(plugins);
    let status_poll = StatusPoll::begin(foundation.queue.clone(), config.queue.status_interval.duration());
    let launcher = Launcher::new(LauncherParts {
        queue: foundation.queue.clone(),
        http: foundation.http.clone(),
        engine: foundation.engine.clone(),
        plugins: plugins.clone(),
        storage: foundation.storage.clone(),
        scratch: foundation.scratch.path().to_owned(),
        live_log,
        max_log_bytes: config.worker.max_log_bytes,
        worker: Arc::new(worker),
        watched: status_poll.watched().clone(),
        observer: options.observer,
        stop: stop.clone(),
    })
    .await;
    let worked = match launcher {
        Ok(launcher) => {
            let queue = foundation.queue.clone();
            Worker::new(work_settings(config), queue, launcher, plugins.clone(), stop)
                .work()
                .await;
            Ok(())
        }
        Err(error) => Err(error.into()),
    };
    status_poll.end().await;
    plugins.shutdown().await;
    worked
}

impl Foundation {
    /// Takes the worker's directory into use, removes what a killed predecessor left there, and makes the engine.
    async fn lay(config: &Config, endpoint: &Endpoint) -> anyhow::Result<Self> {
        let http = queue::http_client()?;
        let credentials = CredentialsHandle::new(endpoint.credentials.clone());
        let deployment = Deployment::new(
            http.clone(),
            &endpoint.root_url,
            credentials,
            (&config.queue).into(),
        )?;
        let queue = deployment.queue();
        let directory = config.worker.directory.clone();
        let (engine, settings) = (config.engine, config.engines.native.clone());
        // Leftovers may be large, and their processes slow to end.
        tokio::task::spawn_blocking(move || {
            let storage = TemporaryStorage::open(&directory.join("temporary"))?;
            let scratch = storage.folder()?;
            let engine = engine_for(engine, settings, &directory)?;
            Ok(Self {
                http,
                queue,
                storage,
                scratch,
                engine,
            })
        })
        .await?
    }

    /// Releases what is left when every run is over.
    async fn clear(self) {
        if let Err(error) = self.engine.dispose().await {
            tracing::warn!(error = &error as &dyn Error, "the engine leaves something behind");
        }
        let removed = tokio::task::spawn_blocking(move || self.scratch.remove()).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(error = &error as &dyn Error, "the worker leaves something behind");
        }
    }
}

/// The engine of a config. The storage in the same directory is locked already, and so is this.
fn engine_for(name: EngineName, native: NativeConfig, directory: &Path) -> anyhow::Result<Arc<dyn Engine>> {
    Ok(match name {
        EngineName::Native => {
            let config = engine_native::NativeConfig {
                kill_grace: native.kill_grace.duration(),
                extract_roots: native.extract_roots,
                environment: native.environment,
            };
            let task_process = TaskProcessCommand::this_program([TASK]);
            Arc::new(NativeEngine::new(config, directory.join("tasks"), task_process)?)
        }
        EngineName::Mock => Arc::new(MockEngine::new()),
    })
}

fn live_log_options(config: &LiveLogConfig) -> Option<LiveLogOptions> {
    config.enabled.then(|| LiveLogOptions {
        listen: config.listen,
        public_url: config.public_url.clone(),
    })
}

fn worker_info(config: &Config, endpoint: &Endpoint) -> WorkerInfo {
    WorkerInfo {
        root_url: endpoint.root_url.clone(),
        task_queue_id: config.worker.task_queue_id.clone(),
        worker_group: config.worker.worker_group.clone(),
        worker_id: config.worker.worker_id.clone(),
        engine: config.engine.name().to_owned(),
        metadata: config.worker.metadata.clone().into_iter().collect(),
    }
}

fn work_settings(config: &Config) -> WorkSettings {
    WorkSettings {
        task_queue_id: config.worker.task_queue_id.clone(),
        worker_group: config.worker.worker_group.clone(),
        worker_id: config.worker.worker_id.clone(),
        concurrency: config.worker.concurrency,
        task_limit: config.worker.task_limit,
        tick: config.worker.tick.duration(),
    }
}
