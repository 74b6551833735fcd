//! The WASI that guests get: clocks, random, and output into the worker's log, a line at a time. No environment, no
//! files, no sockets, no HTTP.
//!
//! Rust's standard library for `wasm32-wasip2` imports `wasi:cli` and `wasi:io` whatever a guest does; served empty, they
//! do no harm. A guest that imports anything else of WASI is refused when it is loaded.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::{
    WasiCtx, WasiCtxView, WasiView,
    cli::{IsTerminal, StdoutStream, WasiCli, WasiCliView as _},
    clocks::{WasiClocks, WasiClocksView as _},
    p2::{OutputStream, Pollable, StreamResult, bindings},
    random::WasiRandom,
};

use wasmtime_wasi_io::{
    bindings::wasi::io::{self, poll},
    poll::DynPollable,
};

use crate::{
    clock::CpuMeter,
    limits::{Limits, Line, LogBudget},
    state::{State, printable},
};

/// The interfaces of WASI that a guest may import, and why each does no harm. What begins with one of these is served.
pub(crate) const SERVED: [&str; 14] = [
    // Rust's standard library asks for arguments and variables when it starts. There are none.
    "wasi:cli/environment@0.2",
    // How the standard library aborts. It ends the hook as a trap does.
    "wasi:cli/exit@0.2",
    // Closed: every read is at its end.
    "wasi:cli/stdin@0.2",
    // Into the worker's log, within the limits of a log.
    "wasi:cli/stdout@0.2",
    "wasi:cli/stderr@0.2",
    // Whether those are terminals. They are not.
    "wasi:cli/terminal-",
    // What the streams above are made of. There is no way to get another stream.
    "wasi:io/error@0.2",
    "wasi:io/poll@0.2",
    "wasi:io/streams@0.2",
    // Plugins compare times and wait. The wall limit of a hook covers a guest that sleeps.
    "wasi:clocks/wall-clock@0.2",
    "wasi:clocks/monotonic-clock@0.2",
    // At most 64 KiB in one call. The standard library seeds its hash maps with the third.
    "wasi:random/random@0.2",
    "wasi:random/insecure@0.2",
    "wasi:random/insecure-seed@0.2",
];

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

/// What waits for clocks and streams. A guest that waits does not compute.
struct Waiting<'a> {
    table: &'a mut ResourceTable,
    computing: CpuMeter,
}

struct HasWaiting;

impl HasData for HasWaiting {
    type Data<'a> = Waiting<'a>;
}

impl poll::Host for Waiting<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        let _waits = self.computing.wait();
        poll::Host::poll(self.table, pollables).await
    }
}

impl poll::HostPollable for Waiting<'_> {
    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        let _waits = self.computing.wait();
        poll::HostPollable::block(self.table, pollable).await
    }

    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        poll::HostPollable::ready(self.table, pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::drop(self.table, pollable)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// Adds [`SERVED`].
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use bindings::{cli, clocks, random};
    io::error::add_to_linker::<State, HasTable>(linker, |state| &mut state.table)?;
    io::poll::add_to_linker::<State, HasWaiting>(linker, |state| Waiting {
        computing: state.clock.computing().clone(),
        table: &mut state.table,
    })?;
    io::streams::add_to_linker::<State, HasTable>(linker, |state| &mut state.table)?;
    clocks::wall_clock::add_to_linker::<State, WasiClocks>(linker, State::clocks)?;
    clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(linker, State::clocks)?;
    random::random::add_to_linker::<State, WasiRandom>(linker, |state| state.wasi.random())?;
    random::insecure::add_to_linker::<State, WasiRandom>(linker, |state| state.wasi.random())?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(linker, |state| state.wasi.random())?;
    cli::environment::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::exit::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::stdin::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::stdout::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::stderr::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(linker, State::cli)
}

/// A context with nothing in it but output.
pub(crate) fn context(output: &Output) -> WasiCtx {
    WasiCtx::builder()
        .stdout(output.clone())
        .stderr(output.clone())
        .max_random_size(64 << 10)
        .build()
}

/// Standard output and error of a guest, as lines of the worker's log. Not wasmtime-wasi's own adapter, whose memory a
/// guest could grow.
#[derive(Clone)]
pub(crate) struct Output(Arc<Mutex<Lines>>);

struct Lines {
    plugin: Arc<str>,
    budget: LogBudget,
    /// The line that has not ended yet.
    partial: Vec<u8>,
}

impl Output {
    pub(crate) fn new(plugin: &Arc<str>, limits: &Limits) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            plugin: plugin.clone(),
            budget: LogBudget::new(limits),
            partial: Vec::new(),
        })))
    }

    /// Begins a new budget.
    pub(crate) fn renew(&self, limits: &Limits) {
        self.lines().budget = LogBudget::new(limits);
    }

    fn take(&self, bytes: &[u8]) {
        self.lines().write(bytes);
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// The longest line: a longer one is broken.
    const MAX: usize = 4 << 10;

    fn write(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut rest = line;
            while !rest.is_empty() {
                let room = Self::MAX.saturating_sub(self.partial.len()).max(1);
                let (piece, more) = rest.split_at(room.min(rest.len()));
                self.partial.extend_from_slice(piece);
                rest = more;
                if self.partial.len() >= Self::MAX || self.partial.ends_with(b"\n") {
                    self.end_line();
                }
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.partial);
        let plugin = &*self.plugin;
        match self.budget.take(line.len()) {
            Line::Write => {
                let line = String::from_utf8_lossy(&line);
                tracing::info!(plugin, "output: {}", printable(line.trim_end()));
            }
            Line::LastWord => tracing::warn!(
                plugin,
                "the plugin has printed too much ({}, {}): the rest is left out",
                Limits::path(plugin, "logLines"),
                Limits::path(plugin, "logBytes"),
            ),
            Line::Drop => {}
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // A message of a panic may lack its line end.
        if !self.partial.is_empty() {
            self.end_line();
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Lines {
        Lines {
            plugin: Arc::from("a"),
            budget: LogBudget::new(&Limits::default()),
            partial: Vec::new(),
        }
    }

    #[test]
    fn output_that_ends_no_line_takes_a_bounded_amount_of_memory() {
        let mut lines = lines();
        for _ in 0..100 {
            lines.write(&[b'x'; 10_000]);
            assert!(lines.partial.len() < Lines::MAX);
        }
        assert_eq!(lines.partial.len(), 1_000_000 % Lines::MAX);
    }

    #[test]
    fn a_line_that_arrives_in_pieces_is_one_line() {
        let mut lines = lines();
        lines.write(b"a line ");
        lines.write(b"in two\nand the next");
        assert_eq!(lines.partial, b"and the next");
    }
}
