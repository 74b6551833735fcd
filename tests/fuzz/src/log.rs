//! The worker's own log, which nobody reads and which must be clean all the same, and a runtime for what is asynchronous.

use std::{io, num::NonZero};

use tokio::runtime::Runtime;
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::findings::OrFinding as _;

/// Looks at each event, which is one line and does nothing to a terminal.
struct Watched;

impl io::Write for Watched {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(event);
        let line = line.strip_suffix('\n').or_finding("an event without an end");
        assert!(
            !line.chars().any(|c| c.is_control() && c != '\t'),
            "the worker's log has {line:?}"
        );
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts the log that a worker writes which is asked to say everything of plugins. Once for a process; later calls do nothing.
pub(crate) fn watch() {
    let lines = fmt::layer()
        .with_ansi(false)
        .with_writer(|| Watched)
        .with_filter(Targets::new().with_target("plugin_host", LevelFilter::DEBUG));
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

/// As a worker has one.
pub(crate) fn runtime() -> Runtime {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(processors.min(2))
        .enable_all()
        .build()
        .or_finding("there are no threads")
}
