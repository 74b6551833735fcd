//! What the checks have in common: clients of the services, tasks, and the part of a worker.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::{Value, json};
use taskcluster::{ClientBuilder, Credentials, Queue, err_status_code};

use crate::deployment::{Deployment, Kind};

/// The scheduler, the project and the prefix of all that the checks make.
pub(super) const PROJECT: &str = "taskcluster-worker-checks";
pub(super) const WORKER_GROUP: &str = "checks";
pub(super) const WORKER_ID: &str = "rust";
/// How long something may take that takes no time.
const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

/// Why a check does not apply here.
#[derive(Debug)]
pub(super) struct Skip(pub(super) &'static str);

impl std::fmt::Display for Skip {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Skip {}

/// What every check has. What it makes has `tag` in its name, so that checks can run again and again.
#[derive(Debug)]
pub(super) struct Kit<'a> {
    deployment: &'a Deployment,
    tag: String,
}

/// A claimed run.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) task_id: String,
    pub(super) run_id: String,
    pub(super) taken_until: String,
    pub(super) credentials: Credentials,
}

impl<'a> Kit<'a> {
    pub(super) fn new(deployment: &'a Deployment) -> Self {
        Self {
            deployment,
            tag: format!("rust-{}", slugid::nice()),
        }
    }

    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    pub(super) fn task_queue_id(&self) -> &str {
        self.deployment.task_queue_id()
    }

    pub(super) fn credentials(&self) -> &Credentials {
        self.deployment.credentials()
    }

    /// The rest of the check is for the embedded services alone.
    pub(super) fn embedded_only(&self) -> anyhow::Result<()> {
        match self.deployment.kind() {
            Kind::Embedded => Ok(()),
            Kind::Given => bail!(Skip("only the embedded services can do this")),
        }
    }

    /// The rest of the check can't be done with temporary credentials.
    pub(super) fn permanent_only(&self) -> anyhow::Result<()> {
        match self.credentials().certificate {
            None => Ok(()),
            Some(_) => bail!(Skip("needs credentials without a certificate")),
        }
    }

    /// A client without credentials.
    pub(super) fn anonymous(&self) -> ClientBuilder {
        ClientBuilder::new(self.deployment.root_url())
    }

    /// A client with the credentials of the checks.
    pub(super) fn client(&self) -> ClientBuilder {
        self.with(self.credentials())
    }

    /// A client with some credentials.
    pub(super) fn with(&self, credentials: &Credentials) -> ClientBuilder {
        self.anonymous().credentials(credentials.clone())
    }

    pub(super) fn queue(&self) -> anyhow::Result<Queue> {
        Queue::new(self.client())
    }

    /// The queue with the credentials of a claim.
    pub(super) fn of(&self, claimed: &Claimed) -> anyhow::Result<Queue> {
        Queue::new(self.with(&claimed.credentials))
    }

    /// A task for the queue of the checks, with some fields of its own.
    pub(super) fn definition(&self, fields: &Value) -> Value {
        let mut task = json!({
            "taskQueueId": self.task_queue_id(),
            "schedulerId": PROJECT,
            "retries": 0,
            "created": in_hours(0),
            "deadline": in_hours(1),
            "expires": in_hours(24),
            "payload": {},
            "metadata": {
                "name": self.tag,
                "description": "Made by a check of this deployment.",
                "owner": "nobody@example.com",
                "source": "https://example.com/",
            },
        });
        set(&mut task, fields);
        task
    }

    /// Creates a task, and answers its taskId.
    pub(super) async fn create(&self, fields: &Value) -> anyhow::Result<String> {
        let task_id = slugid::nice();
        self.queue()?
            .createTask(&task_id, &self.definition(fields))
            .await?;
        Ok(task_id)
    }

    /// Claims a task as a worker does. Others that wait there are left by checks that were ended, and are given back.
    pub(super) async fn claim(&self, task_id: &str) -> anyhow::Result<Claimed> {
        let deadline = Instant::now() + LIMIT;
        let asked = json!({"tasks": 1, "workerGroup": WORKER_GROUP, "workerId": WORKER_ID});
        while Instant::now() < deadline {
            let answer = self.queue()?.claimWork(self.task_queue_id(), &asked).await?;
            for task in list(&answer, "tasks")? {
                let claimed = Claimed::new(text(at(task, "/status"), "taskId")?, task)?;
                if claimed.task_id == task_id {
                    return Ok(claimed);
                }
                let reason = json!({"reason": "resource-unavailable"});
                let queue = self.of(&claimed)?;
                queue
                    .reportException(&claimed.task_id, &claimed.run_id, &reason)
                    .await?;
            }
        }
        bail!(
            "task {task_id} was not to be claimed: do other workers claim from {}?",
            self.task_queue_id()
        )
    }

    /// Creates a task and claims it.
    pub(super) async fn claimed(&self) -> anyhow::Result<Claimed> {
        let task_id = self.create(&json!({})).await?;
        self.claim(&task_id).await
    }

    /// Claims a task and resolves it `completed`.
    pub(super) async fn complete(&self, task_id: &str) -> anyhow::Result<()> {
        let claimed = self.claim(task_id).await?;
        self.of(&claimed)?
            .reportCompleted(task_id, &claimed.run_id)
            .await?;
        Ok(())
    }

    /// Waits until a task is resolved, and answers its status.
    pub(super) async fn watch(&self, task_id: &str) -> anyhow::Result<Value> {
        eventually(&format!("task {task_id} is resolved"), async || {
            let answer = self.queue()?.status(task_id).await?;
            let status = at(&answer, "/status");
            let resolved = ["completed", "failed", "exception"].contains(&text(status, "state")?);
            Ok(resolved.then(|| status.clone()))
        })
        .await
    }
}

impl Claimed {
    /// What a claim or its renewal answers.
    pub(super) fn new(task_id: &str, answer: &Value) -> anyhow::Result<Self> {
        Ok(Self {
            task_id: task_id.to_owned(),
            run_id: at(answer, "/runId").to_string(),
            taken_until: text(answer, "takenUntil")?.to_owned(),
            credentials: credentials(at(answer, "/credentials"))?,
        })
    }
}

/// Gives an object some fields.
pub(super) fn set(object: &mut Value, fields: &Value) {
    if let (Some(object), Some(fields)) = (object.as_object_mut(), fields.as_object()) {
        object.extend(fields.clone());
    }
}

/// Credentials in an answer.
pub(super) fn credentials(answer: &Value) -> anyhow::Result<Credentials> {
    Ok(Credentials::new_with_certificate(
        text(answer, "clientId")?,
        text(answer, "accessToken")?,
        text(answer, "certificate")?,
    ))
}

/// Waits for something to be there.
pub(super) async fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("not within {LIMIT:?}: {what}")
}

/// The content of a resource that is read page by page. `address` is asked for each page's, with the token of the one before.
pub(super) async fn pages(
    key: &str,
    address: impl Fn(Option<&str>) -> anyhow::Result<String>,
) -> anyhow::Result<Vec<Vec<Value>>> {
    let mut pages = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let answer = reqwest::get(address(token.as_deref())?)
            .await?
            .error_for_status()?;
        let answer: Value = answer.json().await?;
        pages.push(list(&answer, key)?.clone());
        token = at(&answer, "/continuationToken").as_str().map(str::to_owned);
        if token.is_none() {
            return Ok(pages);
        }
    }
}

/// A time of the form that services take.
pub(super) fn in_hours(hours: i64) -> String {
    hours_from_now(hours).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A time from now.
pub(super) fn hours_from_now(hours: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::hours(hours)
}

/// What is at a JSON pointer; null where nothing is.
pub(super) fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    static NOTHING: Value = Value::Null;
    value.pointer(pointer).unwrap_or(&NOTHING)
}

/// A field that is a text.
pub(super) fn text<'v>(value: &'v Value, field: &str) -> anyhow::Result<&'v str> {
    let found = value.get(field).and_then(Value::as_str);
    found.with_context(|| format!("there is no text {field} in {value}"))
}

/// A field that is a list.
pub(super) fn list<'v>(value: &'v Value, field: &str) -> anyhow::Result<&'v Vec<Value>> {
    let found = value.get(field).and_then(Value::as_array);
    found.with_context(|| format!("there is no list {field} in {value}"))
}

/// A call that was refused, with a message and the status that the client's error tells.
pub(super) fn refused<T>(result: anyhow::Result<T>, status: StatusCode) -> anyhow::Result<String> {
    let Err(error) = result else {
        bail!("it was not refused with {status}");
    };
    ensure!(
        err_status_code(&error) == Some(status),
        "it is no {status}: {error:#}"
    );
    Ok(format!("{error:#}"))
}
