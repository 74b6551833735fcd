//! The lease of a run: from its claim until its report is acknowledged. It reclaims, reports, and says when the run is lost.
//!
//! Reclaiming begins when a third of the claim has passed, so that two more thirds are there to survive an outage; while
//! it fails it is tried oftener the less is left. Only a refusal of the queue's own (404, 409, or of the credentials) that its
//! status of the task does not belie, and the end of the claim are final.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use chrono::{DateTime, Utc};
use engine_api::RunKey;
use queue::{CallError, CredentialsHandle, Queue, wire};
use rand::Rng as _;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::resolution::{AbortReason, Exception, Resolution};
use crate::counts::Count;

/// How long the queue may take to say why a run is no longer ours, while the run is still alive.
const WHY_LOST: Duration = Duration::from_secs(2);
/// The bounds of the pause between two attempts to reclaim or to report while the queue can't be reached.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// The least that one attempt to reclaim or to report may take before the next is made.
const SHORTEST_TRY: Duration = Duration::from_secs(1);
/// The shortest pause between two reclaims: a queue that grants no time at all is not to be asked without end.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// The right to run one run, kept alive by a task of its own until the report or [`Lease::end`]. Where it is only dropped,
/// by a panic, it is not kept alive either: the queue gives the run to another worker once the claim is over.
#[derive(Debug)]
pub(crate) struct Lease {
    key: RunKey,
    queue: Queue,
    state: watch::Receiver<State>,
    signal: LeaseSignal,
    ended: CancellationToken,
    _dropped: DropGuard,
    keeper: JoinHandle<()>,
}

/// How a claim is renewed.
#[derive(Clone, Debug)]
pub(crate) struct Renewal {
    /// How far apart it is renewed at most.
    pub(crate) within: watch::Receiver<Duration>,
    /// Counts the times that it could not be.
    pub(crate) failures: Count,
}

/// Why the queue does not know how a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotReported {
    /// It understood the report, and does not take it.
    #[error("the queue refuses the report")]
    Refused,
    /// It could not be reached.
    #[error("the queue could not be told before the claim ended")]
    TooLate,
}

/// What the keeper knows of the claim.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The queue has granted it until then.
    Held(Instant),
    /// The queue has resolved the run, or does not know it as ours.
    Lost(AbortReason),
    /// It could not be renewed before its end: how the run ended, the queue has not heard.
    RanOut,
}

impl State {
    /// Why the run is lost; none while it is held.
    fn lost(self) -> Option<AbortReason> {
        match self {
            Self::Held(_) => None,
            Self::Lost(reason) => Some(reason),
            Self::RanOut => Some(AbortReason::ClaimLost),
        }
    }
}

impl Lease {
    /// Takes over a claim that the queue has just granted. `worker_queue` has the worker's own credentials, which may ask
    /// for the status of a task where a task's may not.
    pub(crate) fn begin(claim: &wire::TaskClaim, worker_queue: &Queue, renewal: Renewal) -> Self {
        let key = RunKey {
            task_id: claim.status.task_id.clone(),
            run_id: claim.run_id,
        };
        let credentials = CredentialsHandle::new(claim.credentials.clone());
        let queue = worker_queue.with_credentials(credentials.clone());
        let until = Instant::now() + remaining(&queue, claim.taken_until);
        let (sender, state) = watch::channel(State::Held(until));
        let sender = Arc::new(sender);
        let signal = LeaseSignal {
            key: key.clone(),
            queue: queue.clone(),
            state: Arc::downgrade(&sender),
        };
        let ended = CancellationToken::new();
        let keeper = Keeper {
            key: key.clone(),
            queue: queue.clone(),
            worker_queue: worker_queue.clone(),
            credentials,
            state: sender,
            until,
            renewal,
        };
        let keeper = tokio::spawn({
            let ended = ended.clone();
            async move { ended.run_until_cancelled(keeper.keep()).await.unwrap_or(()) }
        });
        Self {
            key,
            queue,
            state,
            signal,
            _dropped: ended.clone().drop_guard(),
            ended,
            keeper,
        }
    }

    /// The run.
    pub(crate) fn key(&self) -> &RunKey {
        &self.key
    }

    /// For whoever hears of the run's state from elsewhere.
    pub(crate) fn signal(&self) -> LeaseSignal {
        self.signal.clone()
    }

    /// A client with the run's newest credentials.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Answers once the run is lost, and why.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub(crate) async fn lost(&self) -> AbortReason {
        let mut state = self.state.clone();
        let lost = state.wait_for(|state| state.lost().is_some()).await;
        // Where there is none the keeper is gone without a word: after the report, or it has panicked. Nobody renews the
        // claim, so it will be lost.
        lost.ok()
            .and_then(|state| state.lost())
            .unwrap_or(AbortReason::ClaimLost)
    }

    /// Tells the queue how the run ended, again and again until it knows or the claim is over; reclaims no more then.
    ///
    /// # Errors
    /// When the queue does not take it. Nothing can be done about that but to count it as trouble of the worker's.
    pub(crate) async fn report(&self, resolution: Resolution) -> Result<(), NotReported> {
        let reported = self.report_until_known(resolution).await;
        self.ended.cancel();
        reported
    }

    async fn report_until_known(&self, resolution: Resolution) -> Result<(), NotReported> {
        let mut attempt = 0_u32;
        loop {
            attempt = attempt.saturating_add(1);
            let error = match self.report_once(resolution, self.time_for_a_try()).await {
                Ok(()) => {
                    tracing::info!(run = %self.key, %resolution, "reported");
                    return Ok(());
                }
                Err(error) => error,
            };
            if error.is_conflict() || error.is_not_found() {
                tracing::info!(run = %self.key, %resolution, %error, "the run was resolved already");
                return Ok(());
            }
            if error.is_final() {
                tracing::error!(run = %self.key, %resolution, error = &error as &dyn std::error::Error, "the queue refuses the report");
                return Err(NotReported::Refused);
            }
            let state = *self.state.borrow();
            let until = match state {
                // Why was said when it was heard: the queue has resolved the run, perhaps by a report whose answer was lost.
                State::Lost(_) => {
                    tracing::warn!(run = %self.key, %resolution, %error, "the report has no answer, and the run is over");
                    return Ok(());
                }
                State::Held(until) if !self.keeper.is_finished() => until,
                State::RanOut | State::Held(_) => {
                    tracing::error!(run = %self.key, %resolution, %error, "could not report before the claim ended");
                    return Err(NotReported::TooLate);
                }
            };
            let left = until.saturating_duration_since(Instant::now());
            tracing::warn!(run = %self.key, %resolution, attempt, error = &error as &dyn std::error::Error, "could not report, trying again");
            tokio::select! {
                () = sleep(report_pause(attempt, left)) => {}
                _ = self.lost() => {}
            }
        }
    }

    async fn report_once(&self, resolution: Resolution, within: Duration) -> Result<(), CallError> {
        let (task_id, run_id) = (&self.key.task_id, self.key.run_id);
        let queue = self.queue.tried_once(within);
        match resolution {
            Resolution::Completed => queue.report_completed(task_id, run_id).await.map(drop),
            Resolution::Failed => queue.report_failed(task_id, run_id).await.map(drop),
            Resolution::Exception(exception) => match exception.queue_reason() {
                Some(reason) => queue.report_exception(task_id, run_id, reason).await.map(drop),
                None => Ok(()),
            },
        }
    }

    /// How long one attempt to report may take now.
    fn time_for_a_try(&self) -> Duration {
        match *self.state.borrow() {
            State::Held(until) => time_for_a_try(until.saturating_duration_since(Instant::now())),
            State::Lost(_) | State::RanOut => SHORTEST_TRY,
        }
    }

    /// Stops reclaiming where no report has; the credentials last until the claim ends by itself. Joins the keeper.
    pub(crate) async fn end(self) {
        self.ended.cancel();
        if let Err(error) = self.keeper.await {
            tracing::error!(run = %self.key, %error, "the keeper of the lease broke");
        }
    }
}

/// Tells a lease what the queue says of its run. Does not keep it alive.
#[derive(Clone, Debug)]
pub(crate) struct LeaseSignal {
    key: RunKey,
    queue: Queue,
    state: Weak<watch::Sender<State>>,
}

impl LeaseSignal {
    /// Whether the claim is neither over nor ended.
    pub(crate) fn is_held(&self) -> bool {
        let state = self.state.upgrade();
        state.is_some_and(|state| matches!(*state.borrow(), State::Held(_)))
    }

    /// The queue says how the task fares. A run that is resolved is lost, unless its own report was it that
    /// resolved it: then nobody waits for that any more.
    pub(crate) fn seen(&self, status: &wire::TaskStatus) {
        let run = status.runs.iter().find(|run| run.run_id == self.key.run_id);
        let (Some(run), Some(state)) = (run, self.state.upgrade()) else {
            return;
        };
        match run.state {
            wire::RunState::Completed | wire::RunState::Failed | wire::RunState::Exception => {}
            wire::RunState::Pending | wire::RunState::Running | wire::RunState::Unknown => return,
        }
        let resolved = run.reason_resolved.as_deref().unwrap_or("unknown");
        if change(
            &state,
            why_lost(status, self.key.run_id, self.queue.server_time()),
        ) {
            tracing::info!(run = %self.key, resolved, "the queue has resolved the run");
        }
    }
}

/// What runs beside the task.
struct Keeper {
    key: RunKey,
    queue: Queue,
    worker_queue: Queue,
    credentials: CredentialsHandle,
    state: Arc<watch::Sender<State>>,
    until: Instant,
    renewal: Renewal,
}

impl Keeper {
    /// Reclaims until the run is lost. Dropped at any point: a reclaim whose answer is not awaited does no harm.
    async fn keep(mut self) {
        let mut next = self.next();
        loop {
            tokio::select! {
                () = sleep_until(next) => {}
                // The sender is gone where the worker ends: what was agreed stands.
                Ok(()) = self.renewal.within.changed() => {
                    next = next.min(self.next());
                    continue;
                }
            }
            let queue = self.queue.tried_once(time_for_a_try(self.left()));
            let answer = queue.reclaim_task(&self.key.task_id, self.key.run_id).await;
            if answer.is_err() {
                self.renewal.failures.add_one();
            }
            match answer {
                Ok(answer) => {
                    self.credentials.set(answer.credentials);
                    self.until = Instant::now() + remaining(&self.queue, answer.taken_until);
                    if !change(&self.state, State::Held(self.until)) {
                        // It was heard meanwhile that the run is lost.
                        return;
                    }
                    next = self.next();
                    tracing::debug!(run = %self.key, taken_until = %answer.taken_until, "reclaimed");
                }
                Err(error) => {
                    if let Some(over) = self.over(&error).await {
                        change(&self.state, over);
                        return;
                    }
                    tracing::warn!(run = %self.key, error = &error as &dyn std::error::Error, "could not reclaim, trying again");
                    next = Instant::now() + retry_pause(self.left());
                }
            }
        }
    }

    /// When the claim is to be renewed next, from now.
    fn next(&self) -> Instant {
        Instant::now() + renewal_pause(self.left(), *self.renewal.within.borrow())
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// What a reclaim that failed makes of the claim; none where it is to be tried again.
    async fn over(&self, error: &CallError) -> Option<State> {
        if let Some(401 | 403 | 404 | 409) = error.refused_with()
            && let Some(over) = self.refused().await
        {
            let reason = over.lost().map(|reason| Exception::from(reason).name());
            tracing::info!(run = %self.key, %error, reason, "the queue refuses to reclaim");
            return Some(over);
        }
        if self.left().is_zero() {
            tracing::error!(run = %self.key, %error, "could not reclaim before the claim ended");
            return Some(State::RanOut);
        }
        None
    }

    /// The queue says that the run is not ours: find out why, but not for long. None where it says too that the run goes on.
    async fn refused(&self) -> Option<State> {
        let status = timeout(WHY_LOST, self.worker_queue.status(&self.key.task_id)).await;
        let Ok(Ok(wire::TaskStatusResponse { status })) = status else {
            return Some(State::Lost(AbortReason::ClaimLost));
        };
        let now = self.queue.server_time();
        let is_running =
            |run: &wire::RunStatus| run.run_id == self.key.run_id && run.state == wire::RunState::Running;
        let goes_on = status.deadline > now && status.runs.iter().any(is_running);
        (!goes_on).then(|| why_lost(&status, self.key.run_id, now))
    }
}

/// Takes in what is known now, and answers whether it was news: a run that is lost stays lost, for the reason heard first.
fn change(state: &watch::Sender<State>, now: State) -> bool {
    state.send_if_modified(|state| {
        let is_held = matches!(state, State::Held(_));
        if is_held {
            *state = now;
        }
        is_held
    })
}

/// Why a run is not ours any more that looks like this to the queue.
fn why_lost(status: &wire::TaskStatus, run_id: u32, now: DateTime<Utc>) -> State {
    let run = status.runs.iter().find(|run| run.run_id == run_id);
    match run.and_then(|run| run.reason_resolved.as_deref()) {
        Some("canceled") => State::Lost(AbortReason::Canceled),
        Some("deadline-exceeded") => State::Lost(AbortReason::DeadlineExceeded),
        Some("claim-expired") => State::RanOut,
        // The queue refuses after the deadline at once, and resolves the run a while later.
        None if status.deadline <= now => State::Lost(AbortReason::DeadlineExceeded),
        _ => State::Lost(AbortReason::ClaimLost),
    }
}

/// How much of a claim is left, by the queue's clock: the worker's own may be off.
fn remaining(queue: &Queue, taken_until: DateTime<Utc>) -> Duration {
    (taken_until - queue.server_time())
        .to_std()
        .unwrap_or(Duration::ZERO)
}

/// The pause before a claim is renewed of which so much is left, and which is to be renewed within some time.
fn renewal_pause(left: Duration, within: Duration) -> Duration {
    (left / 3).min(within).max(SHORTEST_PAUSE)
}

/// How long one attempt may take while so much of the claim is left: a queue that hangs must leave time for others.
fn time_for_a_try(left: Duration) -> Duration {
    (left / 4).max(SHORTEST_TRY)
}

/// The pause before the next attempt: an eighth of what is left, so that about twenty fit, with a quarter of jitter.
fn retry_pause(left: Duration) -> Duration {
    let pause = (left / 8).clamp(RETRY_PAUSE.0, RETRY_PAUSE.1);
    pause.mul_f64(rand::rng().random_range(0.75..1.25))
}

/// The pause before a report is tried again that has failed so often: soon at first, since a task that is over waits for
/// nothing else, and at last as a reclaim is.
fn report_pause(failed: u32, left: Duration) -> Duration {
    let soon = RETRY_PAUSE.0.saturating_mul(2_u32.saturating_pow(failed));
    let soon = soon
        .min(RETRY_PAUSE.1)
        .mul_f64(rand::rng().random_range(0.75..1.25));
    soon.min(retry_pause(left))
}

#[cfg(test)]
mod tests;
