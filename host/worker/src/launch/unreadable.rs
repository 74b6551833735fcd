//! The run of a claim that can't be read. The queue has granted it, so it is resolved where that can be: left alone it would
//! be given out again when the claim ends, as often as the task is tried.

use queue::{CallError, CredentialsHandle, Queue, UnreadableClaim};

use super::Launcher;
use crate::task::{
    journal::Trouble,
    resolution::{Exception, Resolution},
    run::{Capacity, RunOutcome},
};

/// How the run ends. It is no fault of the task's, and it would be the same in every other run: a worker that does not
/// understand its queue is to be mended.
const END: Exception = Exception::InternalError;

impl Launcher {
    /// Resolves the run of a claim that can't be read.
    pub(crate) fn give_up(
        &self,
        claim: UnreadableClaim,
    ) -> impl Future<Output = RunOutcome> + Send + 'static {
        let queue = self.0.parts.deployment.queue();
        async move {
            let UnreadableClaim {
                task_id,
                run_id,
                credentials,
                why,
            } = claim;
            tracing::error!(task_id, run_id, why, "a claim can't be read");
            let mut troubles = vec![Trouble::NonFatal(format!("a claim can't be read: {why}"))];
            if let (Some(task_id), Some(run_id), Some(credentials)) = (task_id, run_id, credentials) {
                let queue = queue.with_credentials(CredentialsHandle::new(credentials));
                if let Err(error) = report(&queue, &task_id, run_id).await {
                    tracing::error!(
                        task_id,
                        run_id,
                        error = &error as &dyn std::error::Error,
                        "the run is not resolved: the queue gives it out again when the claim ends"
                    );
                    troubles.push(Trouble::NonFatal(format!("{task_id}/{run_id}: {error}")));
                }
            }
            RunOutcome {
                resolution: Resolution::Exception(END),
                troubles,
                capacity: Capacity::Free,
            }
        }
    }
}

async fn report(queue: &Queue, task_id: &str, run_id: u32) -> Result<(), CallError> {
    match END.queue_reason() {
        Some(reason) => queue.report_exception(task_id, run_id, reason).await.map(drop),
        None => Ok(()),
    }
}
