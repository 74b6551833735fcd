//! `work`: the worker of a config.

use std::{panic::AssertUnwindSafe, path::Path, sync::Arc};

use futures_util::FutureExt as _;

use super::{Failure, Outcome, chain, could_not_run, places, usage};
use crate::{
    config::{Config, Draft},
    exit::Exit,
    observe::NoObserver,
    patience::Patience,
    root::{Access, Root, WorkOptions},
    signals::Signals,
    start::{self, Start, StartError},
    stop::{Reason, StopHandle},
    task::run::panic_message,
};

pub(super) async fn run(root: &dyn Root, config: &Path) -> Outcome {
    let draft = Draft::read(config)?;
    let stop = StopHandle::new();
    let _signals = listen(&stop).map_err(could_not_run)?;
    let Start {
        config,
        access,
        registration,
    } = match start::start(draft, &Patience::Of(&stop)).await {
        Ok(start) => start,
        // It does what it was asked to.
        Err(StartError::Stopped) => return Ok(Exit::Success),
        Err(error) => return Err(failure(error)),
    };
    let kept = registration.map(|registration| registration.keep(stop.clone()));
    let worked = work(root, config, access, &stop).await;
    if let Some(kept) = kept {
        kept.end().await;
    }
    worked
}

/// Works, and tells worker-manager where that is impossible.
async fn work(root: &dyn Root, config: Config, access: Option<Access>, stop: &StopHandle) -> Outcome {
    let options = WorkOptions {
        plugin_directory: places::plugin_directory(config.plugin_directory.as_deref())
            .map_err(could_not_run)?,
        compiler: places::compiler().map_err(could_not_run)?,
        progress: Arc::new(LoggedProgress),
        observer: Arc::new(NoObserver),
        access: access.clone(),
    };
    let work = AssertUnwindSafe(root.work(config, options, stop.clone()));
    let (title, error) = match work.catch_unwind().await {
        Ok(Ok(())) => return Ok(Exit::Success),
        Ok(Err(error)) => ("the worker can't begin", error),
        Err(panic) => {
            stop.now(Reason::Internal, "a panic");
            let message = panic_message(&*panic);
            ("the worker is broken", anyhow::anyhow!("panic: {message}"))
        }
    };
    if let Some(managed) = access.and_then(|access| access.manager) {
        managed.report_error(title, &chain(&error)).await;
    }
    Err(could_not_run(error))
}

/// One signal asks the worker to end when its tasks have ended, a second one to end now.
fn listen(stop: &StopHandle) -> std::io::Result<Signals> {
    let (first, second) = (stop.clone(), stop.clone());
    Signals::listen(vec![
        Box::new(move |which| first.graceful(which.into(), "a signal")),
        Box::new(move |which| second.now(which.into(), "a second signal")),
    ])
}

/// What is wrong in the config is the operator's to mend; what is wrong around it may mend itself.
pub(super) fn failure(error: StartError) -> Failure {
    match error {
        StartError::Config(_) | StartError::Deployment(_) => usage(error),
        StartError::Register(_) | StartError::Secret { .. } | StartError::Http(_) | StartError::Stopped => {
            could_not_run(error)
        }
    }
}

/// Compilations, in the worker's log.
#[derive(Debug)]
pub(super) struct LoggedProgress;

impl plugin_host::Progress for LoggedProgress {
    fn compiling(&self, plugin_file: &str, index: usize, total: usize) {
        tracing::info!(plugin_file, number = index + 1, total, "compiling a plugin");
    }

    fn compiled(&self, plugin_file: &str, took: std::time::Duration) {
        tracing::info!(plugin_file, ?took, "compiled");
    }
}
