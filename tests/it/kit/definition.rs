//! Definitions of tasks.

use chrono::{DateTime, TimeDelta, Utc};
use queue::wire::timestamp;
use serde_json::{Value, json};

/// Where all tasks of all tests are claimed: each test has a queue of its own.
pub(crate) const TASK_QUEUE_ID: &str = "test/it";

/// What the queue is told of a task.
#[derive(Clone, Debug)]
pub(crate) struct Definition(Value);

/// The payload of one script of `sh`.
pub(crate) fn shell(script: &str) -> Value {
    json!({"command": [["/bin/sh", "-c", script]]})
}

impl Definition {
    /// A task with a deadline in an hour, that is not tried again.
    pub(crate) fn new(payload: &Value) -> Self {
        let created = Utc::now();
        let deadline = created + TimeDelta::hours(1);
        Self(json!({
            "taskQueueId": TASK_QUEUE_ID,
            "retries": 0,
            "created": timestamp::format(&created),
            "deadline": timestamp::format(&deadline),
            "expires": timestamp::format(&(deadline + TimeDelta::days(1))),
            "payload": payload,
            "metadata": {"name": "test", "description": "", "owner": "nobody@localhost", "source": "https://localhost/"},
        }))
    }

    /// How often a lost run is tried again.
    pub(crate) fn retries(mut self, retries: u32) -> Self {
        self.0["retries"] = retries.into();
        self
    }

    /// When the queue gives the task up.
    pub(crate) fn deadline(mut self, deadline: DateTime<Utc>) -> Self {
        self.0["deadline"] = timestamp::format(&deadline).into();
        self
    }

    /// What the task may do.
    pub(crate) fn scopes(mut self, scopes: &[&str]) -> Self {
        self.0["scopes"] = scopes.into();
        self
    }

    /// The same with another payload.
    pub(crate) fn payload(mut self, payload: Value) -> Self {
        self.0["payload"] = payload;
        self
    }

    /// One time of it.
    pub(crate) fn time(&self, key: &str) -> DateTime<Utc> {
        self.0[key].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn json(&self) -> &Value {
        &self.0
    }
}
