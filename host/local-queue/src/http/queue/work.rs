//! What workers do: claim, reclaim, report.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, response::IntoResponse as _, routing::MethodFilter};
use chrono::{DateTime, Utc};
use queue::wire::{
    ClaimWorkRequest, ClaimWorkResponse, Credentials, PendingTasksResponse, ReclaimResponse, TaskClaim,
    timestamp,
};
use serde_json::Value;

use super::tasks::status_response;
use crate::{
    auth::{self, TemporaryCredentials, scopes::Expression},
    clock,
    error::{ApiError, Failure},
    http::{
        App,
        call::{Answer, Call, call},
    },
    ids,
    store::{Db, RecentTask, Standing},
    task::{self, Change, Refusal, Resolution, Task, Worker},
};

/// How long claimWork waits for a task.
const LONG_POLL: Duration = Duration::from_secs(20);
/// The most tasks that one claimWork gives.
const MAX_CLAIMS: u32 = 32;

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    let run = |rest| format!("/task/{{taskId}}/runs/{{runId}}/{rest}");
    Router::new()
        // One segment, its slash encoded, or two.
        .route(
            "/claim-work/{*taskQueueId}",
            call(Method::POST, "claimWork", claim),
        )
        .route(
            "/pending/{*taskQueueId}",
            call(Method::GET, "pendingTasks", pending),
        )
        .route(&run("reclaim"), call(Method::POST, "reclaimTask", reclaim))
        .route(
            &run("completed"),
            call(Method::POST, "reportCompleted", completed),
        )
        .route(&run("failed"), call(Method::POST, "reportFailed", failed))
        .route(
            &run("exception"),
            call(Method::POST, "reportException", exception),
        )
}

/// What a worker gets that asks for tasks.
enum Claimed {
    /// These, or none.
    Tasks(Vec<TaskClaim>),
    /// None, whatever there is.
    Quarantined,
}

async fn claim(call: Arc<Call>) -> Answer {
    let task_queue_id = call.param("taskQueueId").to_owned();
    let request = claim_request(call.input()?)?;
    let worker = Worker {
        group: request.worker_group,
        id: request.worker_id,
    };
    call.authorize(&Expression::all([
        format!("queue:claim-work:{task_queue_id}"),
        format!("queue:worker-id:{}/{}", worker.group, worker.id),
    ]))?;
    let app = &call.app;
    let signal = app.signals.queue(&task_queue_id);
    let mut patience = std::pin::pin!(tokio::time::sleep(LONG_POLL));
    loop {
        // Listening before looking, so that a task that comes in between is not missed.
        let mut woken = std::pin::pin!(signal.notified());
        woken.as_mut().enable();
        let claimed = try_claim(app, &task_queue_id, request.tasks, &worker).await?;
        let is_free = match claimed {
            Claimed::Tasks(tasks) if !tasks.is_empty() => {
                return Ok(Json(ClaimWorkResponse { tasks }).into_response());
            }
            Claimed::Tasks(_) => true,
            Claimed::Quarantined => false,
        };
        tokio::select! {
            // Who is in quarantine waits all the same, so as not to ask again at once.
            () = woken, if is_free => {}
            () = patience.as_mut() => break,
            () = app.stopping.cancelled() => break,
        }
    }
    Ok(Json(ClaimWorkResponse { tasks: Vec::new() }).into_response())
}

fn claim_request(input: &Value) -> Result<ClaimWorkRequest, ApiError> {
    let mut input = input.clone();
    let mut errors = Vec::new();
    if let Some(object) = input.as_object_mut() {
        object.entry("tasks").or_insert(Value::from(1));
        for key in object.keys() {
            if !["tasks", "workerGroup", "workerId"].contains(&key.as_str()) {
                errors.push(format!("data must NOT have additional properties: {key:?}"));
            }
        }
    }
    match serde_json::from_value::<ClaimWorkRequest>(input) {
        Ok(request) => {
            if !(1..=MAX_CLAIMS).contains(&request.tasks) {
                errors.push(format!("data.tasks must be an integer from 1 to {MAX_CLAIMS}"));
            }
            for (name, id) in [
                ("workerGroup", &request.worker_group),
                ("workerId", &request.worker_id),
            ] {
                if !ids::is_identifier(id) {
                    errors.push(format!("data.{name} must be an identifier"));
                }
            }
            if errors.is_empty() {
                return Ok(request);
            }
        }
        Err(error) => errors.push(format!("data: {error}")),
    }
    Err(task::schema_error(&errors))
}

async fn try_claim(app: &App, task_queue_id: &str, count: u32, worker: &Worker) -> Result<Claimed, ApiError> {
    let timeout = app.claim_timeout;
    let (queue, claimer) = (task_queue_id.to_owned(), worker.clone());
    let claimed = app
        .store
        .run(move |db| {
            let now = clock::now();
            if db.note_worker(&queue, &claimer, now)? == Standing::Quarantined {
                return Ok(None);
            }
            let taken_until = clock::after(now, timeout);
            let claimed = db.claim(&queue, count, &claimer, (now, taken_until))?;
            let recent = claimed.iter().map(|(task, run_id)| RecentTask {
                task_id: task.task_id.clone(),
                run_id: *run_id,
            });
            db.note_claims(&queue, &claimer, recent)?;
            Ok(Some((claimed, taken_until)))
        })
        .await?;
    let Some((claimed, taken_until)) = claimed else {
        return Ok(Claimed::Quarantined);
    };
    let tasks: Result<Vec<_>, ApiError> = claimed
        .into_iter()
        .map(|(task, run_id)| {
            Ok(TaskClaim {
                status: task.status(),
                run_id,
                worker_group: worker.group.clone(),
                worker_id: worker.id.clone(),
                taken_until,
                credentials: task_credentials(app, &task, (run_id, worker), taken_until)?,
                task: task.definition,
            })
        })
        .collect();
    Ok(Claimed::Tasks(tasks?))
}

/// What a run may do: renew and resolve itself, make its artifacts, and what its task's scopes say.
fn task_credentials(
    app: &App,
    task: &Task,
    (run_id, worker): (u32, &Worker),
    taken_until: DateTime<Utc>,
) -> Result<Credentials, Failure> {
    let run = format!("{}/{run_id}", task.task_id);
    let mut scopes = vec![
        format!("queue:reclaim-task:{run}"),
        format!("queue:resolve-task:{run}"),
        format!("queue:create-artifact:{run}"),
    ];
    scopes.extend(task.definition.scopes.iter().cloned());
    let wanted = TemporaryCredentials {
        client_id: Some(format!(
            "task-client/{run}/on/{}/{}/until/{}",
            worker.group,
            worker.id,
            fractional_seconds(taken_until)
        )),
        start: clock::now(),
        expiry: taken_until,
        scopes,
    };
    Ok(auth::issue(app.clients.root(), wanted)?)
}

/// Seconds after 1970, as JavaScript writes them: no more digits than needed.
fn fractional_seconds(time: DateTime<Utc>) -> String {
    let text = format!("{}.{:03}", time.timestamp(), time.timestamp_subsec_millis());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

async fn reclaim(call: Arc<Call>) -> Answer {
    call.authorize_scope(format!("queue:reclaim-task:{}/{}", call.task_id(), call.run_id()))?;
    let run_id = call.run_id();
    let in_store = Arc::clone(&call);
    let task = call
        .app
        .store
        .run(move |db| {
            let (now, timeout) = (clock::now(), in_store.app.claim_timeout);
            let task = change(db, &in_store, |task| {
                task.reclaim(run_id, now, clock::after(now, timeout))
            })?;
            if let Some(worker) = worker_of(&task, run_id) {
                db.note_worker(&task.definition.task_queue_id, &worker, now)?;
            }
            Ok(task)
        })
        .await?;
    let worker = worker_of(&task, run_id);
    // Without a worker it would not be running, and the change would have been refused.
    let (Some(worker), Some(taken_until)) = (worker, task.taken_until()) else {
        return Err(not_running(&call));
    };
    Ok(Json(ReclaimResponse {
        status: task.status(),
        run_id,
        credentials: task_credentials(&call.app, &task, (run_id, &worker), taken_until)?,
        worker_group: worker.group,
        worker_id: worker.id,
        taken_until,
    })
    .into_response())
}

/// Who has claimed a run.
fn worker_of(task: &Task, run_id: u32) -> Option<Worker> {
    let run = task.run(run_id)?;
    Some(Worker {
        group: run.worker_group.clone()?,
        id: run.worker_id.clone()?,
    })
}

async fn completed(call: Arc<Call>) -> Answer {
    report(call, Resolution::Completed).await
}

async fn failed(call: Arc<Call>) -> Answer {
    report(call, Resolution::Failed).await
}

async fn exception(call: Arc<Call>) -> Answer {
    let reason = call
        .input()?
        .as_object()
        .filter(|object| object.len() == 1)
        .and_then(|object| object.get("reason")?.as_str());
    let resolution = reason.and_then(Resolution::exception).ok_or_else(|| {
        task::schema_error(&[
            "data must be { reason }, with one of worker-shutdown, malformed-payload, resource-unavailable, \
             internal-error, intermittent-task"
                .to_owned(),
        ])
    })?;
    report(call, resolution).await
}

async fn report(call: Arc<Call>, resolution: Resolution) -> Answer {
    call.authorize_scope(format!("queue:resolve-task:{}/{}", call.task_id(), call.run_id()))?;
    let in_store = Arc::clone(&call);
    let task = call
        .app
        .store
        .run(move |db| {
            change(db, &in_store, |task| {
                task.resolve(in_store.run_id(), resolution, clock::now())
            })
        })
        .await?;
    Ok(status_response(&task))
}

/// Changes a run by the rules, and writes it down.
fn change(
    db: &Db<'_>,
    call: &Call,
    transition: impl FnOnce(&mut Task) -> Result<Change, Refusal>,
) -> Result<Task, Failure> {
    let (task_id, run_id) = (call.task_id(), call.run_id());
    let mut task = db.task(task_id)?.ok_or_else(|| {
        ApiError::not_found(format!(
            "Task `{task_id}` not found. Are you sure it was created?"
        ))
    })?;
    if task.run(run_id).is_none() {
        return Err(Failure::Refused(ApiError::not_found(format!(
            "Run {run_id} not found on task `{task_id}`."
        ))));
    }
    match transition(&mut task) {
        Ok(Change::Made) => db.save(&task, clock::now())?,
        Ok(Change::None) => {}
        Err(Refusal::PastDeadline) => {
            return Err(Failure::Refused(ApiError::conflict(format!(
                "Task `{task_id}` can't be reclaimed past its deadline of {}.",
                timestamp::format(&task.definition.deadline)
            ))));
        }
        Err(Refusal::NotRunning | Refusal::TooManyRuns) => return Err(Failure::Refused(not_running(call))),
    }
    Ok(task)
}

fn not_running(call: &Call) -> ApiError {
    ApiError::conflict(format!(
        "Run {} on task `{}` is resolved or not running.",
        call.run_id(),
        call.task_id()
    ))
}

async fn pending(call: Arc<Call>) -> Answer {
    let task_queue_id = call.param("taskQueueId").to_owned();
    call.authorize_scope(format!("queue:pending-count:{task_queue_id}"))?;
    let id = task_queue_id.clone();
    let pending_tasks = call.app.store.run(move |db| db.count_pending(&id)).await?;
    let (provisioner_id, worker_type) = task_queue_id.split_once('/').unwrap_or_default();
    Ok(Json(PendingTasksResponse {
        provisioner_id: provisioner_id.to_owned(),
        worker_type: worker_type.to_owned(),
        task_queue_id: task_queue_id.clone(),
        pending_tasks,
    })
    .into_response())
}
