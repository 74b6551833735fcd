//! What loading and running plugins takes, one of each for a host: the engine, its ticker, the guests' threads, the cache.

use std::{
    io,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::runtime::{Handle, Runtime};

use crate::{
    cache::{Cache, CacheError},
    compile::{Compiler, CompilerCommand},
    config::HostConfig,
    directory::Trust,
    engine::{self, Ticker},
    loader::{Examined, Found, Loader, Outcome, Progress, Purpose},
};

/// The most threads that guests run on. They yield to each other, so few are enough.
const MAX_GUEST_THREADS: usize = 4;
/// How long guests have to leave their threads at the end.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Loads files.
#[derive(Debug)]
pub(crate) struct Machine {
    loader: Loader,
    guests: GuestRuntime,
}

/// Why plugins can't be run here at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// wasmtime does not support its settings on this machine.
    #[error("the WebAssembly engine does not work on this machine: {0}")]
    Engine(String),
    /// The operating system gives no threads.
    #[error("the threads that plugins run on could not be started")]
    Threads(#[source] io::Error),
    /// The cache can't be used.
    #[error("compiled plugins can't be cached")]
    Cache(#[from] CacheError),
}

/// The threads that guests run on, apart from leases and timers.
#[derive(Debug)]
struct GuestRuntime {
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
}

impl GuestRuntime {
    fn start() -> io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(processors.min(MAX_GUEST_THREADS))
            .thread_name("plugin-guest")
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
        })
    }

    fn take(&self) -> Option<Runtime> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for GuestRuntime {
    fn drop(&mut self) {
        // A runtime that is dropped where one runs would panic.
        if let Some(runtime) = self.take() {
            runtime.shutdown_background();
        }
    }
}

impl Machine {
    pub(crate) fn start(
        config: Arc<HostConfig>,
        compiler: CompilerCommand,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, StartError> {
        let largest = config
            .plugins
            .values()
            .fold(config.default_limits.clone(), |largest, plugin| {
                largest.room_for(&plugin.limits)
            });
        let engine =
            engine::running_engine(&largest).map_err(|error| StartError::Engine(format!("{error:#}")))?;
        let ticker = Arc::new(Ticker::start(&engine).map_err(StartError::Threads)?);
        let guests = GuestRuntime::start().map_err(StartError::Threads)?;
        let cache = Arc::new(Cache::open(&config.cache_directory, &engine)?);
        let compiler = Compiler::new(compiler);
        let loader = Loader {
            engine,
            ticker,
            cache,
            compiler,
            config,
            guests: guests.handle.clone(),
            progress,
        };
        Ok(Self { loader, guests })
    }

    pub(crate) fn config(&self) -> &Arc<HostConfig> {
        &self.loader.config
    }

    pub(crate) fn guests(&self) -> &Handle {
        &self.guests.handle
    }

    /// Who must not be able to change what is loaded.
    pub(crate) fn trust(&self) -> Trust {
        if self.loader.config.trust.strict {
            Trust::Strict
        } else {
            Trust::Demanded
        }
    }

    /// Ends the guests' threads. What still runs there has [`SHUTDOWN`] to stop.
    pub(crate) async fn shutdown(&self) {
        if let Some(runtime) = self.guests.take()
            && let Err(error) = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(SHUTDOWN)).await
        {
            tracing::error!(%error, "the threads of the plugins could not be ended");
        }
    }

    /// Loads files: those that the cache has at once, the others as fast as they can be compiled.
    pub(crate) async fn load(&self, files: Vec<Found>, purpose: Purpose) -> Vec<Outcome> {
        let (mut outcomes, mut examined) = (Vec::new(), Vec::new());
        for looked in join_all(files.into_iter().map(|file| self.loader.examine(file, purpose))).await {
            match looked {
                Ok(file) => examined.push(file),
                Err(outcome) => outcomes.push(*outcome),
            }
        }
        let total = examined.iter().filter(|file| file.is_new()).count();
        let mut number = 0;
        let admissions = examined.into_iter().map(|file| {
            let place = (number, total);
            number += usize::from(file.is_new());
            self.compile_and_admit(file, place)
        });
        outcomes.extend(join_all(admissions.collect::<Vec<_>>()).await);
        outcomes
    }

    async fn compile_and_admit(&self, mut file: Examined, place: (usize, usize)) -> Outcome {
        if file.is_new()
            && let Err(refusal) = self.loader.compile(&mut file, place).await
        {
            file.problems.push(refusal);
        }
        self.loader.admit(file).await
    }
}

/// Runs what may block on a thread for it. An error is a panic there.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| error.to_string())
}
