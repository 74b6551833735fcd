//! A sandbox that runs: one task of tokio's takes the steps, from the start on.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use engine_api::{BytesContent, EngineError, EngineErrorKind, KillError, LogSink, Sandbox, SandboxEnd};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    Call,
    payload::{Faults, MockPayload, Step},
    record::Held,
    result_set::{Left, MockResultSet},
};

#[derive(Debug)]
pub(crate) struct MockSandbox {
    /// Taken by `wait`. Where nobody waits, the steps end when the sandbox is dropped.
    steps: Mutex<Option<AbortOnDropHandle<Result<Outcome, EngineError>>>>,
    faults: Faults,
    killed: CancellationToken,
    aborted: CancellationToken,
    held: Held,
}

/// How the steps ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Exited(i32),
    Killed,
    Aborted,
}

#[derive(Debug)]
struct Outcome {
    ending: Ending,
    left: Left,
}

/// What takes the steps.
#[derive(Debug)]
struct Performer {
    log: Arc<dyn LogSink>,
    variables: BTreeMap<String, String>,
    left: Left,
    killed: CancellationToken,
    aborted: CancellationToken,
}

impl MockSandbox {
    pub(crate) fn start(
        payload: MockPayload,
        log: Arc<dyn LogSink>,
        variables: BTreeMap<String, String>,
        held: Held,
    ) -> Self {
        let killed = CancellationToken::new();
        let aborted = CancellationToken::new();
        let performer = Performer {
            log,
            variables,
            left: Left::default(),
            killed: killed.clone(),
            aborted: aborted.clone(),
        };
        let steps = AbortOnDropHandle::new(tokio::spawn(performer.take(payload.steps)));
        Self {
            steps: Mutex::new(Some(steps)),
            faults: payload.faults,
            killed,
            aborted,
            held,
        }
    }

    async fn outcome(&self, cancel: &CancellationToken) -> Result<Outcome, EngineError> {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut steps = steps.ok_or_else(|| {
            EngineError::new(EngineErrorKind::Internal, "a mock sandbox was waited for twice")
        })?;
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => {
                self.aborted.cancel();
                steps.await
            }
            ended = &mut steps => ended,
        };
        ended.unwrap_or_else(|error| {
            Err(
                EngineError::new(EngineErrorKind::Internal, "the steps of a mock sandbox broke")
                    .caused_by(error),
            )
        })
    }
}

impl Performer {
    async fn take(mut self, steps: Vec<Step>) -> Result<Outcome, EngineError> {
        let mut ending = Ending::Exited(0);
        for step in steps {
            if let ControlFlow::Break(early) = self.take_step(step).await? {
                ending = early;
                break;
            }
        }
        Ok(Outcome {
            ending,
            left: self.left,
        })
    }

    async fn take_step(&mut self, step: Step) -> Result<ControlFlow<Ending>, EngineError> {
        if let ControlFlow::Break(ending) = self.pause(std::future::ready(())).await {
            return Ok(ControlFlow::Break(ending));
        }
        match step {
            Step::Log(text) => self.print(&text).await?,
            Step::SleepMs(duration) => {
                return Ok(self
                    .pause(tokio::time::sleep(Duration::from_millis(duration)))
                    .await);
            }
            Step::Forever => return Ok(self.pause(std::future::pending()).await),
            Step::File { path, content } => {
                let content = BytesContent::new(content.into_bytes());
                self.left.files.insert(path, content);
            }
            Step::EndlessFolder(path) => {
                self.left.endless_folders.insert(path);
            }
            Step::PrintVariable(name) => match self.variables.get(&name) {
                Some(value) => self.print(value).await?,
                None => return Ok(ControlFlow::Break(Ending::Exited(1))),
            },
            Step::ExitCode(code) => return Ok(ControlFlow::Break(Ending::Exited(code))),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Waits, unless it is told to end.
    async fn pause(&self, until: impl Future<Output = ()>) -> ControlFlow<Ending> {
        tokio::select! {
            biased;
            () = self.aborted.cancelled() => ControlFlow::Break(Ending::Aborted),
            () = self.killed.cancelled() => ControlFlow::Break(Ending::Killed),
            () = until => ControlFlow::Continue(()),
        }
    }

    async fn print(&self, text: &str) -> Result<(), EngineError> {
        let (log, text) = (Arc::clone(&self.log), format!("{text}\n"));
        tokio::task::spawn_blocking(move || log.write(text.as_bytes()))
            .await
            .map_err(|error| {
                EngineError::new(EngineErrorKind::Internal, "could not write to the task's log")
                    .caused_by(error)
            })
    }
}

#[async_trait]
impl Sandbox for MockSandbox {
    async fn wait(&self, cancel: &CancellationToken) -> Result<SandboxEnd, EngineError> {
        self.held.call(Call::Wait);
        // Whatever goes wrong from here on, nothing is held; a result set holds again.
        self.held.release();
        let Outcome { ending, left } = self.outcome(cancel).await?;
        let exit_code = match ending {
            Ending::Aborted => return Ok(SandboxEnd::Aborted),
            Ending::Killed => None,
            Ending::Exited(code) => Some(code),
        };
        if let Some(fault) = &self.faults.wait {
            match fault.strike("wait", cancel).await {
                Err(error) if error.kind() == EngineErrorKind::Cancelled => return Ok(SandboxEnd::Aborted),
                answer => answer?,
            }
        }
        let results = MockResultSet::new(exit_code, left, &self.faults, self.held.again());
        Ok(SandboxEnd::Ended(Arc::new(results)))
    }

    fn kill(&self) -> Result<(), KillError> {
        self.held.call(Call::Kill);
        self.killed.cancel();
        Ok(())
    }
}
