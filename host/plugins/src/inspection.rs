//! Plugins looked at and not run in tasks: for `plugin list`, `plugin inspect` and `plugin check`. A file goes the loader's own
//! way; what differs is that it goes on after a problem, where more can be told.

use std::{path::Path, sync::Arc};

use crate::{
    assemble::{Assembled, Rules, assemble},
    compile::CompilerCommand,
    config::HostConfig,
    directory::{ReadError, is_plugin_name, read_anywhere},
    host::{OpenError, outcomes},
    loader::{Found, Outcome, Progress, Purpose},
    machine::{Machine, blocking},
    ports::PayloadSchemas,
    refusal::Refusal,
    report::PluginReport,
    scan::Files,
};

/// What looking at plugins needs, without running them.
#[derive(Clone, Debug)]
pub struct InspectOptions {
    /// What the operator says, by which it is judged whether a plugin would be loaded.
    pub config: HostConfig,
    /// How the worker starts itself as a compiler.
    pub compiler: CompilerCommand,
    /// Hears of compilations.
    pub progress: Arc<dyn Progress>,
    /// Knows what the engine reads of a task's payload.
    pub schemas: Arc<dyn PayloadSchemas>,
}

/// Looks at one file: what it is, what it needs, whether it would be loaded, and everything that keeps it from that. One that
/// is in the plugin directory is judged as it lies there, together with the other files; one that is elsewhere, as if it were
/// alone there and the worker's own.
///
/// # Errors
/// When plugins can't be run here at all. What is wrong with the file is in the report.
pub async fn inspect_file(path: &Path, options: InspectOptions) -> Result<PluginReport, OpenError> {
    let schemas = options.schemas.clone();
    let machine = start(options)?;
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy().into_owned();
    let report = match is_in(path, &machine.config().directory) {
        true => in_directory(&machine, &name, &*schemas).await,
        false => Ok(elsewhere(&machine, path, &name, &*schemas).await),
    };
    machine.shutdown().await;
    report
}

/// Looks at the plugin directory: what would be loaded, what not, and why. Nothing is run of files that nobody vouches for.
///
/// # Errors
/// When the directory can't be used, or when plugins can't be run here at all.
pub async fn inspect_directory(options: InspectOptions) -> Result<Vec<PluginReport>, OpenError> {
    look(options, Purpose::Load).await
}

/// Looks at the plugin directory for everything that keeps its files from being loaded.
///
/// # Errors
/// When the directory can't be read, or when plugins can't be run here at all.
pub async fn check_directory(options: InspectOptions) -> Result<Vec<PluginReport>, OpenError> {
    look(options, Purpose::Tell).await
}

async fn look(options: InspectOptions, purpose: Purpose) -> Result<Vec<PluginReport>, OpenError> {
    let schemas = options.schemas.clone();
    let machine = start(options)?;
    let files = machine.load_all(purpose).await;
    let reports = files.map(|files| reports(&machine, &files, &*schemas));
    machine.shutdown().await;
    Ok(reports?)
}

fn start(options: InspectOptions) -> Result<Machine, OpenError> {
    let InspectOptions {
        config,
        compiler,
        progress,
        schemas: _,
    } = options;
    Ok(Machine::start(Arc::new(config), compiler, progress)?)
}

fn reports(machine: &Machine, files: &Files, schemas: &dyn PayloadSchemas) -> Vec<PluginReport> {
    let rules = Rules {
        config: machine.config(),
        schemas,
    };
    let Assembled { plugins: _, reports } = assemble(&outcomes(files), &[], &rules);
    reports
}

/// Whether a file lies right in a directory, whatever it is itself.
fn is_in(path: &Path, directory: &Path) -> bool {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return false,
    };
    let (parent, directory) = (parent.canonicalize(), directory.canonicalize());
    matches!((parent, directory), (Ok(parent), Ok(directory)) if parent == directory)
}

async fn in_directory(
    machine: &Machine,
    name: &str,
    schemas: &dyn PayloadSchemas,
) -> Result<PluginReport, OpenError> {
    let files = machine.load_all(Purpose::Tell).await?;
    let reports = reports(machine, &files, schemas);
    let unlisted = || {
        let why = if is_plugin_name(name) {
            ReadError::Missing
        } else {
            ReadError::Name
        };
        PluginReport::new(name).refused(&Refusal::from(why).into())
    };
    let report = reports.into_iter().find(|report| report.file == name);
    Ok(report.unwrap_or_else(unlisted))
}

async fn elsewhere(machine: &Machine, path: &Path, name: &str, schemas: &dyn PayloadSchemas) -> PluginReport {
    let path = path.to_owned();
    let read = blocking(move || read_anywhere(&path)).await;
    let report = match read.unwrap_or_else(|why| Err(ReadError::Os(why))) {
        Ok(file) => {
            let problems = Vec::new();
            let outcome = machine
                .load(vec![Found { file, problems }], Purpose::Tell)
                .await
                .pop();
            outcome.map(|outcome| held_against_engine(outcome, schemas))
        }
        Err(error) => Some(PluginReport::new(name).refused(&Refusal::from(error).into())),
    };
    // Every file that is loaded has its outcome.
    PluginReport {
        file: name.to_owned(),
        ..report.unwrap_or_else(|| PluginReport::new(name))
    }
}

/// The report, refused where the plugin does not go together with the engine.
fn held_against_engine(outcome: Outcome, schemas: &dyn PayloadSchemas) -> PluginReport {
    let Ok(loaded) = &outcome.result else {
        return outcome.report;
    };
    let part = (loaded.name.to_string(), loaded.payload_schema.clone());
    match schemas.go_together(vec![part]) {
        Ok(()) => outcome.report,
        Err(why) => outcome.report.refused(&Refusal::SchemaConflict(why).into()),
    }
}
