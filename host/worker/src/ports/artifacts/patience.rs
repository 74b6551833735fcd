//! How often is tried again what did not work, and for how long.

use std::time::Duration;

use plugin_host::ports::ArtifactError;
use queue::CallError;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Bounds of trying again. The run's own end is one too: with its claim its uploads are canceled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// The pause before the second try; it doubles with each, up to half a minute.
    pub(super) pause: Duration,
    /// How often is tried what is answered with a refusal that may be chance; and the least number of tries in an outage.
    pub(super) tries: u32,
    /// How long an outage may last.
    pub(super) outage: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pause: Duration::from_millis(500),
            tries: 5,
            // A claim of 20 minutes survives an outage of 13: so do its uploads.
            outage: Duration::from_secs(15 * 60),
        }
    }
}

/// Why one try failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another would fail the same way.
    Final(ArtifactError),
    /// The storage refuses: it may be better at another address.
    Refused(String),
    /// Nobody answers, or somebody who is in trouble: it will be better at another time.
    Outage(String),
}

/// The tries of one artifact.
#[derive(Debug)]
pub(super) struct Tries<'a> {
    /// For the worker's log.
    artifact: &'a str,
    patience: Patience,
    /// Fires when the run is resolved. From then on everything is best effort, and holds up the worker.
    resolved: &'a CancellationToken,
    pauses: Backoff,
    failed: u32,
    refused: u32,
    since: Option<Instant>,
}

impl<'a> Tries<'a> {
    /// None yet.
    pub(super) fn new(artifact: &'a str, patience: Patience, resolved: &'a CancellationToken) -> Self {
        Self {
            artifact,
            patience,
            resolved,
            pauses: Backoff::new((patience.pause, LONGEST_PAUSE)),
            failed: 0,
            refused: 0,
            since: None,
        }
    }

    /// Answers once it is time for the next try after one that failed.
    ///
    /// # Errors
    /// When there is to be no other.
    pub(super) async fn next(&mut self, failure: Failure) -> Result<(), ArtifactError> {
        let why = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Refused(why) => {
                self.refused += 1;
                why
            }
            Failure::Outage(why) => why,
        };
        self.failed += 1;
        let since = *self.since.get_or_insert_with(Instant::now);
        let outage = if self.resolved.is_cancelled() {
            Duration::ZERO
        } else {
            self.patience.outage
        };
        let (artifact, tries) = (self.artifact, self.failed);
        let is_over = self.failed >= self.patience.tries && since.elapsed() >= outage;
        if is_over || self.refused >= self.patience.tries {
            return Err(ArtifactError::Unavailable(format!(
                "artifact {artifact} could not be stored in {tries} tries: {why}"
            )));
        }
        tracing::warn!(
            artifact,
            tries,
            why,
            "an artifact could not be stored, trying again"
        );
        tokio::select! {
            () = sleep(self.pauses.pause()) => {}
            // Who was patient so far need not be any more.
            () = self.resolved.cancelled(), if outage > Duration::ZERO => {}
        }
        Ok(())
    }
}

/// What the failure of a call means for an artifact.
pub(super) fn failed_call(artifact: &str, error: &CallError) -> Failure {
    let message = format!("artifact {artifact}: {}", error.kind);
    match error.refused_with() {
        Some(409) => Failure::Final(ArtifactError::Conflict(message)),
        Some(400 | 413) => Failure::Final(ArtifactError::Invalid(message)),
        Some(_) | None if error.is_final() => Failure::Final(ArtifactError::Other(message)),
        Some(_) | None => Failure::Outage(error.kind.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        pause: Duration::from_secs(1),
        tries: 3,
        outage: Duration::from_secs(600),
    };

    /// How many tries there are of something that always fails, and for how long.
    async fn fails(failure: fn(String) -> Failure, resolved: &CancellationToken) -> (u32, Duration) {
        let begun = Instant::now();
        let mut tries = Tries::new("a", PATIENCE, resolved);
        let mut count = 1;
        while tries.next(failure("down".to_owned())).await.is_ok() {
            count += 1;
        }
        (count, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_waited_for_until_the_patience_is_over() {
        let (tries, waited) = fails(Failure::Outage, &CancellationToken::new()).await;
        assert!(waited >= PATIENCE.outage && waited < PATIENCE.outage + LONGEST_PAUSE * 2);
        assert!(tries > 15, "{tries} tries in {waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_tried_a_few_times() {
        let (tries, waited) = fails(Failure::Refused, &CancellationToken::new()).await;
        assert_eq!(tries, PATIENCE.tries);
        assert!(waited < Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_an_outage_once_the_run_is_resolved() {
        let resolved = CancellationToken::new();
        let (outage, ()) = tokio::join!(fails(Failure::Outage, &resolved), async {
            sleep(Duration::from_secs(100)).await;
            resolved.cancel();
        });
        assert!(outage.1 < Duration::from_secs(140), "{outage:?}");
        let (tries, _) = fails(Failure::Outage, &resolved).await;
        assert_eq!(tries, PATIENCE.tries);
    }

    #[tokio::test]
    async fn what_is_final_is_not_tried_again() {
        let resolved = CancellationToken::new();
        let mut tries = Tries::new("a", PATIENCE, &resolved);
        let error = ArtifactError::Conflict("taken".to_owned());
        assert_eq!(tries.next(Failure::Final(error.clone())).await, Err(error));
    }
}
