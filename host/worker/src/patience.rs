//! Calls without which the worker can't begin: tried until they are answered, or until the worker is told to stop.

use std::{error::Error, time::Duration};

use queue::CallError;

use crate::stop::StopHandle;

/// The pause after a call that failed, beyond the client's own few tries: doubles from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How long somebody waits for a deployment that can't be reached.
#[derive(Debug)]
pub(crate) enum Patience<'a> {
    /// Until told to stop, as a worker does, which may begin while its deployment is being repaired.
    Of(&'a StopHandle),
    /// Not at all, as a person does.
    None,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// The service has understood the call, and refuses.
    Refused(CallError),
    /// The service can't be reached or is broken.
    Unreachable(CallError),
    /// Told to stop before there was an answer.
    Stopped,
}

impl Patience<'_> {
    /// Makes a call until it is answered. `whom` is asked, for the log.
    pub(crate) async fn until_answered<T, F: Future<Output = Result<T, CallError>>>(
        &self,
        whom: &str,
        mut call: impl FnMut() -> F,
    ) -> Result<T, NoAnswer> {
        let mut pause = PAUSES.0;
        loop {
            let stopped = self.stopped();
            let error = tokio::select! {
                answer = call() => match answer {
                    Ok(answer) => return Ok(answer),
                    Err(error) if error.is_final() => return Err(NoAnswer::Refused(error)),
                    Err(error) => error,
                },
                () = stopped => return Err(NoAnswer::Stopped),
            };
            let Self::Of(_) = self else {
                return Err(NoAnswer::Unreachable(error));
            };
            tracing::warn!(error = &error as &dyn Error, ?pause, "waiting for {whom}");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stopped() => return Err(NoAnswer::Stopped),
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn stopped(&self) {
        match self {
            Self::Of(stop) => stop.requested().await,
            Self::None => std::future::pending().await,
        }
    }
}
