//! Learns of runs that the queue has resolved while they run: canceled ones above all. The queue does not push that, and a
//! claim is renewed minutes apart, so it is asked: for all running tasks at once, at a steady interval.

use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use queue::{CallError, Queue};
use rand::Rng as _;
use tokio::{sync::watch, task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::task::lease::{Lease, LeaseSignal};

/// How far apart claims are renewed at most where the status can't be asked for: that tells of a cancel too, and costs a
/// request for each task.
const RENEW_WITHIN: Duration = Duration::from_secs(60);
/// After so many failures in a row it counts as impossible.
const FAILURES: u32 = 3;
/// How many tasks the queue answers for at once.
const BATCH: usize = 1000;

/// Asks until it is [`ended`](Self::end).
#[derive(Debug)]
pub(crate) struct StatusPoll {
    watched: Watched,
    ended: CancellationToken,
    poller: JoinHandle<()>,
}

/// The runs that are asked for. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// By taskId: of the runs of one task only the latest can be running.
    runs: Arc<Mutex<HashMap<String, LeaseSignal>>>,
    renew_within: watch::Receiver<Duration>,
}

impl StatusPoll {
    /// Begins to ask. `queue` has the worker's own credentials; while that is in vain, as it is without the scope
    /// `queue:status:*`, claims are renewed more often instead. Must be called in a runtime.
    pub(crate) fn begin(queue: Queue, interval: Duration) -> Self {
        let (pace, renew_within) = watch::channel(Duration::MAX);
        let watched = Watched {
            runs: Arc::default(),
            renew_within,
        };
        let ended = CancellationToken::new();
        let poller = Poller {
            queue,
            interval,
            watched: watched.clone(),
            pace,
            failures: 0,
        };
        let poller = tokio::spawn({
            let ended = ended.clone();
            async move { ended.run_until_cancelled(poller.poll()).await.unwrap_or(()) }
        });
        Self {
            watched,
            ended,
            poller,
        }
    }

    /// The runs that are asked for.
    pub(crate) fn watched(&self) -> &Watched {
        &self.watched
    }

    /// Asks no more. Runs that are left learn of a cancel when they renew their claims.
    pub(crate) async fn end(self) {
        self.ended.cancel();
        if let Err(error) = self.poller.await {
            tracing::error!(%error, "the poll of the tasks' status broke");
        }
    }
}

impl Watched {
    /// How far apart claims are to be renewed at most.
    pub(crate) fn renew_within(&self) -> watch::Receiver<Duration> {
        self.renew_within.clone()
    }

    /// Asks for a run from now on, for as long as its lease lives.
    pub(crate) fn add(&self, lease: &Lease) {
        let signal = lease.signal();
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.insert(lease.key().task_id.clone(), signal);
    }

    /// Those whose leases live.
    fn living(&self) -> HashMap<String, LeaseSignal> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|_, signal| signal.is_held());
        runs.clone()
    }
}

struct Poller {
    queue: Queue,
    interval: Duration,
    watched: Watched,
    pace: watch::Sender<Duration>,
    /// In a row.
    failures: u32,
}

impl Poller {
    async fn poll(mut self) {
        loop {
            // Many workers that were started at once are not to ask at once.
            let pause = self.interval.mul_f64(rand::rng().random_range(0.75..1.0));
            sleep(pause).await;
            let runs = self.watched.living();
            let task_ids: Vec<String> = runs.keys().cloned().collect();
            for batch in task_ids.chunks(BATCH) {
                match self.ask(batch, &runs).await {
                    Ok(()) => self.told(),
                    Err(error) => self.not_told(&error),
                }
            }
        }
    }

    async fn ask(&self, task_ids: &[String], runs: &HashMap<String, LeaseSignal>) -> Result<(), CallError> {
        let answer = self.queue.statuses(task_ids).await?;
        for task in &answer.statuses {
            if let Some(signal) = runs.get(&task.task_id) {
                signal.seen(&task.status);
            }
        }
        Ok(())
    }

    fn told(&mut self) {
        self.failures = 0;
        self.renew_within(Duration::MAX);
    }

    fn not_told(&mut self, error: &CallError) {
        self.failures = self.failures.saturating_add(1);
        let cause = error as &dyn Error;
        if !error.is_final() && self.failures < FAILURES {
            return tracing::debug!(error = cause, "could not ask for the tasks' status");
        }
        if self.renew_within(RENEW_WITHIN) {
            let what_may_help = match error.refused_with() {
                Some(403) => ": the worker lacks the scope queue:status:*",
                _ => "",
            };
            tracing::warn!(
                error = cause,
                "can't ask for the tasks' status{what_may_help}; a canceled task is noticed within {RENEW_WITHIN:?}, when its \
                 claim is renewed"
            );
        }
    }

    /// Sets how far apart claims are renewed at most, and answers whether it was otherwise.
    fn renew_within(&self, within: Duration) -> bool {
        self.pace
            .send_if_modified(|pace| std::mem::replace(pace, within) != within)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use engine_api::RunKey;

    use super::*;
    use crate::{
        counts::Count,
        task::{
            lease::Renewal,
            run::tests::{claim, queue_that_answers},
        },
    };

    #[tokio::test(start_paused = true)]
    async fn claims_are_renewed_more_often_while_it_is_in_vain_to_ask_whatever_the_reason() {
        for (status, code) in [
            (StatusCode::FORBIDDEN, "InsufficientScopes"),
            (StatusCode::BAD_REQUEST, "InputError"),
            (StatusCode::NOT_FOUND, ""),
            (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
        ] {
            let (deployment, server) = queue_that_answers(status, code).await;
            let queue = deployment.queue();
            let poll = StatusPoll::begin(queue.clone(), Duration::from_secs(15));
            let mut within = poll.watched().renew_within();
            let key = RunKey {
                task_id: slugid::nice(),
                run_id: 0,
            };
            let renewal = Renewal {
                within: within.clone(),
                failures: Count::default(),
            };
            let lease = Lease::begin(&claim(&key), &queue, renewal);
            poll.watched().add(&lease);
            let soon = within.wait_for(|within| *within == RENEW_WITHIN);
            tokio::time::timeout(Duration::from_secs(300), soon)
                .await
                .unwrap_or_else(|_| panic!("{status}"))
                .unwrap();
            lease.end().await;
            poll.end().await;
            server.abort();
        }
    }
}
