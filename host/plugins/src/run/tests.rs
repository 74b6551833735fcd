//! Plugins that behave, and plugins that do not, in every way that the host has an answer to.

mod accounts;
mod answers;
mod capabilities;
mod ending;
mod fakes;
mod guest;
mod limits;
mod versions;

use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use self::{
    fakes::{Artifacts, Bench, Builder, Log, Results, Running, Storage},
    guest::Guest,
};
use super::*;
use crate::{limits::Limits, ports::TaskLog as _};

/// The phase of a builder, and what it is told.
fn builder() -> (Phase<Box<dyn SandboxBuilder>>, Builder) {
    let builder = Builder::default();
    (Phase::new(Box::new(builder.clone())), builder)
}

/// A sandbox that runs, and who hears of the first failure.
fn sandbox() -> (SandboxPhase, Arc<Running>, mpsc::Receiver<PluginFailure>) {
    let running = Arc::new(Running::default());
    let (first_failure, heard) = mpsc::channel(1);
    let phase = SandboxPhase {
        sandbox: Phase::new(running.clone() as Arc<_>),
        ended: CancellationToken::new(),
        first_failure,
    };
    (phase, running, heard)
}

/// The one failure of an answer, as its kind and message.
#[track_caller]
fn only(answer: &HookAnswer) -> (HookErrorKind, &str) {
    match answer.failures.as_slice() {
        [failure] => (failure.kind, &failure.message),
        failures => panic!("not one failure: {failures:?}"),
    }
}

/// The failure of `new-task` of a plugin that does this there, with these limits.
async fn new_task(code: &'static str, limits: Limits) -> HookAnswer {
    let mut bench = Bench::new();
    bench.limits = limits;
    let bench = bench.with(
        "a",
        Guest {
            new_task: code,
            ..Guest::default()
        },
    );
    let (run, _) = bench.run();
    let answer = run.new_task(BTreeMap::new()).await;
    run.dispose().await;
    answer
}
