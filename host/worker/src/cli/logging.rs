//! The worker's own log, on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt as _};

use super::LogFormat;

/// Whether the ordinary course is left out where RUST_LOG says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quiet {
    /// Everything that an operator may want to know.
    No,
    /// Warnings and errors.
    Yes,
}

/// Starts the log of the process.
pub(super) fn start(format: LogFormat, quiet: Quiet) {
    let default = match quiet {
        Quiet::No => "info",
        Quiet::Yes => "warn",
    };
    let filter = EnvFilter::builder()
        .with_default_directive(default.parse().unwrap_or_default())
        .from_env_lossy();
    let log = fmt()
        .with_writer(io::stderr)
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal());
    // Fails only where a log was started before.
    let _ = match format {
        LogFormat::Text => log.finish().try_init(),
        LogFormat::Json => log.json().finish().try_init(),
    };
}
