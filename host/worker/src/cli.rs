//! The command line: what each command takes, and how it ends. The only module that writes to the terminal.

use std::{
    ffi::OsStr,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{config::ConfigError, exit::Exit, located::LocatedError, root::Root};

mod config;
mod logging;
mod places;
mod plugin;
mod queue;
mod run;
mod run_task;
mod schema;
mod work;

/// A worker for Taskcluster whose features are WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "taskcluster-worker", version, max_term_width = 100)]
struct Cli {
    /// How the worker's own log is written to standard error. Its level comes from RUST_LOG.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        env = "TASKCLUSTER_WORKER_LOG_FORMAT"
    )]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Claim and run tasks until told to stop: by a signal, a second one to abort the running tasks, a third to end at once
    Work {
        /// The config, in YAML or JSON
        config: PathBuf,
    },
    /// Work in generic-worker's place: with its config, its exit statuses, and under worker-runner
    #[command(after_help = run::EXIT_STATUS)]
    Run(run::RunArgs),
    /// Run one task here, through an embedded queue
    #[command(after_help = run_task::EXIT_STATUS)]
    RunTask(run_task::RunTaskArgs),
    /// Run the embedded queue alone
    Queue(queue::QueueArgs),
    /// Look at configs
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Look at plugins
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Print JSON schemas
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
}

/// An error that ends a command, and how.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

type Outcome = Result<Exit, Failure>;

/// Runs the process. Commands that the worker starts itself with come first: they want nothing of what follows.
pub(crate) fn main(root: &dyn Root) -> ExitCode {
    if std::env::args_os().nth(1).as_deref() == Some(OsStr::new(places::COMPILE)) {
        return plugin_host::compile::child_main();
    }
    let cli = Cli::parse();
    if let Some(quiet) = cli.command.quiet() {
        logging::start(cli.log_format, quiet);
    }
    let outcome = start().and_then(|runtime| runtime.block_on(cli.command.run(root, cli.log_format)));
    match outcome {
        Ok(exit) => exit,
        Err(Failure { exit, error }) => {
            say(&format!("error: {}", chain(&error)));
            exit
        }
    }
    .into()
}

/// What every command needs first: one TLS library for the process, and a runtime.
fn start() -> Result<tokio::runtime::Runtime, Failure> {
    // Only a second call fails, and there is none.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(could_not_run)
}

impl Command {
    async fn run(self, root: &dyn Root, log_format: LogFormat) -> Outcome {
        match self {
            Self::Work { config } => work::run(root, &config).await,
            Self::Run(args) => run::run(root, &args, log_format).await,
            Self::RunTask(args) => run_task::run(root, args).await,
            Self::Queue(args) => queue::run(root, args).await,
            Self::Config(command) => config::run(command).await,
            Self::Plugin(command) => plugin::run(root, command).await,
            Self::Schema(command) => schema::run(root, command).await,
        }
    }

    /// Whether only warnings are wanted in the log: the command has an output of its own. None: it starts the log itself.
    fn quiet(&self) -> Option<logging::Quiet> {
        match self {
            Self::Run(_) => None,
            Self::Work { .. } | Self::Queue(_) => Some(logging::Quiet::No),
            Self::RunTask(_) | Self::Config(_) | Self::Plugin(_) | Self::Schema(_) => {
                Some(logging::Quiet::Yes)
            }
        }
    }
}

/// Writes to standard output. A reader that is gone is no reason to stop.
fn print(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Writes to standard error.
fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The failure of a command that had everything it needs, and could not do it.
fn could_not_run(error: impl Into<anyhow::Error>) -> Failure {
    Failure {
        exit: Exit::CouldNotRun,
        error: error.into(),
    }
}

/// The failure of a command that was given something wrong.
fn usage(error: impl Into<anyhow::Error>) -> Failure {
    Failure {
        exit: Exit::Usage,
        error: error.into(),
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        usage(error)
    }
}

impl From<LocatedError> for Failure {
    fn from(error: LocatedError) -> Self {
        usage(error)
    }
}

/// An error and all that caused it. What is said on several lines stays on them.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // Errors that only wrap say the same again.
        if !text.ends_with(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            if text.is_empty() && cause.contains('\n') {
                text.push('\n');
            }
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn causes_are_told_once() {
        let error = anyhow::anyhow!("inner").context("outer");
        assert_eq!(chain(&error), "outer: inner");
        assert_eq!(chain(&anyhow::anyhow!("a\nb")), "\na\nb");
    }
}
