//! What a store holds: the tables of handles, what the run lends, and the limits.

use std::{
    borrow::Cow,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use engine_api::{LogLevel, is_active};
use tokio::{runtime::Handle, task::JoinError, time::timeout};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::WasiCtx;

use crate::{
    bindings::latest::taskcluster::plugin::types::Error,
    capabilities::{artifacts::Uploads, environment::Variables},
    clock::HookClock,
    engine::Ticker,
    grants::Grants,
    limits::{Allocations, Limits, Line, LogBudget},
    ports::{Lifecycle, RunPorts},
    statistics::RefusedCalls,
    wasi,
};

/// The longest name, path, address or message that a host function takes.
const MAX_NAME: usize = 1024;
/// A log line is cut there, and marked.
const MAX_LINE: usize = 8 << 10;

/// How much one instance may have open: readers, and folders, which weigh as much as so many. A folder holds two descriptors
/// for each level that it is in.
const MAX_OPEN: u64 = 64;
const FOLDER_WEIGHT: u64 = 16;

/// What the store of one instance holds.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    pub(crate) wasi: WasiCtx,
    output: wasi::Output,
    pub(crate) allocations: Allocations,
    pub(crate) limits: Arc<Limits>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) plugin: Arc<str>,
    pub(crate) clock: HookClock,
    /// None in a store that serves no run: there every capability is closed.
    pub(crate) run: Option<RunState>,
    /// None in a store that serves neither a run nor the worker.
    pub(crate) lifecycle: Option<Arc<dyn Lifecycle>>,
    /// Calls of the host that were answered with a refusal, since the hook began.
    pub(crate) refused: RefusedCalls,
    /// How many bytes the host holds in files that the guest made.
    pub(crate) made: Arc<AtomicU64>,
    /// What it has open, a reader being one.
    open: Arc<AtomicU64>,
    task_lines: LogBudget,
    worker_lines: LogBudget,
}

/// What a run lends to one instance.
pub(crate) struct RunState {
    pub(crate) ports: RunPorts,
    /// Fires when the hook in progress is to return: host functions then answer `cancelled`.
    pub(crate) cancel: CancellationToken,
    pub(crate) uploads: Uploads,
    pub(crate) artifacts_left: u64,
    /// Which variables of the task are set, by all plugins of the run.
    pub(crate) variables: Arc<Variables>,
    /// The worker's own runtime, on which everything runs that is not a guest: a connection that is opened for a plugin
    /// serves leases as well, and must not wait for a guest that computes.
    pub(crate) host: Handle,
    /// Calls of the engine, which are never dropped before they are ready. The run waits for them when it ends.
    pub(crate) engine_calls: TaskTracker,
}

/// What a guest opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    Reader,
    Folder,
}

/// What counts as held by the host for a guest, until this is dropped: bytes, or open files.
#[derive(Debug)]
pub(crate) struct Held {
    all: Arc<AtomicU64>,
    amount: u64,
}

impl Held {
    /// So much more, where that is within a limit.
    fn more(all: &Arc<AtomicU64>, amount: u64, limit: u64) -> Option<Self> {
        // One guest, one thread at a time: what others do to this is to lower it.
        if all.load(Ordering::Relaxed).saturating_add(amount) > limit {
            return None;
        }
        all.fetch_add(amount, Ordering::Relaxed);
        Some(Self {
            all: all.clone(),
            amount,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

impl State {
    pub(crate) fn new(
        plugin: Arc<str>,
        limits: Arc<Limits>,
        grants: Arc<Grants>,
        run: Option<RunState>,
        lifecycle: Option<Arc<dyn Lifecycle>>,
        ticker: Arc<Ticker>,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize);
        let output = wasi::Output::new(&plugin, &limits);
        Self {
            table,
            wasi: wasi::context(&output),
            output,
            allocations: Allocations::new(&limits),
            task_lines: LogBudget::new(&limits),
            worker_lines: LogBudget::new(&limits),
            clock: HookClock::with_ticker(ticker),
            refused: RefusedCalls::default(),
            made: Arc::default(),
            open: Arc::default(),
            limits,
            grants,
            plugin,
            run,
            lifecycle,
        }
    }

    /// Begins new budgets for both logs and for output: an instance that serves the worker for weeks has them for each hook.
    pub(crate) fn renew_log_budgets(&mut self) {
        self.task_lines = LogBudget::new(&self.limits);
        self.worker_lines = LogBudget::new(&self.limits);
        self.output.renew(&self.limits);
    }

    /// The run, unless this store serves none, or the hook is to return: then nothing is begun, however often a guest asks.
    pub(crate) fn run(&mut self) -> Result<&mut RunState, Error> {
        self.under_way()?;
        self.run.as_mut().ok_or(Error::Closed)
    }

    /// The same, to look at.
    fn under_way(&self) -> Result<&RunState, Error> {
        let run = self.run.as_ref().ok_or(Error::Closed)?;
        if run.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        Ok(run)
    }

    /// Awaits a call of the engine on the worker's runtime, for no longer than one call may take and the hook may go on.
    /// The call itself goes on to its end: what it answers is then dropped.
    pub(crate) fn of_engine<T, F>(&self, call: F) -> impl Future<Output = Result<T, Error>> + use<T, F>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let begun = self
            .under_way()
            .map(|run| run.engine_calls.spawn_on(call, &run.host));
        self.bounded(begun)
    }

    /// Awaits a call of the run's artifact store on the worker's runtime, for as long as the hook may go on. The call is
    /// dropped then. The hook's clock stands still meanwhile, as it does for uploads: a queue that is gone for a while is
    /// not the plugin's fault, and the store's own patience bounds the call.
    pub(crate) fn of_store<T, F>(&self, call: F) -> impl Future<Output = Result<T, Error>> + use<T, F>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let begun = self
            .under_way()
            .map(|run| (AbortOnDropHandle::new(run.host.spawn(call)), run.cancel.clone()));
        let clock = self.clock.clone();
        async move {
            let _clock_stands_still = clock.hold();
            let (begun, cancel) = begun?;
            let done = cancel.run_until_cancelled(begun).await;
            done.ok_or(Error::Cancelled)?.map_err(broke)
        }
    }

    /// The future does not hold the state, which other threads can't share.
    fn bounded<T, H>(&self, begun: Result<H, Error>) -> impl Future<Output = Result<T, Error>> + use<T, H>
    where
        H: Future<Output = Result<T, JoinError>>,
    {
        let cancel = self
            .run
            .as_ref()
            .map(|run| run.cancel.clone())
            .unwrap_or_default();
        let limit = self.limits.call_ms;
        let key = Limits::path(&self.plugin, "callMs");
        let computing = self.clock.computing().clone();
        let refused = self.refused.clone();
        async move {
            let _waits = computing.wait();
            let begun = begun?;
            let done = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Error::Cancelled),
                done = timeout(Duration::from_millis(limit), begun) => done,
            };
            match done {
                Ok(Ok(done)) => Ok(done),
                Ok(Err(error)) => Err(broke(error)),
                Err(_elapsed) => Err(refused.note(Error::Limit(format!(
                    "one call of the host took longer than {limit} ms ({key})"
                )))),
            }
        }
    }

    /// Gives the guest a handle.
    pub(crate) fn give<T: Send + 'static>(&mut self, thing: T) -> Result<Resource<T>, Error> {
        self.table.push(thing).map_err(|_full| {
            self.refused.note(Error::Limit(format!(
                "the plugin holds {} handles already ({})",
                self.limits.handles,
                Limits::path(&self.plugin, "handles")
            )))
        })
    }

    /// Counts bytes that the host is to hold for the guest.
    pub(crate) fn hold_bytes(&self, bytes: u64) -> Result<Held, Error> {
        let limit = self.limits.memory_bytes;
        Held::more(&self.made, bytes, limit).ok_or_else(|| {
            self.refused.note(Error::Limit(format!(
                "files that the plugin made hold {limit} bytes already ({})",
                Limits::path(&self.plugin, "memoryBytes")
            )))
        })
    }

    /// Room for what keeps files of the worker's process open, of which there are few for all tasks together.
    pub(crate) fn hold_open(&self, what: Opened) -> Result<Held, Error> {
        let weight = match what {
            Opened::Reader => 1,
            Opened::Folder => FOLDER_WEIGHT,
        };
        Held::more(&self.open, weight, MAX_OPEN).ok_or_else(|| {
            self.refused.note(Error::Limit(format!(
                "the plugin has too much open: {MAX_OPEN} readers, or a folder in place of each {FOLDER_WEIGHT} of them"
            )))
        })
    }

    /// A clone of what is behind a handle. The guest can't make one up, so a failure is the guest's end.
    pub(crate) fn get<T: Clone + 'static>(&self, handle: &Resource<T>) -> wasmtime::Result<T> {
        Ok(self.table.get(handle)?.clone())
    }

    /// Writes a line in the task's log. A line that has line ends inside is several.
    pub(crate) fn task_line(&mut self, level: LogLevel, line: &str) {
        let Some(run) = &self.run else { return };
        let line = cut(line);
        for line in line.split('\n') {
            match self.task_lines.take(line.len() + 1) {
                // With its name, so that it is nobody else's word.
                Line::Write => {
                    let line = format!("plugin {}: {}", self.plugin, printable(line));
                    run.ports.log.line(level, &line);
                }
                Line::LastWord => run.ports.log.line(LogLevel::Warn, &last_word(&self.plugin)),
                Line::Drop => return,
            }
        }
    }

    /// Writes a line in the worker's log.
    pub(crate) fn worker_line(&mut self, level: LogLevel, line: &str) {
        let line = cut(line);
        let plugin = &*self.plugin;
        match self.worker_lines.take(line.len() + 1) {
            Line::Write => match level {
                LogLevel::Debug => tracing::debug!(plugin, "{}", printable(&line)),
                LogLevel::Info => tracing::info!(plugin, "{}", printable(&line)),
                LogLevel::Warn => tracing::warn!(plugin, "{}", printable(&line)),
                LogLevel::Error => tracing::error!(plugin, "{}", printable(&line)),
            },
            Line::LastWord => tracing::warn!(plugin, "{}", last_word(plugin)),
            Line::Drop => {}
        }
    }
}

impl RunState {
    /// Ends what the instance has begun, since nobody will ask for it.
    pub(crate) async fn retire(&mut self) {
        self.uploads.abandon().await;
    }
}

/// A call on behalf of a plugin has panicked.
fn broke(error: JoinError) -> Error {
    tracing::error!(%error, "a call on behalf of a plugin broke");
    Error::Other("the worker failed to do this".to_owned())
}

/// Refuses text that is longer than any name, path or address is.
pub(crate) fn short(what: &str, text: &str) -> Result<(), Error> {
    if text.len() > MAX_NAME {
        return Err(Error::Invalid(format!("{what} is longer than {MAX_NAME} bytes")));
    }
    Ok(())
}

/// Text in which nothing moves the cursor, ends the line, reorders it or rings the bell.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c == '\t' || !is_active(c);
    if text.chars().all(is_plain) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_plain(c) {
            escaped.push(c);
        } else {
            escaped.extend(c.escape_default());
        }
    }
    escaped.into()
}

/// What is said when a budget is used up.
fn last_word(plugin: &str) -> String {
    format!(
        "plugin {plugin} has written too much ({}, {}): the rest is left out",
        Limits::path(plugin, "logLines"),
        Limits::path(plugin, "logBytes")
    )
}

/// A line of at most [`MAX_LINE`] bytes.
fn cut(line: &str) -> Cow<'_, str> {
    match line.get(..line.floor_char_boundary(MAX_LINE)) {
        Some(kept) if kept.len() < line.len() => format!("{kept} […]").into(),
        _ => line.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_the_cursor_is_escaped() {
        assert_eq!(printable("plain\ttext é"), "plain\ttext é");
        assert_eq!(
            printable("\u{1b}[2J\r\u{7}\u{9b}\u{202e}"),
            "\\u{1b}[2J\\r\\u{7}\\u{9b}\\u{202e}"
        );
    }

    #[test]
    fn a_long_line_is_cut_between_characters_and_marked() {
        let line = "é".repeat(MAX_LINE);
        let cut = cut(&line);
        assert!(cut.ends_with("é […]"));
        assert!(cut.len() <= MAX_LINE + 10);
    }
}
