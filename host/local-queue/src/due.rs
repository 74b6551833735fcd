//! The timer: deadlines and claims are resolved when they are due, not when somebody happens to look.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{clock, signals::Signals, store::Store};

/// How many tasks are resolved in one go.
const GROUP: u32 = 100;
/// The longest sleep: the machine may have been asleep, or its clock set.
const LONGEST: Duration = Duration::from_secs(60);
/// How long to wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Resolves what is due, until `stopping`.
pub(crate) async fn run(store: Arc<Store>, signals: Arc<Signals>, stopping: CancellationToken) {
    loop {
        signals.disarm();
        let next = store
            .run(|db| {
                db.resolve_due(clock::now(), GROUP)?;
                db.next_due()
            })
            .await;
        let pause = match next {
            Ok(next) => {
                let now = clock::now().timestamp_millis();
                let next = next.unwrap_or(i64::MAX);
                signals.arm(next);
                let millis = u64::try_from(next.saturating_sub(now)).unwrap_or(0);
                Duration::from_millis(millis).min(LONGEST)
            }
            Err(error) => {
                tracing::error!(%error, "what is due can't be resolved");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = signals.due() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
