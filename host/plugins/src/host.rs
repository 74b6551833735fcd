//! The plugin host as the worker sees it: opened once, asked for the current plugins before each run.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use tokio::{runtime::Handle, sync::Mutex};

use crate::{
    answer::WorkerStatus,
    assemble::{Assembled, assemble, is_required},
    capabilities,
    compile::CompilerCommand,
    config::HostConfig,
    directory::{Directory, DirectoryError, ReadError, Trust},
    loader::{Outcome, Progress, chain},
    machine::{Known, Machine, StartError},
    ports::{Lifecycle, WorkerInfo},
    refusal::{Refusal, capability_words},
    report::{PluginReport, Verdict},
    run::RunSettings,
    set::PluginSet,
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
}

/// What looking at plugins needs, without running them.
#[derive(Clone, Debug)]
pub struct InspectOptions {
    /// What the operator says, by which it is judged whether a plugin would be loaded.
    pub config: HostConfig,
    /// How the worker starts itself as a compiler.
    pub compiler: CompilerCommand,
    /// Hears of compilations.
    pub progress: Arc<dyn Progress>,
}

/// Loads plugins and keeps them up to date.
#[derive(Debug)]
pub struct PluginHost {
    machine: Machine,
    settings: RunSettings,
    /// Locked while the directory is looked at, so that a change is taken up once.
    current: Mutex<Current>,
    worker_plugins: WorkerPlugins,
}

/// What was found when the directory was looked at last.
#[derive(Debug)]
struct Current {
    files: BTreeMap<String, Known>,
    set: Arc<PluginSet>,
    /// Why the directory could not be read the last time, so that it is said once.
    trouble: Option<String>,
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
    /// The config grants what does not exist.
    #[error("{}", .0.join("\n"))]
    Config(Vec<String>),
    /// Plugins that the config requires are not loaded. Files that were refused before they could be asked for their names
    /// are listed too: one of them may be meant.
    #[error("plugins that the config requires can't be loaded:{}", lines(.0))]
    Plugins(Vec<PluginReport>),
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
        let HostOptions {
            config,
            worker,
            lifecycle,
            host_runtime,
            compiler,
            progress,
        } = options;
        let (machine, files) = scan_all(InspectOptions {
            config,
            compiler,
            progress,
        })
        .await?;
        let settings = RunSettings {
            worker: Arc::new(worker),
            lifecycle,
            guests: machine.guests().clone(),
            host: host_runtime,
            abort_grace: machine.config().abort_grace,
        };
        let assembled = assemble(&outcomes(&files), &[], machine.config());
        let lacking = lacking(&assembled, machine.config());
        if !lacking.is_empty() {
            machine.shutdown().await;
            return Err(OpenError::Plugins(lacking));
        }
        announce(&assembled, &[]);
        let worker_plugins = WorkerPlugins::new(settings.clone());
        let failed = worker_plugins.update(&assembled.plugins).await;
        if let Some(failed) = failed
            .into_iter()
            .find(|failed| is_required(&failed.plugin, machine.config()))
        {
            worker_plugins.shutdown().await;
            machine.shutdown().await;
            return Err(OpenError::NotStarted {
                plugin: failed.plugin.to_string(),
                why: failed.why,
            });
        }
        let Assembled { plugins, reports } = assembled;
        let set = Arc::new(PluginSet {
            plugins,
            reports,
            settings: settings.clone(),
        });
        let current = Mutex::new(Current {
            files,
            set,
            trouble: None,
        });
        Ok(Self {
            machine,
            settings,
            current,
            worker_plugins,
        })
    }

    /// The plugins for the next run. Takes up files that changed: compiles new ones, leaves the old version in service where
    /// the new one is refused, lets go of those whose files are gone. Where nothing has changed it costs a `stat` of each file.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn current(&self) -> Arc<PluginSet> {
        let mut current = self.current.lock().await;
        match self.machine.scan(&current.files).await {
            Ok(None) => current.trouble = None,
            Ok(Some(files)) => {
                current.trouble = None;
                if self.is_change(&current.files, &files) {
                    let Assembled { plugins, reports } = {
                        let config = self.machine.config();
                        let assembled = assemble(&outcomes(&files), &current.set.plugins, config);
                        announce(&assembled, &current.set.reports);
                        assembled
                    };
                    // What can't be started is logged there: the worker does not end for a file that changed.
                    drop(self.worker_plugins.update(&plugins).await);
                    current.set = Arc::new(PluginSet {
                        plugins,
                        reports,
                        settings: self.settings.clone(),
                    });
                }
                current.files = files;
            }
            Err(error) => {
                let trouble = chain(&error);
                if current.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(
                        trouble,
                        "the plugin directory can't be read, the plugins stay as they are"
                    );
                    current.trouble = Some(trouble);
                }
            }
        }
        current.set.clone()
    }

    /// Tells worker plugins that no task runs. For before each claim.
    pub async fn report_idle(&self, status: WorkerStatus) {
        self.worker_plugins.report_idle(status).await;
    }

    /// Tells worker plugins how the worker fares.
    pub async fn report_progress(&self, status: WorkerStatus) {
        self.worker_plugins.report_progress(status).await;
    }

    /// Tells worker plugins of an error that is not the end of the worker.
    pub async fn report_non_fatal_error(&self, message: &str) {
        self.worker_plugins.report_non_fatal_error(message).await;
    }

    /// Drops the instances of worker plugins and ends the guests' threads. Runs must have been disposed of before; hooks
    /// that are called after fail.
    pub async fn shutdown(&self) {
        self.worker_plugins.shutdown().await;
        self.machine.shutdown().await;
    }

    /// Whether anything that matters is different: a file that was only touched is not.
    fn is_change(&self, before: &BTreeMap<String, Known>, after: &BTreeMap<String, Known>) -> bool {
        let face = |(file, known): (&String, &Known)| {
            (
                file.clone(),
                known.outcome.report.sha256.clone(),
                known.outcome.report.verdict.clone(),
            )
        };
        !before.iter().map(face).eq(after.iter().map(face))
    }
}

/// Looks at one file as if it were in the plugin directory, wherever it is: what it is, what it needs, whether it would be
/// loaded and why not.
///
/// # Errors
/// When plugins can't be run here at all. What is wrong with the file is in the report.
pub async fn inspect_file(path: &Path, options: InspectOptions) -> Result<PluginReport, OpenError> {
    check_grants(&options.config)?;
    let machine = Machine::start(Arc::new(options.config), options.compiler, options.progress)?;
    let shown = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned();
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read_anywhere(&path)).await;
    let outcome = match read.unwrap_or_else(|error| Err(Refusal::HostFailed(error.to_string()))) {
        Ok(file) => machine.load(vec![file]).await.pop().map(|outcome| outcome.report),
        Err(refusal) => Some(PluginReport::new(&shown).refused(&refusal)),
    };
    machine.shutdown().await;
    // Every file that is loaded has its outcome.
    Ok(PluginReport {
        file: shown.clone(),
        ..outcome.unwrap_or_else(|| PluginReport::new(&shown))
    })
}

/// Looks at the plugin directory: what would be loaded, what not, and why.
///
/// # Errors
/// When the directory can't be used, or when plugins can't be run here at all.
pub async fn inspect_directory(options: InspectOptions) -> Result<Vec<PluginReport>, OpenError> {
    let (machine, files) = scan_all(options).await?;
    let Assembled { plugins: _, reports } = assemble(&outcomes(&files), &[], machine.config());
    machine.shutdown().await;
    Ok(reports)
}

async fn scan_all(options: InspectOptions) -> Result<(Machine, BTreeMap<String, Known>), OpenError> {
    check_grants(&options.config)?;
    let machine = Machine::start(Arc::new(options.config), options.compiler, options.progress)?;
    let files = machine.scan(&BTreeMap::new()).await?.unwrap_or_default();
    Ok((machine, files))
}

/// Reads a file for a look at it. Links are followed: nothing of it will run in a task.
pub(crate) fn read_anywhere(path: &Path) -> Result<crate::directory::WasmFile, Refusal> {
    let os = |error: std::io::Error| Refusal::Unreadable(ReadError::Os(error.to_string()));
    let path = path.canonicalize().map_err(os)?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(Refusal::Unreadable(ReadError::NotRegular("a directory")));
    };
    let directory = Directory::open(parent, Trust::NotNeeded)
        .map_err(|error| Refusal::Unreadable(ReadError::Os(error.to_string())))?;
    Ok(directory.read(name, Trust::NotNeeded)?)
}

fn outcomes(files: &BTreeMap<String, Known>) -> BTreeMap<String, Outcome> {
    files
        .iter()
        .map(|(file, known)| (file.clone(), known.outcome.clone()))
        .collect()
}

/// Refuses words that no capability has: a typing error must not look like a missing grant.
fn check_grants(config: &HostConfig) -> Result<(), OpenError> {
    let mut errors = Vec::new();
    for (plugin, entry) in &config.plugins {
        for word in &entry.grants {
            if capabilities::ALL.iter().any(|capability| capability.name == word) {
                continue;
            }
            let nearest = capabilities::ALL
                .iter()
                .map(|capability| {
                    (
                        strsim::damerau_levenshtein(word, capability.name),
                        capability.name,
                    )
                })
                .min()
                .filter(|(distance, _)| *distance <= 3);
            let help = match nearest {
                Some((_, nearest)) => format!("did you mean {nearest}?"),
                None => format!("there are {}", capability_words()),
            };
            errors.push(format!(
                "plugins.{plugin}.grants: there is no capability {word:?}; {help}"
            ));
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(OpenError::Config(errors))
    }
}

/// The reports that explain why the worker can't start; none when it can.
fn lacking(assembled: &Assembled, config: &HostConfig) -> Vec<PluginReport> {
    let is_loaded = |name: &str| assembled.plugins.iter().any(|loaded| &*loaded.name == name);
    let lacks = |name: &str| is_required(name, config) && !is_loaded(name);
    if !config.plugins.keys().any(|name| lacks(name)) {
        return Vec::new();
    }
    let explains = |report: &&PluginReport| match &report.name {
        Some(name) => !report.is_loaded() && lacks(name),
        None => true,
    };
    assembled.reports.iter().filter(explains).cloned().collect()
}

/// Says in the log what is new: each plugin that is in service, each refusal, once.
fn announce(assembled: &Assembled, former: &[PluginReport]) {
    for report in &assembled.reports {
        let is_old = |old: &PluginReport| {
            old.file == report.file && old.sha256 == report.sha256 && old.verdict == report.verdict
        };
        if former.iter().any(is_old) {
            continue;
        }
        let (file, plugin) = (&report.file, report.name.as_deref().unwrap_or_default());
        for warning in &report.warnings {
            tracing::warn!(file, plugin, warning, "a plugin's file should be looked into");
        }
        match &report.verdict {
            Verdict::Loaded => {
                tracing::info!(
                    file,
                    plugin,
                    version = report.version.as_deref().unwrap_or_default(),
                    "plugin loaded"
                );
            }
            Verdict::Refused { message, advice, .. } => {
                let advice = advice.as_deref().unwrap_or_default();
                let former_version = if report.kept.is_some() {
                    "stays in service"
                } else {
                    "there is none"
                };
                tracing::warn!(file, plugin, advice, former_version, "plugin refused: {message}");
            }
        }
    }
    let is_gone = |old: &&PluginReport| !assembled.reports.iter().any(|report| report.file == old.file);
    for old in former.iter().filter(is_gone) {
        tracing::info!(
            file = old.file,
            plugin = old.name.as_deref().unwrap_or_default(),
            "a plugin's file is gone"
        );
    }
}

/// A line for each report.
fn lines(reports: &[PluginReport]) -> String {
    let line = |report: &PluginReport| match &report.verdict {
        Verdict::Loaded => String::new(),
        Verdict::Refused {
            message,
            advice: None,
            ..
        } => format!("\n  {}: {message}", report.file),
        Verdict::Refused {
            message,
            advice: Some(advice),
            ..
        } => {
            format!("\n  {}: {message}\n    {advice}", report.file)
        }
    };
    reports.iter().map(line).collect()
}

#[cfg(test)]
mod tests;
