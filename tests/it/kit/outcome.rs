//! What is expected of a task, and whether it has come to pass.

use std::fmt;

use queue::wire::TaskState;
use serde_json::Value;

use super::Scene;

/// How a run ends, and what its log says.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    state: TaskState,
    reason: &'static str,
    said: Vec<&'static str>,
    not_said: Vec<&'static str>,
    /// It ends so because a plugin broke that is required.
    is_broken: bool,
}

impl Expected {
    pub(crate) fn completed() -> Self {
        Self::new(TaskState::Completed, "completed")
    }

    pub(crate) fn failed() -> Self {
        Self::new(TaskState::Failed, "failed")
    }

    /// An exception with its reason.
    pub(crate) fn exception(reason: &'static str) -> Self {
        Self::new(TaskState::Exception, reason)
    }

    /// An internal error, because a plugin breaks that is required: by a trap, or at a limit.
    pub(crate) fn broken() -> Self {
        Self {
            is_broken: true,
            ..Self::exception("internal-error")
        }
    }

    /// The reason of an exception.
    pub(crate) fn exception_reason(&self) -> Option<&'static str> {
        (self.state == TaskState::Exception).then_some(self.reason)
    }

    pub(crate) fn is_success(&self) -> bool {
        self.state == TaskState::Completed
    }

    fn new(state: TaskState, reason: &'static str) -> Self {
        Self {
            state,
            reason,
            said: Vec::new(),
            not_said: Vec::new(),
            is_broken: false,
        }
    }

    /// The same where the plugin is not required. That it breaks is a warning then; its word, an error that a hook answers, ends
    /// the run nevertheless.
    pub(crate) fn of_a_plugin_that_is_not_required(mut self) -> Self {
        if self.is_broken {
            (self.state, self.reason, self.is_broken) = (TaskState::Completed, "completed", false);
            self.said
                .retain(|text| !text.starts_with("internal error of plugin"));
            // Nothing, where it breaks when the log is closed.
            if !self.said.is_empty() {
                self.said.push(", which this worker does not require, broke: ");
            }
        }
        self
    }

    /// The log says this.
    pub(crate) fn says(mut self, text: &'static str) -> Self {
        self.said.push(text);
        self
    }

    /// The log does not say this.
    pub(crate) fn says_nothing_of(mut self, text: &'static str) -> Self {
        self.not_said.push(text);
        self
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}", self.state, self.reason)
    }
}

/// Waits for a task and compares it with what was expected; `what` is what it is called where they differ.
pub(crate) async fn check(scene: &Scene, task_id: &str, what: &str, expected: &Expected) {
    let status = scene.resolved(task_id).await;
    // A run that is tried again is not the last.
    let run = status
        .runs
        .iter()
        .find(|run| run.reason_resolved.is_some())
        .unwrap();
    let found = (status.state, run.reason_resolved.as_deref());
    let log = if expected.said.is_empty() && expected.not_said.is_empty() {
        String::new()
    } else {
        scene.log(task_id).await
    };
    assert_eq!(
        found,
        (expected.state, Some(expected.reason)),
        "{what}: expected {expected}\n{log}"
    );
    for text in &expected.said {
        assert!(log.contains(text), "{what}: the log does not say {text:?}\n{log}");
    }
    for text in &expected.not_said {
        assert!(!log.contains(text), "{what}: the log says {text:?}\n{log}");
    }
}

/// Creates a task for each payload, and checks them all.
pub(crate) async fn check_all(scene: &Scene, table: Vec<(&str, Value, Expected)>) {
    let mut tasks = Vec::new();
    for (what, payload, expected) in table {
        tasks.push((what, scene.create_task(&payload).await, expected));
    }
    for (what, task_id, expected) in &tasks {
        check(scene, task_id, what, expected).await;
    }
}
