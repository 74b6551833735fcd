//! The plugins of one run: an instance each, all hooks in parallel, their answers combined.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use engine_api::{LogLevel, ResultSet, SandboxBuilder};
use futures_util::future::{BoxFuture, join_all};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    answer::{ExceptionReason, HookAnswer, HookErrorKind, PluginFailure},
    bindings::latest::taskcluster::plugin::types::{Error, HookError},
    capabilities::{artifacts::Uploads, environment::Variables},
    handles::{BuilderHandle, ResultsHandle, SandboxHandle, SandboxPhase},
    hooks::{self, TaskHook, Unheard},
    instance::{Broken, Instance, Interruption},
    phase::Phase,
    ports::{Lifecycle, RunPorts, WorkerInfo},
    set::Loaded,
    state::RunState,
    statistics::{Accounts, PluginIdentity},
};

/// What all runs have in common.
#[derive(Clone, Debug)]
pub(crate) struct RunSettings {
    pub(crate) worker: Arc<WorkerInfo>,
    pub(crate) lifecycle: Arc<dyn Lifecycle>,
    /// Guests run here, apart from leases and timers.
    pub(crate) guests: Handle,
    /// Uploads run here.
    pub(crate) host: Handle,
    /// How long a hook may take to return once its run is aborted.
    pub(crate) abort_grace: Duration,
    /// What hooks cost and how they break.
    pub(crate) accounts: Accounts,
}

/// How many failed uploads of one hook are named in the task's log.
const MAX_UNHEARD: usize = 20;

/// The plugins of one run. Hooks are called one after the other; instances are made by [`new_task`](Self::new_task).
pub struct RunPlugins {
    members: Vec<Member>,
    ports: RunPorts,
    settings: RunSettings,
    /// Calls of the engine that hooks have begun.
    engine_calls: TaskTracker,
    /// Which variables of the task are set, and by whom.
    variables: Arc<Variables>,
}

impl std::fmt::Debug for RunPlugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunPlugins")
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}

/// One plugin in one run.
struct Member {
    loaded: Arc<Loaded>,
    instance: Instance,
    standing: Mutex<Standing>,
}

/// Which hooks a plugin still gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// All.
    Good,
    /// Only `exception`, because a hook of its returned an error.
    Failed,
}

/// What a call of a hook came to: the plugin's own answer, or that its instance is gone.
type Called = Result<Result<bool, HookError>, Broken>;

/// What one plugin answers.
enum Answer {
    Yes,
    No,
    Failure(PluginFailure),
}

impl RunPlugins {
    pub(crate) fn new(plugins: &[Arc<Loaded>], ports: RunPorts, settings: RunSettings) -> Self {
        let member = |loaded: &Arc<Loaded>| Member {
            loaded: loaded.clone(),
            instance: Instance::new(loaded, &settings),
            standing: Mutex::new(Standing::Good),
        };
        let members = plugins
            .iter()
            .filter(|plugin| plugin.prepared.task_hooks().is_some())
            .map(member)
            .collect();
        Self {
            members,
            ports,
            settings,
            engine_calls: TaskTracker::new(),
            variables: Arc::default(),
        }
    }

    /// Which plugins they are, in the order of their names.
    #[must_use]
    pub fn identities(&self) -> Vec<PluginIdentity> {
        self.members
            .iter()
            .map(|member| member.loaded.identity())
            .collect()
    }

    /// Makes the instances and tells them of the run. `payloads` has each plugin's own properties of the payload, none for
    /// one whose part is invalid; a plugin that is missing there reads none.
    pub async fn new_task(&self, payloads: BTreeMap<String, Option<Value>>) -> HookAnswer {
        self.each(self.interruption(), None, |member, interruption| {
            let payload = match payloads.get(&*member.loaded.name) {
                Some(payload) => payload.as_ref().map(Value::to_string),
                None => Some(json!({}).to_string()),
            };
            let state = RunState {
                ports: self.ports.clone(),
                cancel: interruption.cancel.clone(),
                uploads: Uploads::new(self.settings.host.clone()),
                artifacts_left: member.loaded.prepared.limits().artifacts,
                variables: self.variables.clone(),
                host: self.settings.host.clone(),
                engine_calls: self.engine_calls.clone(),
            };
            Box::pin(async move {
                member
                    .instance
                    .create(
                        hooks::NewTask::NAME,
                        Some(state),
                        Some(self.settings.lifecycle.clone()),
                        interruption.clone(),
                    )
                    .await?;
                let hook = hooks::NewTask {
                    task: hooks::task_info(&self.ports.task),
                    worker: hooks::worker_info(&self.settings.worker),
                    config: member.loaded.config.to_string(),
                    payload,
                };
                member.call(interruption, hook, &self.ports).await
            })
        })
        .await
    }

    /// The sandbox is being built. The phase is the caller's to end.
    pub async fn build_sandbox(&self, builder: Phase<Box<dyn SandboxBuilder>>) -> HookAnswer {
        self.each(self.interruption(), None, |member, interruption| {
            Box::pin(member.call(
                interruption,
                hooks::BuildSandbox(BuilderHandle(builder.clone())),
                &self.ports,
            ))
        })
        .await
    }

    /// The sandbox runs. Answers when every plugin has returned, which some do only when the sandbox has ended.
    pub async fn started(&self, sandbox: SandboxPhase) -> HookAnswer {
        let first = sandbox.first_failure.clone();
        self.each(self.interruption(), Some(&first), |member, interruption| {
            Box::pin(member.call(
                interruption,
                hooks::Started(SandboxHandle(sandbox.clone())),
                &self.ports,
            ))
        })
        .await
    }

    /// The sandbox has ended. The phase is the caller's to end.
    pub async fn stopped(&self, results: Phase<Arc<dyn ResultSet>>) -> HookAnswer {
        self.each(self.interruption(), None, |member, interruption| {
            Box::pin(member.call(
                interruption,
                hooks::Stopped(ResultsHandle(results.clone())),
                &self.ports,
            ))
        })
        .await
    }

    /// The log is closed, the run about to be resolved.
    pub async fn finished(&self, success: bool) -> HookAnswer {
        self.each(self.interruption(), None, |member, interruption| {
            Box::pin(member.call(interruption, hooks::Finished(success), &self.ports))
        })
        .await
    }

    /// The run was resolved as an exception. The abort that led here does not interrupt this hook.
    pub async fn exception(&self, reason: ExceptionReason) -> HookAnswer {
        let interruption = Interruption {
            cancel: CancellationToken::new(),
            grace: self.settings.abort_grace,
        };
        for member in &self.members {
            member.set_standing(Standing::Good);
        }
        self.each(interruption, None, |member, interruption| {
            Box::pin(async move {
                if !member.instance.is_alive().await {
                    return Ok(Ok(true));
                }
                member
                    .call(interruption, hooks::Exception(reason), &self.ports)
                    .await
            })
        })
        .await
    }

    /// Drops the instances, with the uploads that are still under way, and waits for the calls of the engine that they have
    /// begun. The engine's own things may be disposed of before or after: a call that is under way then answers an error.
    pub async fn dispose(self) {
        join_all(self.members.iter().map(|member| member.instance.discard())).await;
        self.engine_calls.close();
        self.engine_calls.wait().await;
        self.settings.accounts.settle();
    }

    fn interruption(&self) -> Interruption {
        Interruption {
            cancel: self.ports.abort.clone(),
            grace: self.settings.abort_grace,
        }
    }

    /// Calls a hook of every plugin that still gets it, all in parallel, and combines what they answer.
    async fn each<'run>(
        &'run self,
        interruption: Interruption,
        first_failure: Option<&tokio::sync::mpsc::Sender<PluginFailure>>,
        // Boxed, because the future of an async closure is not known to be `Send` for every lifetime.
        hook: impl Fn(&'run Member, Interruption) -> BoxFuture<'run, Called> + Send,
    ) -> HookAnswer {
        let still_called = |member: &&Member| member.standing() == Standing::Good;
        let calls = self.members.iter().filter(still_called).map(|member| {
            let call = hook(member, interruption.clone());
            async move {
                let answer = member.judge(call.await, &self.ports);
                if let (Answer::Failure(failure), Some(first)) = (&answer, first_failure) {
                    // Full: somebody else was first.
                    let _ = first.try_send(failure.clone());
                }
                answer
            }
        });
        let mut combined = HookAnswer {
            success: true,
            failures: Vec::new(),
        };
        for answer in join_all(calls).await {
            match answer {
                Answer::Yes => {}
                Answer::No => combined.success = false,
                Answer::Failure(failure) => combined.failures.push(failure),
            }
        }
        combined
    }
}

impl Member {
    /// Calls a hook, and settles the uploads that it leaves behind.
    async fn call(&self, interruption: Interruption, hook: impl TaskHook, ports: &RunPorts) -> Called {
        let Some(indices) = self.loaded.prepared.task_hooks().cloned() else {
            return Ok(Ok(true));
        };
        let cancel = interruption.cancel.clone();
        let call = hooks::InTask {
            hook,
            indices,
            cancel,
        };
        let (answer, unheard) = self.instance.call(interruption, call).await?;
        let settled = self.hear(&unheard, ports);
        Ok(answer.and_then(|success| settled.map(|()| success)))
    }

    /// Says which uploads have failed though the plugin did not ask. They are the queue's or the storage's fault, as far as
    /// can be told: the run may succeed elsewhere.
    fn hear(&self, unheard: &Unheard, ports: &RunPorts) -> Result<(), HookError> {
        let mut messages = unheard
            .iter()
            .map(|(name, error)| format!("the artifact {name} could not be uploaded: {}", describe(error)));
        let Some(first) = messages.next() else {
            return Ok(());
        };
        ports.log.line(LogLevel::Error, &first);
        for message in messages.by_ref().take(MAX_UNHEARD - 1) {
            ports.log.line(LogLevel::Error, &message);
        }
        let others = messages.count();
        if others > 0 {
            ports
                .log
                .line(LogLevel::Error, &format!("so could {others} others not"));
        }
        Err(HookError::ResourceUnavailable(first))
    }

    fn standing(&self) -> Standing {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_standing(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// What an answer means for the run.
    fn judge(&self, answer: Called, ports: &RunPorts) -> Answer {
        let loaded = &self.loaded;
        let plugin = loaded.name.to_string();
        if let Err(Broken::Trap { .. } | Broken::Limit { .. }) = &answer
            && self.instance.is_quarantined()
        {
            let said = format!("plugin {plugin} has broken too often: this worker uses it for no new task");
            ports.log.line(LogLevel::Warn, &said);
        }
        match answer {
            Ok(Ok(true)) => Answer::Yes,
            Ok(Ok(false)) => Answer::No,
            Ok(Err(error)) => {
                self.set_standing(Standing::Failed);
                let (kind, message) = hooks::failure(error, loaded.may_stop_the_worker);
                Answer::Failure(PluginFailure {
                    plugin,
                    kind,
                    message,
                })
            }
            Err(Broken::Gone) => Answer::Yes,
            Err(broken) if loaded.required => Answer::Failure(PluginFailure {
                plugin,
                kind: HookErrorKind::Internal,
                message: broken.to_string(),
            }),
            Err(broken) => {
                tracing::warn!(plugin, %broken, "a plugin that is not required broke");
                ports.log.line(
                    LogLevel::Warn,
                    &format!("plugin {plugin}, which this worker does not require, broke: {broken}"),
                );
                Answer::Yes
            }
        }
    }
}

/// The text of an error of the contract.
fn describe(error: &Error) -> &str {
    match error {
        Error::NotSupported(text)
        | Error::Invalid(text)
        | Error::Conflict(text)
        | Error::NotFound(text)
        | Error::Denied(text)
        | Error::Limit(text)
        | Error::Unavailable(text)
        | Error::Other(text) => text,
        Error::Closed => "the phase was over",
        Error::Cancelled => "the run was aborted",
    }
}

#[cfg(test)]
mod tests;
