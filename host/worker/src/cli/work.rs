//! `work`: the worker of a config.

use std::{path::Path, sync::Arc};

use super::{Outcome, could_not_run, places};
use crate::{
    config,
    exit::Exit,
    observe::NoObserver,
    root::{Root, WorkOptions},
    signals::Signals,
    stop::StopHandle,
};

pub(super) async fn run(root: &dyn Root, config: &Path) -> Outcome {
    let config = config::load(config)?;
    let options = WorkOptions {
        plugin_directory: places::plugin_directory(config.plugin_directory.as_deref())
            .map_err(could_not_run)?,
        compiler: places::compiler().map_err(could_not_run)?,
        progress: Arc::new(LoggedProgress),
        observer: Arc::new(NoObserver),
    };
    let stop = StopHandle::new();
    let (first, second) = (stop.clone(), stop.clone());
    let _signals = Signals::listen(vec![
        Box::new(move || first.graceful("a signal")),
        Box::new(move || second.now("a second signal")),
    ])
    .map_err(could_not_run)?;
    root.work(config, options, stop).await.map_err(could_not_run)?;
    Ok(Exit::Success)
}

/// Compilations, in the worker's log.
#[derive(Debug)]
struct LoggedProgress;

impl plugin_host::Progress for LoggedProgress {
    fn compiling(&self, plugin_file: &str, index: usize, total: usize) {
        tracing::info!(plugin_file, number = index + 1, total, "compiling a plugin");
    }

    fn compiled(&self, plugin_file: &str, took: std::time::Duration) {
        tracing::info!(plugin_file, ?took, "compiled");
    }
}
