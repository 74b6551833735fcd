//! What the queue grants, read with patience: one claim that can't be read must not lose the others of the same answer, and
//! what nobody needs of an answer must not make it unreadable.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::wire::{Credentials, TaskClaim, timestamp};

/// What `claimWork` has granted.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Granted")]
pub struct Claims {
    /// As many as were pending, up to what was asked for; none when the long poll ended.
    pub tasks: Vec<TaskClaim>,
    /// Those that are not what the schema says.
    pub unreadable: Vec<UnreadableClaim>,
}

/// A claim that can't be read, with what can be read of it.
#[derive(Clone, Debug)]
pub struct UnreadableClaim {
    /// The task.
    pub task_id: Option<String>,
    /// Its run.
    pub run_id: Option<u32>,
    /// For reporting how the run ended.
    pub credentials: Option<Credentials>,
    /// What is wrong with the claim.
    pub why: String,
}

/// What `reclaimTask` has granted.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reclaimed {
    /// When the claim now ends.
    #[serde(with = "timestamp")]
    pub taken_until: DateTime<Utc>,
    /// These replace the former ones, which last until their own end.
    pub credentials: Credentials,
}

/// The answer of `claimWork`, its claims as they came.
#[derive(Deserialize)]
struct Granted {
    tasks: Vec<Value>,
}

impl Claims {
    /// Whether nothing was granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.unreadable.is_empty()
    }
}

impl From<Granted> for Claims {
    fn from(granted: Granted) -> Self {
        let (mut tasks, mut unreadable) = (Vec::new(), Vec::new());
        for claim in granted.tasks {
            match TaskClaim::deserialize(&claim) {
                Ok(claim) => tasks.push(claim),
                Err(error) => unreadable.push(UnreadableClaim::of(&claim, error.to_string())),
            }
        }
        Self { tasks, unreadable }
    }
}

impl UnreadableClaim {
    fn of(claim: &Value, why: String) -> Self {
        let task_id = claim.pointer("/status/taskId").and_then(Value::as_str);
        let run_id = claim.get("runId").and_then(Value::as_u64);
        let credentials = claim.get("credentials");
        Self {
            task_id: task_id.map(str::to_owned),
            run_id: run_id.and_then(|run_id| run_id.try_into().ok()),
            credentials: credentials.and_then(|credentials| Credentials::deserialize(credentials).ok()),
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::{Priority, Requires};

    fn claim(priority: &str, requires: &str) -> Value {
        let time = "2026-01-01T00:00:00.000Z";
        json!({
            "status": {
                "taskId": "t", "provisionerId": "p", "workerType": "w", "taskQueueId": "p/w", "schedulerId": "-",
                "projectId": "none", "taskGroupId": "g", "priority": priority, "deadline": time, "expires": time,
                "retriesLeft": 0, "state": "running", "runs": [],
            },
            "runId": 3, "workerGroup": "g", "workerId": "i", "takenUntil": time,
            "task": {
                "provisionerId": "p", "workerType": "w", "taskQueueId": "p/w", "schedulerId": "-", "projectId": "none",
                "taskGroupId": "g", "dependencies": [], "requires": requires, "routes": [], "priority": priority,
                "retries": 0, "created": time, "deadline": time, "expires": time, "scopes": [], "payload": {},
                "metadata": {"name": "", "description": "", "owner": "", "source": ""}, "tags": {}, "extra": {},
            },
            "credentials": {"clientId": "c", "accessToken": "no-one-may-see-this"},
        })
    }

    fn read(tasks: &[Value]) -> Claims {
        serde_json::from_value(json!({"tasks": tasks})).unwrap()
    }

    #[test]
    fn a_claim_that_can_not_be_read_does_not_lose_the_others() {
        let (good, mut bad) = (claim("low", "all-completed"), claim("low", "all-completed"));
        bad["task"]["retries"] = json!("five");
        let claims = read(&[good.clone(), bad, json!(7), good]);
        assert_eq!((claims.tasks.len(), claims.unreadable.len()), (2, 2));
        assert!(!claims.is_empty());
        let bad = &claims.unreadable[0];
        assert_eq!((bad.task_id.as_deref(), bad.run_id), (Some("t"), Some(3)));
        assert_eq!(bad.credentials.as_ref().unwrap().client_id, "c");
        assert!(bad.why.contains("five"), "{bad:?}");
        assert!(!format!("{bad:?}").contains("no-one-may-see-this"));
        let nothing = &claims.unreadable[1];
        assert!(nothing.task_id.is_none() && nothing.run_id.is_none() && nothing.credentials.is_none());
    }

    #[test]
    fn words_that_are_not_known_yet_make_no_claim_unreadable() {
        let claims = read(&[claim("most-urgent", "any-completed")]);
        let task = &claims.tasks[0].task;
        assert_eq!(
            (task.priority, task.requires),
            (Priority::Unknown, Requires::Unknown)
        );
    }

    #[test]
    fn a_claim_is_renewed_whatever_the_queue_says_of_the_task() {
        let answer = json!({
            "status": "fine", "takenUntil": "2026-01-01T00:00:00.000Z",
            "credentials": {"clientId": "c", "accessToken": "t"},
        });
        let reclaimed: Reclaimed = serde_json::from_value(answer).unwrap();
        assert_eq!(reclaimed.credentials.client_id, "c");
    }
}
