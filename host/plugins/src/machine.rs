//! What loading and running plugins takes, one of each for a host: the engine, its ticker, the guests' threads, the cache.

use std::{
    collections::BTreeMap,
    io,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use tokio::runtime::{Handle, Runtime};

use crate::{
    cache::{Cache, CacheError},
    compile::{Compiler, CompilerCommand},
    config::HostConfig,
    directory::{Directory, DirectoryError, ReadError, Stamp, Trust, WasmFile},
    engine::{self, Ticker},
    loader::{Examined, Loader, Outcome, Progress},
    refusal::Refusal,
    report::PluginReport,
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

/// What is known of one file.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    stamp: Stamp,
    /// Whether the same stamp will mean the same file.
    settled: bool,
    pub(crate) outcome: Outcome,
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

    /// Ends the guests' threads. What still runs there has [`SHUTDOWN`] to stop.
    pub(crate) async fn shutdown(&self) {
        if let Some(runtime) = self.guests.take()
            && let Err(error) = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(SHUTDOWN)).await
        {
            tracing::error!(%error, "the threads of the plugins could not be ended");
        }
    }

    /// Looks at the plugin directory. None when nothing has changed since `known`.
    ///
    /// # Cancel safety
    /// May be dropped; compilations under way are ended.
    pub(crate) async fn scan(
        &self,
        known: &BTreeMap<String, Known>,
    ) -> Result<Option<BTreeMap<String, Known>>, DirectoryError> {
        let path = self.loader.config.directory.clone();
        let listing = blocking(move || {
            let directory = Directory::open(&path, Trust::Demanded)?;
            let listed = directory.list()?;
            Ok((directory, listed))
        });
        let (directory, listed) = match listing.await {
            Ok(listing) => listing?,
            Err(error) => return Err(self.unreadable(&error)),
        };
        let is_same = |(file, stamp): (&String, &Stamp)| {
            known
                .get(file)
                .is_some_and(|known| known.settled && known.stamp == *stamp)
        };
        if listed.len() == known.len() && listed.iter().all(is_same) {
            return Ok(None);
        }
        let directory = Arc::new(directory);
        let (mut next, mut fresh) = (BTreeMap::new(), Vec::new());
        for (file, stamp) in &listed {
            match known.get(file) {
                Some(known) if is_same((file, stamp)) => drop(next.insert(file.clone(), known.clone())),
                Some(_) | None => match read(&directory, file).await {
                    Ok(file) => fresh.push(file),
                    Err(refusal) => {
                        let outcome = Outcome::refused(PluginReport::new(file), refusal);
                        drop(next.insert(file.clone(), Known::new(*stamp, outcome)));
                    }
                },
            }
        }
        let (unchanged, changed): (Vec<_>, Vec<_>) =
            fresh.into_iter().partition(|file| is_known(known, file));
        for file in unchanged {
            if let Some(known) = known.get(&file.name) {
                next.insert(file.name.clone(), Known::new(file.stamp, known.outcome.clone()));
            }
        }
        let stamps: BTreeMap<String, Stamp> = changed
            .iter()
            .map(|file| (file.name.clone(), file.stamp))
            .collect();
        for mut outcome in self.load(changed).await {
            outcome.report.warnings.extend(directory.warnings.iter().cloned());
            let file = outcome.report.file.clone();
            if let Some(stamp) = stamps.get(&file) {
                next.insert(file, Known::new(*stamp, outcome));
            }
        }
        Ok(Some(next))
    }

    /// Loads files: those that the cache has at once, the others as fast as they can be compiled.
    pub(crate) async fn load(&self, files: Vec<WasmFile>) -> Vec<Outcome> {
        let (mut outcomes, mut examined) = (Vec::new(), Vec::new());
        for looked in join_all(files.into_iter().map(|file| self.loader.examine(file))).await {
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
            return Outcome::refused(file.report, refusal);
        }
        self.loader.admit(file).await
    }

    fn unreadable(&self, error: &str) -> DirectoryError {
        DirectoryError::Untrusted {
            path: self.loader.config.directory.clone(),
            why: error.to_owned(),
        }
    }
}

impl Known {
    fn new(stamp: Stamp, outcome: Outcome) -> Self {
        let passing = outcome.result.as_ref().err().is_some_and(Refusal::is_passing);
        Self {
            stamp,
            settled: !passing && stamp.is_settled(SystemTime::now()),
            outcome,
        }
    }
}

/// Whether a file that was read again has the bytes that it had, and what came of them stands.
fn is_known(known: &BTreeMap<String, Known>, file: &WasmFile) -> bool {
    known.get(&file.name).is_some_and(|known| {
        let stands = known
            .outcome
            .result
            .as_ref()
            .err()
            .is_none_or(|refusal| !refusal.is_passing());
        stands && known.outcome.report.sha256.as_ref() == Some(&file.sha256)
    })
}

async fn read(directory: &Arc<Directory>, file: &str) -> Result<WasmFile, Refusal> {
    let (directory, file) = (directory.clone(), file.to_owned());
    match blocking(move || directory.read(&file, Trust::Demanded)).await {
        Ok(read) => Ok(read?),
        Err(error) => Err(Refusal::Unreadable(ReadError::Os(error))),
    }
}

/// Runs what may block on a thread for it. An error is a panic there.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| error.to_string())
}
