//! When credentials are renewed: policy without a clock.

use std::time::Duration;

/// How long before their end credentials are renewed.
const EARLY: Duration = Duration::from_secs(30 * 60);
/// How soon after they were made at most: what makes credentials that end soon is not to be asked all the time.
const AT_LEAST: Duration = Duration::from_secs(5 * 60);
/// What is left of them when nothing more is tried: so much is needed to give running tasks back.
const MARGIN: Duration = Duration::from_secs(30);
/// The pause after a renewal that failed: doubles from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(120));

/// The plan for one set of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    /// What is to be left of them at the end of all tries.
    margin: Duration,
    pause: Duration,
    first: Duration,
}

impl Schedule {
    /// For credentials that are good for so long. Of those that end very soon a quarter is kept for the worker's end, and a
    /// quarter for trying again.
    pub(super) fn new(left: Duration) -> Self {
        let margin = MARGIN.min(left / 4);
        let latest = left.saturating_sub(margin * 2);
        Self {
            margin,
            pause: PAUSES.0.min(margin / 4),
            first: left.saturating_sub(EARLY).max(AT_LEAST).min(latest),
        }
    }

    /// How long to wait before they are renewed.
    pub(super) fn first(&self) -> Duration {
        self.first
    }

    /// How long to wait after a try that failed, with so much left of them; none: it is time to end.
    pub(super) fn again(&mut self, left: Duration) -> Option<Duration> {
        let usable = left.checked_sub(self.margin).filter(|usable| !usable.is_zero())?;
        let pause = self.pause.min(usable);
        self.pause = (self.pause * 2).min(PAUSES.1);
        Some(pause)
    }

    /// How long one try may take, with so much left of them.
    pub(super) fn patience(&self, left: Duration) -> Duration {
        left.saturating_sub(self.margin).max(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(60 * 60);

    #[test]
    fn credentials_are_renewed_half_an_hour_before_their_end() {
        assert_eq!(Schedule::new(96 * HOUR).first(), 96 * HOUR - 30 * MINUTE);
        assert_eq!(Schedule::new(HOUR).first(), 30 * MINUTE);
    }

    #[test]
    fn no_sooner_than_after_five_minutes_and_never_in_the_last_minute() {
        assert_eq!(Schedule::new(31 * MINUTE).first(), 5 * MINUTE);
        assert_eq!(Schedule::new(6 * MINUTE).first(), 5 * MINUTE);
        assert_eq!(Schedule::new(4 * MINUTE).first(), 3 * MINUTE);
        // These end sooner than anybody would have them end.
        assert_eq!(Schedule::new(8 * SECOND).first(), 4 * SECOND);
        assert_eq!(Schedule::new(Duration::ZERO).first(), Duration::ZERO);
    }

    #[test]
    fn a_renewal_that_fails_is_tried_until_half_a_minute_before_the_end() {
        for left in [96 * HOUR, HOUR, 4 * MINUTE, 20 * SECOND] {
            let mut schedule = Schedule::new(left);
            let mut left = left - schedule.first();
            let margin = MARGIN.min(schedule.margin);
            let mut tries = 1;
            while let Some(pause) = schedule.again(left) {
                assert!(pause <= PAUSES.1);
                left -= pause;
                tries += 1;
            }
            assert_eq!(left, margin);
            assert!(tries <= 40, "{tries}");
        }
    }

    #[test]
    fn there_are_many_tries_for_credentials_of_an_ordinary_length() {
        let mut schedule = Schedule::new(HOUR);
        let mut left = HOUR - schedule.first();
        let mut tries = 1;
        while let Some(pause) = schedule.again(left) {
            left -= pause;
            tries += 1;
        }
        assert!(tries >= 15, "{tries}");
    }
}
