//! The engine under test, and the steps that most cases begin or end with.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::MemoryLog;
use crate::{Engine, ResultSet, RunContext, RunKey, Sandbox, SandboxBuilder, SandboxEnd};

/// What hangs for so long has failed. No case takes a tenth of it on a slow machine.
const LIMIT: Duration = Duration::from_secs(120);

/// An engine, and how to see what its runs leave behind.
pub struct Suite {
    engine: Arc<dyn Engine>,
    leftovers: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    runs: AtomicU32,
}

impl Debug for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

impl Suite {
    /// A suite for `engine`, which runs nothing else meanwhile. `leftovers` names whatever runs hold at that moment
    /// (folders, processes, ports): it must be nothing whenever no run is there.
    pub fn new(engine: Arc<dyn Engine>, leftovers: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Self {
        Self {
            engine,
            leftovers: Box::new(leftovers),
            runs: AtomicU32::new(0),
        }
    }

    /// The engine under test.
    #[must_use]
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// What a run is told: a name of its own, and a log.
    #[must_use]
    pub fn context(&self) -> (Arc<MemoryLog>, RunContext) {
        let log = Arc::new(MemoryLog::new());
        let run_id = self.runs.fetch_add(1, Ordering::Relaxed);
        // Different runs of one task: whatever is named by the task alone collides.
        let key = RunKey {
            task_id: "ConformanceSuite_Test0".to_owned(),
            run_id,
        };
        (Arc::clone(&log), RunContext { key, log })
    }

    /// A builder for `payload`, with the log of its run.
    pub async fn builder(&self, payload: Value) -> (Arc<MemoryLog>, Box<dyn SandboxBuilder>) {
        let (log, context) = self.context();
        let token = CancellationToken::new();
        let builder = within("new_builder", self.engine.new_builder(context, payload, &token)).await;
        (log, good("new_builder", builder))
    }

    /// A sandbox that runs, with its log.
    pub async fn start(
        &self,
        payload: Value,
        variables: &[(&str, &str)],
    ) -> (Arc<MemoryLog>, Arc<dyn Sandbox>) {
        let (log, builder) = self.builder(payload).await;
        for (name, value) in variables {
            good("set_variable", builder.set_variable(name, value));
        }
        let token = CancellationToken::new();
        (log, good("start", within("start", builder.start(&token)).await))
    }

    /// A run up to its result.
    pub async fn run(
        &self,
        payload: Value,
        variables: &[(&str, &str)],
    ) -> (Arc<MemoryLog>, Arc<dyn ResultSet>) {
        let (log, sandbox) = self.start(payload, variables).await;
        (log, self.end(sandbox.as_ref()).await)
    }

    /// Waits for a sandbox that ends by itself, or that was killed.
    pub async fn end(&self, sandbox: &dyn Sandbox) -> Arc<dyn ResultSet> {
        let token = CancellationToken::new();
        match good("wait", within("wait", sandbox.wait(&token)).await) {
            SandboxEnd::Ended(results) => results,
            SandboxEnd::Aborted => {
                panic!("wait answered that it was aborted, though its token had not fired")
            }
        }
    }

    /// Disposes of the only result set.
    pub async fn dispose(&self, results: &dyn ResultSet) {
        self.dispose_one(results).await;
        self.assert_nothing_left();
    }

    /// Disposes of one result set of several.
    pub async fn dispose_one(&self, results: &dyn ResultSet) {
        good("dispose", within("dispose", results.dispose()).await);
    }

    /// Discards the only builder.
    pub async fn discard(&self, builder: Box<dyn SandboxBuilder>) {
        good("discard", within("discard", builder.discard()).await);
        self.assert_nothing_left();
    }

    /// Panics where a run that is over left something.
    pub fn assert_nothing_left(&self) {
        let left = (self.leftovers)();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

/// Awaits an answer, for a bounded time. The future of the engine is dropped where it takes longer: the test has failed.
pub(super) async fn within<F: Future>(operation: &str, future: F) -> F::Output {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(answer) => answer,
        Err(_) => panic!("{operation} took longer than {LIMIT:?}"),
    }
}

/// The value of an answer that is no error.
pub(super) fn good<T, E: Debug>(operation: &str, answer: Result<T, E>) -> T {
    match answer {
        Ok(value) => value,
        Err(error) => panic!("{operation} answered an error: {error:?}"),
    }
}
