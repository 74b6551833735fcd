//! The operations of a run: what takes time, each with the end that it answers. The loop in [`super`] owns them all.

use std::{panic::AssertUnwindSafe, sync::Arc};

use engine_api::{
    DisposeError, EngineError, EngineErrorKind, LogSink, ResultSet, RunContext, Sandbox, SandboxBuilder,
    SandboxEnd,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use plugin_host::{HookAnswer, Phase, PluginFailure, RunPlugins, SandboxPhase};
use tracing::Instrument as _;

use super::{Run, Running};
use crate::task::{held::Held, lease::NotReported, stage::Hook};

/// The end of an operation, with what it produced.
pub(super) enum Done {
    Builder(Result<Box<dyn SandboxBuilder>, EngineError>),
    Started(Result<Arc<dyn Sandbox>, EngineError>),
    Ended(Result<SandboxEnd, EngineError>),
    Hook(HookAnswer),
    Reported(Result<(), NotReported>),
    Disposed(Result<(), DisposeError>),
    Panicked(Operation, String),
}

/// What an operation was, for when it panics.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Engine,
    Hook,
    Report,
    Dispose,
}

impl Run {
    pub(super) fn new_builder(&mut self) {
        let engine = self.engine.clone();
        let context = RunContext {
            key: self.key.clone(),
            log: self.log.clone() as Arc<dyn LogSink>,
        };
        let payload = self.payload.engine.clone().unwrap_or_default();
        let cancel = self.cancel_engine.clone();
        self.spawn(Operation::Engine, async move {
            Done::Builder(engine.new_builder(context, payload, &cancel).await)
        });
    }

    pub(super) fn start_sandbox(&mut self) {
        let held = std::mem::take(&mut self.held);
        let cancel = self.cancel_engine.clone();
        self.spawn(Operation::Engine, async move {
            let builder = match held {
                Held::Builder(phase) => phase.end(),
                Held::Nothing | Held::Sandbox(_) | Held::Results(_) => None,
            };
            Done::Started(match builder {
                Some(builder) => builder.start(&cancel).await,
                None => Err(EngineError::new(
                    EngineErrorKind::Internal,
                    "there is no builder to start",
                )),
            })
        });
    }

    pub(super) fn wait_for_sandbox(&mut self) {
        let held = std::mem::take(&mut self.held);
        let cancel = self.cancel_engine.clone();
        self.spawn(Operation::Engine, async move {
            Done::Ended(match held {
                Held::Sandbox(sandbox) => sandbox.wait(&cancel).await,
                Held::Nothing | Held::Builder(_) | Held::Results(_) => Err(EngineError::new(
                    EngineErrorKind::Internal,
                    "there is no sandbox to wait for",
                )),
            })
        });
    }

    pub(super) fn call(&mut self, hook: Hook) {
        let plugins = self.plugins.clone();
        let future: BoxFuture<'static, HookAnswer> = match hook {
            Hook::NewTask => {
                let payloads = self.payload.plugins.clone();
                Box::pin(async move { plugins.new_task(payloads).await })
            }
            Hook::BuildSandbox => self.call_build_sandbox(plugins),
            Hook::Started => self.call_started(plugins),
            Hook::Stopped => self.call_stopped(plugins),
            Hook::Finished { success } => Box::pin(async move { plugins.finished(success).await }),
            Hook::Exception(exception) => {
                Box::pin(async move { plugins.exception(exception.plugin_reason()).await })
            }
        };
        self.spawn(Operation::Hook, async move { Done::Hook(future.await) });
    }

    fn call_build_sandbox(&self, plugins: Arc<RunPlugins>) -> BoxFuture<'static, HookAnswer> {
        match &self.held {
            // The phase ends when the builder is started or discarded, on which the next stage waits for this hook.
            Held::Builder(phase) => {
                let phase = phase.clone();
                Box::pin(async move { plugins.build_sandbox(phase).await })
            }
            Held::Nothing | Held::Sandbox(_) | Held::Results(_) => no_such("builder"),
        }
    }

    fn call_started(&self, plugins: Arc<RunPlugins>) -> BoxFuture<'static, HookAnswer> {
        let Some(Running { sandbox, ended }) = self.sandbox.clone() else {
            return no_such("sandbox");
        };
        let first_failure = self.failures.0.clone();
        Box::pin(async move {
            let phase = Phase::new(sandbox);
            let answer = plugins
                .started(SandboxPhase {
                    sandbox: phase.clone(),
                    ended,
                    first_failure,
                })
                .await;
            phase.end();
            answer
        })
    }

    fn call_stopped(&self, plugins: Arc<RunPlugins>) -> BoxFuture<'static, HookAnswer> {
        let Held::Results(results) = &self.held else {
            return no_such("result set");
        };
        let results: Arc<dyn ResultSet> = results.clone();
        Box::pin(async move {
            let phase = Phase::new(results);
            let answer = plugins.stopped(phase.clone()).await;
            phase.end();
            answer
        })
    }

    /// Adds an operation to those that the loop waits for. A panic in it is its answer.
    pub(super) fn spawn(
        &mut self,
        operation: Operation,
        future: impl Future<Output = Done> + Send + 'static,
    ) {
        let caught = async move {
            match AssertUnwindSafe(future).catch_unwind().await {
                Ok(done) => done,
                Err(panic) => Done::Panicked(operation, panic_message(&*panic)),
            }
        };
        self.operations.spawn(caught.in_current_span());
    }
}

/// A hook that the stage machine can't ask for at this point.
fn no_such(what: &'static str) -> BoxFuture<'static, HookAnswer> {
    let failure = PluginFailure {
        plugin: "worker".to_owned(),
        kind: plugin_host::HookErrorKind::Internal,
        message: format!("a hook was called without its {what}"),
    };
    Box::pin(async move {
        HookAnswer {
            success: false,
            failures: vec![failure],
        }
    })
}

pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
