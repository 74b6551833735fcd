//! `plugin`: what plugins are, what they need, and whether a config would load them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use plugin_host::{HostConfig, InspectOptions, NoProgress, PluginReport, Verdict};

use super::{Failure, Outcome, could_not_run, places, print};
use crate::{
    config::{self, Config},
    exit::Exit,
};

mod text;

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// List the plugins of the plugin directory
    List {
        #[command(flatten)]
        whose: Whose,
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
    /// Holds compiled plugins where the user has no cache.
    _scratch: tempfile::TempDir,
}

impl Context {
    /// The context of a config; without one, that of `run-task`.
    pub(super) fn new(config: Option<&Path>, plugins: Option<&Path>) -> Result<Self, Failure> {
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
        Ok(Self {
            config,
            host,
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
        })
    }
}

pub(super) async fn run(command: PluginCommand) -> Outcome {
    match command {
        PluginCommand::List { whose } => {
            let reports = Context::new(whose.config.as_deref(), whose.plugins.as_deref())?
                .reports()
                .await?;
            print(&if whose.json {
                json(&reports)?
            } else {
                text::list(&reports)
            });
            Ok(Exit::Success)
        }
        PluginCommand::Inspect { file, whose } => {
            let report = Context::new(whose.config.as_deref(), whose.plugins.as_deref())?
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
            let context = Context::new(whose.config.as_deref(), whose.plugins.as_deref())?;
            let reports = match file {
                Some(file) => vec![context.report(&file).await?],
                None => context.reports().await?,
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

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(could_not_run)
}
