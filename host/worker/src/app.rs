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
use queue::{CredentialsHandle, Deployment};
use serde_json::Value;
use services::{LiveLogOptions, LiveLogServer, PageServer, TemporaryFolder, TemporaryStorage};

use crate::{
    cli,
    config::{Config, EngineName, LiveLogConfig, NativeConfig, Period},
    counts::Counts,
    credentials_file,
    launch::{Launcher, LauncherParts},
    metrics_page,
    observe::RunObserver,
    ports::{ArtifactStorage, EngineSchema, UploadSlots},
    root::{Access, EmbeddedOptions, EmbeddedQueue, ManagedWorker, Root, WorkOptions},
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
        if let Some(access) = options.access.clone() {
            return work_for(&config, &access, options, stop).await;
        }
        let embedded = config
            .taskcluster
            .embedded
            .clone()
            .context("a worker without access to a deployment, and without a queue of its own")?;
        let client = credentials_file::load_or_create(&embedded.directory)?;
        let queue = self
            .embedded_queue(EmbeddedOptions {
                directory: embedded.directory,
                listen: embedded.listen,
                claim_timeout: embedded.claim_timeout.duration(),
                client: client.clone(),
            })
            .await?;
        let access = Access {
            root_url: queue.root_url(),
            credentials: CredentialsHandle::new(client),
            manager: None,
        };
        tracing::info!(root_url = access.root_url, "the embedded queue listens");
        let worked = work_for(&config, &access, options, stop).await;
        queue.shutdown().await;
        worked
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

/// What a worker stands on, in the order in which it was started.
struct Foundation {
    http: reqwest::Client,
    deployment: Deployment,
    storage: TemporaryStorage,
    scratch: TemporaryFolder,
    engine: Arc<dyn Engine>,
}

/// What stands on it and serves every run.
struct Crew {
    worker: WorkerInfo,
    plugins: Arc<PluginHost>,
    live_log: Option<Arc<LiveLogServer>>,
    observer: Arc<dyn RunObserver>,
    counts: Counts,
}

/// A worker, from its first file to its last.
async fn work_for(
    config: &Config,
    access: &Access,
    options: WorkOptions,
    stop: StopHandle,
) -> anyhow::Result<()> {
    let foundation = Foundation::lay(config, access).await?;
    let worked = with_live_log(config, access, options, stop, &foundation).await;
    foundation.clear().await;
    worked
}

async fn with_live_log(
    config: &Config,
    access: &Access,
    options: WorkOptions,
    stop: StopHandle,
    foundation: &Foundation,
) -> anyhow::Result<()> {
    let live_log = match live_log_options(&config.live_log) {
        Some(options) => Some(Arc::new(LiveLogServer::start(options).await?)),
        None => None,
    };
    let worked = with_plugins(config, access, options, stop, foundation, live_log.clone()).await;
    if let Some(live_log) = live_log {
        live_log.shutdown().await;
    }
    worked
}

async fn with_plugins(
    config: &Config,
    access: &Access,
    options: WorkOptions,
    stop: StopHandle,
    foundation: &Foundation,
    live_log: Option<Arc<LiveLogServer>>,
) -> anyhow::Result<()> {
    let worker = worker_info(config, access);
    let plugins = PluginHost::open(HostOptions {
        config: config.plugin_host(&options.plugin_directory),
        worker: worker.clone(),
        lifecycle: Arc::new(stop.clone()),
        host_runtime: tokio::runtime::Handle::current(),
        compiler: options.compiler,
        progress: options.progress,
        schemas: Arc::new(EngineSchema::new(
            foundation.engine.name(),
            foundation.engine.payload_schema(),
        )),
    })
    .await?;
    let crew = Crew {
        worker,
        plugins: Arc::new(plugins),
        live_log,
        observer: options.observer,
        counts: Counts::new(config.worker.concurrency),
    };
    let worked = with_metrics(config, access, stop, foundation, &crew).await;
    crew.plugins.shutdown().await;
    worked
}

async fn with_metrics(
    config: &Config,
    access: &Access,
    stop: StopHandle,
    foundation: &Foundation,
    crew: &Crew,
) -> anyhow::Result<()> {
    let page = match config.metrics.listen {
        Some(listen) => {
            let page = metrics_page::page(crew.counts.clone(), &crew.worker, crew.plugins.clone());
            let server = PageServer::start(listen, page).await?;
            tracing::info!(address = %server.address(), "metrics are served");
            Some(server)
        }
        None => None,
    };
    let worked = claim_and_run(config, access, stop, foundation, crew).await;
    if let Some(page) = page {
        page.shutdown().await;
    }
    worked
}

async fn claim_and_run(
    config: &Config,
    access: &Access,
    stop: StopHandle,
    foundation: &Foundation,
    crew: &Crew,
) -> anyhow::Result<()> {
    let queue = foundation.deployment.queue();
    let status_poll = StatusPoll::begin(queue.clone(), config.queue.status_interval.duration());
    let launcher = Launcher::new(LauncherParts {
        deployment: foundation.deployment.clone(),
        artifacts: Arc::new(artifact_storage(config, foundation)),
        engine: foundation.engine.clone(),
        plugins: crew.plugins.clone(),
        storage: foundation.storage.clone(),
        live_log: crew.live_log.clone(),
        max_log_bytes: config.worker.max_log_bytes,
        worker: Arc::new(crew.worker.clone()),
        watched: status_poll.watched().clone(),
        failed_reclaims: crew.counts.failed_reclaims().clone(),
        observer: crew.observer.clone(),
        stop: stop.clone(),
    })
    .await;
    let worked = match launcher {
        Ok(launcher) => {
            launcher.ready();
            Worker::new(
                work_settings(config, access.manager.clone()),
                queue,
                launcher,
                crew.plugins.clone(),
                stop,
                crew.counts.clone(),
            )
            .work()
            .await;
            Ok(())
        }
        Err(error) => Err(error.into()),
    };
    status_poll.end().await;
    worked
}

impl Foundation {
    /// Takes the worker's directory into use, removes what a killed predecessor left there, and makes the engine.
    async fn lay(config: &Config, access: &Access) -> anyhow::Result<Self> {
        let http = queue::http_client()?;
        let deployment = Deployment::new(
            http.clone(),
            &access.root_url,
            access.credentials.clone(),
            (&config.queue).into(),
        )?;
        let directory = config.worker.directory.clone();
        let (engine, settings) = (config.engine, config.engines.native.clone());
        // Leftovers may be large, and their processes slow to end.
        tokio::task::spawn_blocking(move || {
            let storage = TemporaryStorage::open(&directory.join("temporary"))?;
            let scratch = storage.folder()?;
            let engine = engine_for(engine, settings, &directory)?;
            Ok(Self {
                http,
                deployment,
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
                max_extract_bytes: native.max_extract_bytes,
                environment: native.environment,
            };
            let task_process = TaskProcessCommand::this_program([TASK]);
            Arc::new(NativeEngine::new(config, directory.join("tasks"), task_process)?)
        }
        EngineName::Mock => Arc::new(MockEngine::new()),
    })
}

fn artifact_storage(config: &Config, foundation: &Foundation) -> ArtifactStorage {
    let artifacts = &config.artifacts;
    ArtifactStorage {
        storage_type: artifacts.storage_type,
        objects: foundation.deployment.objects(),
        http: foundation.http.clone(),
        scratch: foundation.scratch.path().to_owned(),
        slots: UploadSlots::new(artifacts.concurrency, artifacts.concurrent_bytes),
        stall: artifacts.stall_timeout.duration(),
    }
}

fn live_log_options(config: &LiveLogConfig) -> Option<LiveLogOptions> {
    config.enabled.then(|| LiveLogOptions {
        listen: config.listen,
        public_url: config.public_url.clone(),
    })
}

fn worker_info(config: &Config, access: &Access) -> WorkerInfo {
    WorkerInfo {
        root_url: access.root_url.clone(),
        task_queue_id: config.worker.task_queue_id.clone(),
        worker_group: config.worker.worker_group.clone(),
        worker_id: config.worker.worker_id.clone(),
        engine: config.engine.name().to_owned(),
        metadata: config.worker.metadata.clone().into_iter().collect(),
    }
}

fn work_settings(config: &Config, managed: Option<ManagedWorker>) -> WorkSettings {
    WorkSettings {
        task_queue_id: config.worker.task_queue_id.clone(),
        worker_group: config.worker.worker_group.clone(),
        worker_id: config.worker.worker_id.clone(),
        concurrency: config.worker.concurrency,
        task_limit: config.worker.task_limit,
        tick: config.worker.tick.duration(),
        idle_timeout: config.worker.idle_timeout.map(Period::duration),
        managed,
    }
}
