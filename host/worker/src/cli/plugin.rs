//! `plugin`: what plugins are, what they need, and whether a config would load them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use plugin_host::{HostConfig, InspectOptions, NoProgress, PluginReport, ReleaseError, Verdict};

use super::{Failure, Outcome, could_not_run, places, print};
use crate::{
    config::{self, Config},
    exit::Exit,
    ports::EngineSchema,
    root::Root,
};

mod state;
mod text;

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// List the plugins of the plugin directory
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// Let a plugin back in that a worker keeps out because it has broken too often
    Release {
        /// The plugin's name
        name: String,
        /// The worker's config
        #[arg(long)]
        config: PathBuf,
    },
    /// Tell everything about one plugin
    Inspect {
        /// The component
        file: PathBuf,
        #[command(flatten)]
        whose: Whose,
    },
    /// Tell whether a plugin, or every one of the plugin directory, would be loaded; exit status 1 if not
    Check {
        /// The component; without it, those of the plugin directory
        file: Option<PathBuf>,
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(Debug, Args)]
pub(super) struct Whose {
    /// The config by which it is judged; without it, the one that `run-task` has
    #[arg(long)]
    config: Option<PathBuf>,
    /// The plugin directory, if not the config's
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A config with its plugin directory, to look at plugins with.
#[derive(Debug)]
pub(super) struct Context {
    config: Config,
    host: HostConfig,
    schemas: Arc<EngineSchema>,
    /// Holds compiled plugins where the user has no cache.
    _scratch: tempfile::TempDir,
}

impl Context {
    /// The context of a config; without one, that of `run-task`.
    pub(super) fn new(
        root: &dyn Root,
        config: Option<&Path>,
        plugins: Option<&Path>,
    ) -> Result<Self, Failure> {
        let scratch = tempfile::tempdir().map_err(could_not_run)?;
        let config = match config {
            Some(file) => {
                let mut config = config::load_without_secrets(file)?;
                if let Some(plugins) = plugins {
                    config.plugin_directory = Some(plugins.to_owned());
                }
                // A worker's own cache is the worker's alone.
                config.plugin_cache_directory = None;
                config
            }
            None => Config::built_in(
                places::plugin_directory(plugins).map_err(could_not_run)?,
                scratch.path(),
            ),
        };
        let directory =
            places::plugin_directory(config.plugin_directory.as_deref()).map_err(could_not_run)?;
        let cache_directory = places::user_cache().unwrap_or_else(|| scratch.path().join("cache"));
        let host = HostConfig {
            cache_directory,
            ..config.plugin_host(&directory)
        };
        let schemas = EngineSchema::new(config.engine.name(), root.engine_schema(&config));
        Ok(Self {
            config,
            host,
            schemas: Arc::new(schemas),
            _scratch: scratch,
        })
    }

    /// The config.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// What is in the plugin directory.
    pub(super) async fn reports(&self) -> Result<Vec<PluginReport>, Failure> {
        plugin_host::inspect_directory(self.options()?)
            .await
            .map_err(could_not_run)
    }

    /// The same, with everything that is wrong.
    async fn problems(&self) -> Result<Vec<PluginReport>, Failure> {
        plugin_host::check_directory(self.options()?)
            .await
            .map_err(could_not_run)
    }

    async fn report(&self, file: &Path) -> Result<PluginReport, Failure> {
        plugin_host::inspect_file(file, self.options()?)
            .await
            .map_err(could_not_run)
    }

    fn options(&self) -> Result<InspectOptions, Failure> {
        Ok(InspectOptions {
            config: self.host.clone(),
            compiler: places::compiler().map_err(could_not_run)?,
            progress: Arc::new(NoProgress),
            schemas: self.schemas.clone(),
        })
    }
}

pub(super) async fn run(root: &dyn Root, command: PluginCommand) -> Outcome {
    match command {
        PluginCommand::List { whose } => {
            let context = Context::new(root, whose.config.as_deref(), whose.plugins.as_deref())?;
            let policy = context.config().fault_policy();
            let records = plugin_host::plugin_records(&policy.file).map_err(could_not_run)?;
            let plugins = state::of(context.reports().await?, records, policy.limit);
            print(&if whose.json {
                json(&plugins)?
            } else {
                text::list(&plugins)
            });
            Ok(Exit::Success)
        }
        PluginCommand::Release { name, config } => release(&name, &config),
        PluginCommand::Inspect { file, whose } => {
            let report = Context::new(root, whose.config.as_deref(), whose.plugins.as_deref())?
                .report(&file)
                .await?;
            print(&if whose.json {
                json(&report)?
            } else {
                text::whole(&report)
            });
            // Something that is no plugin at all was not inspected.
            let is_plugin = report.is_loaded() || report.name.is_some() || !report.exports.is_empty();
            Ok(if is_plugin { Exit::Success } else { Exit::Failed })
        }
        PluginCommand::Check { file, whose } => {
            let context = Context::new(root, whose.config.as_deref(), whose.plugins.as_deref())?;
            let reports = match file {
                Some(file) => vec![context.report(&file).await?],
                None => context.problems().await?,
            };
            print(&if whose.json {
                json(&reports)?
            } else {
                text::verdicts(&reports)
            });
            let all_loaded = reports.iter().all(|report| report.verdict == Verdict::Loaded);
            Ok(if all_loaded { Exit::Success } else { Exit::Failed })
        }
    }
}

/// Forgets the faults of a plugin. A worker that runs notices.
fn release(name: &str, config: &Path) -> Outcome {
    let file = config::load_without_secrets(config)?.fault_policy().file;
    match plugin_host::release_plugin(&file, name) {
        Ok(hashes) => {
            for sha256 in hashes {
                print(&format!("plugin {name} is released ({sha256})"));
            }
            Ok(Exit::Success)
        }
        Err(error @ ReleaseError::NoFaults(_)) => Err(Failure {
            exit: Exit::Failed,
            error: error.into(),
        }),
        Err(error @ (ReleaseError::Records(_) | ReleaseError::Write { .. })) => Err(could_not_run(error)),
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(could_not_run)
}
