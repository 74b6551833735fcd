//! The worker's own log: on standard error, or where a command wants it.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{
    EnvFilter,
    fmt::{self, MakeWriter},
    util::SubscriberInitExt as _,
};

use super::LogFormat;

/// Whether the ordinary course is left out where RUST_LOG says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quiet {
    /// Everything that an operator may want to know.
    No,
    /// Warnings and errors.
    Yes,
}

/// Starts the log of the process, on standard error.
pub(super) fn start(format: LogFormat, quiet: Quiet) {
    start_to(io::stderr, format, quiet, io::stderr().is_terminal().into());
}

/// Whether colours are for whoever reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    /// A person at a terminal.
    Yes,
    /// A file or a program.
    No,
}

impl From<bool> for Colours {
    fn from(is_terminal: bool) -> Self {
        if is_terminal { Self::Yes } else { Self::No }
    }
}

/// Starts the log of the process, which goes somewhere else.
pub(super) fn start_to<W>(writer: W, format: LogFormat, quiet: Quiet, colours: Colours)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let default = match quiet {
        Quiet::No => "info",
        Quiet::Yes => "warn",
    };
    let filter = EnvFilter::builder()
        .with_default_directive(default.parse().unwrap_or_default())
        .from_env_lossy();
    let log = fmt::fmt()
        .with_writer(writer)
        .with_env_filter(filter)
        .with_ansi(colours == Colours::Yes);
    // Fails only where a log was started before.
    let _ = match format {
        LogFormat::Text => log.finish().try_init(),
        LogFormat::Json => log.json().finish().try_init(),
    };
}
