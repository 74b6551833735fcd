//! The ways in which a run ends other than by itself.

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    Suite,
    suite::{good, within},
};
use crate::{EngineErrorKind, SandboxEnd};

/// How an engine is told to go on for ever.
#[derive(Clone, Debug)]
pub struct EndlessCase {
    /// Prints `target` and then does not end.
    pub payload: Value,
    /// What shows in the log that the task runs. No line of the engine's own about the payload contains it.
    pub target: &'static str,
}

/// A sandbox that is killed ends without success, and killing it again, or after its end, does nothing.
pub async fn kill(suite: &Suite, case: &EndlessCase) {
    let (log, sandbox) = suite.start(case.payload.clone(), &[]).await;
    within("the task's output", log.until_contains(case.target)).await;
    good("kill", sandbox.kill());
    good("kill, the second time", sandbox.kill());
    let results = suite.end(sandbox.as_ref()).await;
    assert!(!results.success(), "a killed sandbox succeeded");
    assert_eq!(results.exit_code(), None, "a killed sandbox has an exit code");
    good("kill after the end", sandbox.kill());
    drop(sandbox);
    suite.dispose(results.as_ref()).await;
}

/// A token that fires ends whatever goes on, and leaves nothing: before the builder is made, before the start, before
/// the wait, and while it waits.
pub async fn abort(suite: &Suite, case: &EndlessCase) {
    let fired = CancellationToken::new();
    fired.cancel();

    let (_, context) = suite.context();
    let made = within(
        "new_builder",
        suite.engine().new_builder(context, case.payload.clone(), &fired),
    )
    .await;
    assert_eq!(
        made.err().map(|error| error.kind()),
        Some(EngineErrorKind::Cancelled),
        "new_builder, cancelled"
    );
    suite.assert_nothing_left();

    let (_, builder) = suite.builder(case.payload.clone()).await;
    let started = within("start", builder.start(&fired)).await;
    assert_eq!(
        started.err().map(|error| error.kind()),
        Some(EngineErrorKind::Cancelled),
        "start, cancelled"
    );
    suite.assert_nothing_left();

    let (_, sandbox) = suite.start(case.payload.clone(), &[]).await;
    let end = good("wait", within("wait", sandbox.wait(&fired)).await);
    assert!(
        matches!(end, SandboxEnd::Aborted),
        "wait with a token that had fired before answered {end:?}"
    );
    suite.assert_nothing_left();

    let (log, sandbox) = suite.start(case.payload.clone(), &[]).await;
    let token = CancellationToken::new();
    let (end, ()) = tokio::join!(within("wait", sandbox.wait(&token)), async {
        within("the task's output", log.until_contains(case.target)).await;
        token.cancel();
    });
    let end = good("wait", end);
    assert!(
        matches!(end, SandboxEnd::Aborted),
        "a wait that was cancelled answered {end:?}"
    );
    suite.assert_nothing_left();
}

/// A builder that is not started leaves nothing, whatever was set on it.
pub async fn discard(suite: &Suite, case: &EndlessCase) {
    let (_, builder) = suite.builder(case.payload.clone()).await;
    good("set_variable", builder.set_variable("NAME", "value"));
    suite.discard(builder).await;
}

/// Sandboxes that run side by side are told apart, and the engine can be disposed of after them.
pub async fn dispose(suite: &Suite, case: &EndlessCase) {
    let (_, first) = suite.start(case.payload.clone(), &[]).await;
    let (log, second) = suite.start(case.payload.clone(), &[]).await;
    good("kill", first.kill());
    let first = suite.end(first.as_ref()).await;
    suite.dispose_one(first.as_ref()).await;
    // The other one goes on.
    within("the task's output", log.until_contains(case.target)).await;
    good("kill", second.kill());
    let second = suite.end(second.as_ref()).await;
    suite.dispose(second.as_ref()).await;
    good(
        "dispose of the engine",
        within("dispose of the engine", suite.engine().dispose()).await,
    );
}
