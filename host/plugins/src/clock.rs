//! The two clocks of a hook. The wall clock stands still while the hook waits for what is not its own: the sandbox,
//! uploads. The other counts only while the guest computes.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{engine::Ticker, limits::Limits};

/// Shared between the hook's supervisor, which waits for it to run out, and the host functions, which stop it.
#[derive(Clone, Debug, Default)]
pub(crate) struct HookClock(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    reading: Mutex<Reading>,
    changed: Notify,
    /// Rests with the clock: a worker whose plugins all wait for a sandbox has nothing to do.
    ticker: Option<Arc<Ticker>>,
    computing: CpuMeter,
}

#[derive(Debug, Default)]
struct Reading {
    spent: Duration,
    /// Since when it runs; none while it stands still.
    since: Option<Instant>,
    /// How many host functions hold it.
    holders: u32,
}

impl HookClock {
    /// A clock that lets the ticker rest while it stands still.
    pub(crate) fn with_ticker(ticker: Arc<Ticker>) -> Self {
        Self(Arc::new(Shared {
            ticker: Some(ticker),
            ..Shared::default()
        }))
    }

    /// A hook begins.
    pub(crate) fn restart(&self) {
        let mut reading = self.reading();
        reading.spent = Duration::ZERO;
        reading.since = (reading.holders == 0).then(Instant::now);
        drop(reading);
        self.0.computing.restart();
        self.0.changed.notify_one();
    }

    /// How long the hook has taken so far.
    pub(crate) fn elapsed(&self) -> Duration {
        let reading = self.reading();
        reading.spent + reading.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// How long the guest has computed.
    pub(crate) fn computing(&self) -> &CpuMeter {
        &self.0.computing
    }

    /// Stands still until the guard is dropped, and so does the count of what the guest computes.
    pub(crate) fn hold(&self) -> Held {
        let mut reading = self.reading();
        if let Some(since) = reading.since.take() {
            reading.spent += since.elapsed();
        }
        if reading.holders == 0
            && let Some(ticker) = &self.0.ticker
        {
            ticker.guest_waits();
        }
        reading.holders += 1;
        self.0.changed.notify_one();
        Held {
            clock: self.clone(),
            _waits: self.0.computing.wait(),
        }
    }

    /// Answers once the hook has spent `limit`.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub(crate) async fn spent(&self, limit: Duration) {
        loop {
            let due = {
                let reading = self.reading();
                reading
                    .since
                    .map(|since| since + limit.saturating_sub(reading.spent))
            };
            match due {
                Some(due) if due <= Instant::now() => return,
                Some(due) => tokio::select! {
                    () = sleep_until(due) => {}
                    () = self.0.changed.notified() => {}
                },
                None => self.0.changed.notified().await,
            }
        }
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.0.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clock stands still while this lives.
#[derive(Debug)]
pub(crate) struct Held {
    clock: HookClock,
    _waits: Waits,
}

/// How long a guest has computed in one hook.
///
/// The engine calls [`tick`](Self::tick) when the guest computes while the epoch changes, that is every
/// [`Limits::TICK`]. A tick counts as the time since the last one or since the guest's last wait, and never as more than
/// itself: in between the guest may have stood in line for a thread. A plain count of ticks would charge a guest a whole one
/// for each time that it returns from a wait, since the epoch has changed by then.
#[derive(Clone, Debug)]
pub(crate) struct CpuMeter(Arc<Mutex<Computed>>);

#[derive(Debug)]
struct Computed {
    spent: Duration,
    /// Up to when `spent` is right.
    until: Instant,
}

/// The guest waits in the host while this lives.
#[derive(Debug)]
pub(crate) struct Waits(CpuMeter);

impl Default for CpuMeter {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Computed {
            spent: Duration::ZERO,
            until: Instant::now(),
        })))
    }
}

impl CpuMeter {
    /// A hook begins.
    pub(crate) fn restart(&self) {
        let mut computed = self.computed();
        computed.spent = Duration::ZERO;
        computed.until = Instant::now();
    }

    /// The guest computes. Answers how long it has in all.
    pub(crate) fn tick(&self) -> Duration {
        let now = Instant::now();
        let mut computed = self.computed();
        let more = now.saturating_duration_since(computed.until).min(Limits::TICK);
        computed.spent += more;
        computed.until = now;
        computed.spent
    }

    /// The guest waits until the guard is dropped.
    pub(crate) fn wait(&self) -> Waits {
        self.tick();
        Waits(self.clone())
    }

    fn computed(&self) -> MutexGuard<'_, Computed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.computed().until = Instant::now();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut reading = self.clock.reading();
        reading.holders = reading.holders.saturating_sub(1);
        if reading.holders == 0 {
            reading.since = Some(Instant::now());
            self.clock.0.changed.notify_one();
            if let Some(ticker) = &self.clock.0.ticker {
                ticker.guest_goes_on();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_that_the_clock_is_held_does_not_count() {
        let clock = HookClock::default();
        clock.restart();
        let begun = Instant::now();
        let held = clock.hold();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(600)).await;
            drop(held);
        });
        clock.spent(Duration::from_secs(5)).await;
        assert_eq!(begun.elapsed().as_secs(), 605);
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_that_computes_a_little_between_waits_is_charged_for_that_little() {
        let meter = CpuMeter::default();
        for _ in 0..100 {
            let waits = meter.wait();
            tokio::time::advance(Duration::from_secs(1)).await;
            drop(waits);
            tokio::time::advance(Duration::from_millis(1)).await;
            // The epoch has changed during the wait.
            meter.tick();
        }
        assert_eq!(meter.tick(), Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_that_stands_in_line_is_charged_a_tick_at_most() {
        let meter = CpuMeter::default();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(meter.tick(), Limits::TICK);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hook_that_is_never_held_runs_out_at_its_limit() {
        let clock = HookClock::default();
        clock.restart();
        let begun = Instant::now();
        clock.spent(Duration::from_secs(5)).await;
        assert_eq!(begun.elapsed().as_secs(), 5);
    }
}
