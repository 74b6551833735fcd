//! The plugin host as the worker sees it: opened once, asked for the current plugins before each run.

use std::{collections::BTreeMap, sync::Arc};

use tokio::runtime::Handle;

use crate::{
    announce::announce,
    answer::WorkerStatus,
    assemble::{Assembled, Rules, is_required},
    compile::CompilerCommand,
    config::HostConfig,
    directory::DirectoryError,
    faults::keeper::Keeper,
    loader::{Outcome, Progress, Purpose},
    machine::{Machine, StartError},
    ports::{Lifecycle, PayloadSchemas, WorkerInfo},
    quarantine::{assemble_without, is_all_quarantined, lacking},
    refusal::Refusal,
    report::{PluginReport, Problem, Verdict},
    run::RunSettings,
    scan::Files,
    set::{Lacking, PluginSet},
    statistics::{PluginStanding, PluginStatistics},
    updater::{Pace, Parts, Updater},
    worker_plugins::WorkerPlugins,
};

/// What a host needs of its worker.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// What the operator says.
    pub config: HostConfig,
    /// What plugins are told of the worker.
    pub worker: WorkerInfo,
    /// What plugins with the grant `lifecycle` can do to it.
    pub lifecycle: Arc<dyn Lifecycle>,
    /// Uploads run there, apart from the guests.
    pub host_runtime: Handle,
    /// How the worker starts itself as a compiler.
    pub compiler: CompilerCommand,
    /// Hears of compilations.
    pub progress: Arc<dyn Progress>,
    /// Knows what the engine reads of a task's payload.
    pub schemas: Arc<dyn PayloadSchemas>,
}

/// Loads plugins and keeps them up to date.
#[derive(Debug)]
pub struct PluginHost {
    machine: Arc<Machine>,
    worker_plugins: Arc<WorkerPlugins>,
    updater: Updater,
    /// Keeps faults and statistics.
    keeper: Keeper,
}

/// Why a worker can't start with its plugins.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Plugins can't be run here at all.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The plugin directory can't be read or trusted.
    #[error("the plugin directory can't be used")]
    Directory(#[from] DirectoryError),
    /// Plugins that the config requires are not loaded. Files that were refused before they could be asked for their names
    /// are listed too: one of them may be meant.
    #[error("plugins that the config requires can't be loaded:{}", lines(.0))]
    Plugins(Vec<PluginReport>),
    /// What plugins and the engine read of a task's payload does not go together.
    #[error("the payload schemas of plugins do not go together:{}", lines(.0))]
    Conflict(Vec<PluginReport>),
    /// A plugin that the config requires does not want to serve this worker, or broke when it was told of it.
    #[error("plugin {plugin}, which the config requires, could not be started: {why}")]
    NotStarted {
        /// Its name.
        plugin: String,
        /// What it says.
        why: String,
    },
}

impl PluginHost {
    /// Loads everything in the plugin directory, and starts the plugins that take part in the worker's life. What is
    /// refused and not required is a warning in the log, and in [`PluginSet::reports`].
    ///
    /// # Errors
    /// When a plugin that the config requires does not load, or when nothing could.
    pub async fn open(options: HostOptions) -> Result<Self, OpenError> {
        Self::open_at(options, Pace::default()).await
    }

    pub(crate) async fn open_at(options: HostOptions, pace: Pace) -> Result<Self, OpenError> {
        let HostOptions {
            config,
            worker,
            lifecycle,
            host_runtime,
            compiler,
            progress,
            schemas,
        } = options;
        let policy = config.faults.clone();
        let machine = Arc::new(Machine::start(Arc::new(config), compiler, progress)?);
        let files = machine.load_all(Purpose::Load).await?;
        let keeper = Keeper::start(policy).await;
        let settings = RunSettings {
            worker: Arc::new(worker),
            lifecycle,
            guests: machine.guests().clone(),
            host: host_runtime.clone(),
            abort_grace: machine.config().abort_grace,
            accounts: keeper.accounts().clone(),
        };
        let parts = Parts {
            machine,
            worker_plugins: Arc::new(WorkerPlugins::new(settings.clone())),
            settings,
            schemas,
            pace,
        };
        match first(&parts, &files).await {
            Ok(first) => Ok(Self {
                machine: parts.machine.clone(),
                worker_plugins: parts.worker_plugins.clone(),
                keeper,
                updater: Updater::start(parts, files, first, &host_runtime),
            }),
            Err(error) => {
                parts.worker_plugins.shutdown().await;
                keeper.shutdown().await;
                parts.machine.shutdown().await;
                Err(error)
            }
        }
    }

    /// The plugins for the next run. A task of the host's takes changes of the directory up by itself; where it has not come
    /// to one yet, this waits for it, but not for a plugin that takes long to compile: that is for a later run. Where nothing
    /// has changed it costs a `stat` of each file.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn current(&self) -> Arc<PluginSet> {
        self.updater.current().await
    }

    /// Tells worker plugins that no task runs, and waits until they have heard it, but not for long. For before each claim.
    pub async fn report_idle(&self, status: WorkerStatus) {
        self.worker_plugins.report_idle(status).await;
    }

    /// Tells worker plugins how the worker fares. Waits for none.
    pub fn report_progress(&self, status: WorkerStatus) {
        self.worker_plugins.report_progress(status);
    }

    /// Tells worker plugins of an error that is not the end of the worker. Waits for none.
    pub fn report_non_fatal_error(&self, message: &str) {
        self.worker_plugins.report_non_fatal_error(message);
    }

    /// Drops the instances of worker plugins and ends the guests' threads. Runs must have been disposed of before; hooks
    /// that are called after fail.
    pub async fn shutdown(&self) {
        // So that no plugin that is just being started holds up the end.
        self.worker_plugins.begin_shutdown();
        self.updater.shutdown().await;
        self.worker_plugins.shutdown().await;
        self.machine.shutdown().await;
        self.keeper.shutdown().await;
    }

    /// The plugins without which no task is to be run with this set: the config names and requires them, and none of their
    /// versions is in service.
    #[must_use]
    pub fn lacking(&self, set: &PluginSet) -> Vec<Lacking> {
        let absent = self.worker_plugins.absent().into_iter();
        let required = absent.filter(|absent| is_required(&absent.plugin, self.machine.config()));
        let absent = required.map(|absent| Lacking {
            plugin: absent.plugin.to_string(),
            why: absent.why,
        });
        let mut lacking = set.lacking.clone();
        for absent in absent {
            if !lacking.iter().any(|known| known.plugin == absent.plugin) {
                lacking.push(absent);
            }
        }
        lacking
    }

    /// Which versions of plugins are in service, and what their faults are.
    #[must_use]
    pub fn standings(&self) -> Vec<PluginStanding> {
        self.keeper.accounts().standings()
    }

    /// What the hooks of the plugins have cost since the worker began, and how they ended.
    #[must_use]
    pub fn statistics(&self) -> Vec<PluginStatistics> {
        self.keeper.accounts().snapshot()
    }
}

/// The first set of plugins, with the generation of faults that it goes by.
async fn first(parts: &Parts, files: &Files) -> Result<(Arc<PluginSet>, u64), OpenError> {
    let config = parts.machine.config();
    let faults = parts.settings.accounts.faults();
    let generation = faults.generation();
    let rules = Rules {
        config,
        schemas: &*parts.schemas,
    };
    let assembled = assemble_without(faults, outcomes(files), &[], &rules);
    let conflicts = explaining(
        &assembled,
        |report| matches!(&report.verdict, Verdict::Refused { reason, .. } if *reason == Refusal::SCHEMA_CONFLICT),
    );
    if !conflicts.is_empty() {
        return Err(OpenError::Conflict(conflicts));
    }
    let lacking = lacking(&assembled, config);
    if !is_all_quarantined(&lacking, &assembled.reports) {
        let lacks = |name: &str| lacking.iter().any(|lacking| lacking.plugin == name);
        return Err(OpenError::Plugins(explaining(&assembled, |report| {
            report
                .name
                .as_deref()
                .is_none_or(|name| !report.is_loaded() && lacks(name))
        })));
    }
    announce(&assembled, &[]);
    let failed = parts.worker_plugins.start(&assembled.plugins).await;
    if let Some(failed) = failed
        .into_iter()
        .find(|failed| is_required(&failed.plugin, config))
    {
        return Err(OpenError::NotStarted {
            plugin: failed.plugin.to_string(),
            why: failed.why,
        });
    }
    let set = PluginSet::new(assembled, config, parts.settings.clone());
    Ok((Arc::new(set), generation))
}

pub(crate) fn outcomes(files: &Files) -> BTreeMap<String, Outcome> {
    files
        .iter()
        .map(|(file, known)| (file.clone(), known.outcome.clone()))
        .collect()
}

/// The reports that explain why the worker can't start.
fn explaining(assembled: &Assembled, explains: impl Fn(&PluginReport) -> bool) -> Vec<PluginReport> {
    let reports = assembled.reports.iter().filter(|report| explains(report));
    reports.cloned().collect()
}

/// A line for each problem, and one for what would help.
fn lines(reports: &[PluginReport]) -> String {
    let line = |file: &str, problem: &Problem| {
        let advice = problem.advice.as_ref();
        let advice = advice.map_or_else(String::new, |advice| format!("\n    {advice}"));
        format!("\n  {file}: {}{advice}", problem.message)
    };
    let of_report = |report: &PluginReport| -> String {
        let problems = report.problems.iter();
        problems.map(|problem| line(&report.file, problem)).collect()
    };
    reports.iter().map(of_report).collect()
}

#[cfg(test)]
mod tests;
