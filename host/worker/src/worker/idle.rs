//! What a worker does while it has nothing to do: it tells its plugins, asks worker-manager whether it is one too many, and
//! ends where it has been idle for too long.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use queue::wire::ShouldWorkerTerminateResponse;

use super::Worker;
use crate::stop::Reason;

/// What worker-manager answers, as the reason, for a worker of which it has decided nothing.
const UNDECIDED: &str = "unknown";

/// How long worker-manager may take to answer: the queue is not asked for tasks meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it is not asked again after it did not answer.
const RESPITE: Duration = Duration::from_secs(60);

/// Why an idle worker ends.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    reason: Reason,
    why: String,
}

impl Worker {
    /// Between two claims of a worker that has nothing to do. Worker-manager is asked at most once each time, and that it
    /// can't be asked keeps nobody from working.
    pub(super) async fn be_idle(&mut self) {
        self.plugins.report_idle(self.status()).await;
        // One of them may have stopped the worker.
        if self.stop.stopping() {
            return;
        }
        let told = self.ask_manager().await;
        let end = end_of(told.as_ref(), self.status().idle, self.settings.idle_timeout);
        if let Some(End { reason, why }) = end {
            self.stop.graceful(reason, &why);
        }
    }

    /// None: there is nobody to ask, or no answer.
    async fn ask_manager(&mut self) -> Option<ShouldWorkerTerminateResponse> {
        let managed = self.settings.managed.clone()?;
        if self.unanswered.is_some_and(|since| since.elapsed() < RESPITE) {
            return None;
        }
        let stop = self.stop.clone();
        let asked = async move {
            tokio::select! {
                answer = tokio::time::timeout(PATIENCE, managed.manager.should_worker_terminate(&managed.name)) => Some(answer),
                () = stop.requested() => None,
            }
        };
        let failure = match self.attend(asked).await? {
            Ok(Ok(told)) => {
                self.unanswered = None;
                return Some(told);
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        self.unanswered = Some(Instant::now());
        tracing::warn!(
            error = failure.as_ref().map(|error| error as &dyn Error),
            "worker-manager does not say whether the worker is one too many"
        );
        None
    }
}

/// Whether an idle worker ends. One that has been idle for too long stays where worker-manager has decided that it is
/// wanted, as for a pool's least capacity.
fn end_of(
    told: Option<&ShouldWorkerTerminateResponse>,
    idle: Duration,
    idle_timeout: Option<Duration>,
) -> Option<End> {
    if let Some(told) = told.filter(|told| told.terminate) {
        return Some(End {
            reason: Reason::WorkerManager,
            why: format!("worker-manager says that it is one too many: {}", told.reason),
        });
    }
    let timeout = idle_timeout.filter(|timeout| idle >= *timeout)?;
    let wanted = told.filter(|told| !told.reason.is_empty() && told.reason != UNDECIDED);
    if let Some(wanted) = wanted {
        tracing::debug!(
            ?idle,
            reason = wanted.reason,
            "idle for too long, and wanted by worker-manager"
        );
        return None;
    }
    Some(End {
        reason: Reason::Idle,
        why: format!("nothing to do for {timeout:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(told: Option<(bool, &str)>, idle: u64) -> Option<Reason> {
        let told = told.map(|(terminate, reason)| ShouldWorkerTerminateResponse {
            terminate,
            reason: reason.to_owned(),
        });
        let timeout = Some(Duration::from_secs(60));
        end_of(told.as_ref(), Duration::from_secs(idle), timeout).map(|end| end.reason)
    }

    #[test]
    fn a_worker_that_is_one_too_many_ends_however_short_it_was_idle() {
        assert_eq!(
            reason(Some((true, "too much capacity")), 0),
            Some(Reason::WorkerManager)
        );
    }

    #[test]
    fn a_worker_that_is_idle_for_too_long_ends_unless_worker_manager_wants_it() {
        assert_eq!(reason(None, 59), None);
        assert_eq!(reason(None, 60), Some(Reason::Idle));
        assert_eq!(reason(Some((false, "minCapacity")), 60), None);
        // It has decided nothing.
        assert_eq!(reason(Some((false, "unknown")), 60), Some(Reason::Idle));
        assert_eq!(reason(Some((false, "")), 60), Some(Reason::Idle));
    }

    #[test]
    fn a_worker_without_an_idle_timeout_waits_for_ever() {
        assert_eq!(end_of(None, Duration::MAX, None), None);
    }
}
