//! The queue's clock, learned from its answers: a worker whose own clock is off neither loses claims nor fails to sign.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};

/// How far the queue's clock is ahead of ours. Clones share what they learn.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerClock {
    ahead_seconds: Arc<AtomicI64>,
}

impl ServerClock {
    /// The `Date` header has whole seconds and the answer took a while to arrive: less than this is no difference.
    const TOLERANCE_SECONDS: i64 = 5;

    /// How far it is thought to be ahead now.
    pub(crate) fn offset(&self) -> Offset {
        Offset {
            seconds: self.ahead_seconds.load(Ordering::Relaxed),
        }
    }

    /// Learns from the `Date` header of an answer. Answers whether it is elsewhere than it was thought to be when the request
    /// was signed. (What is thought of it now may come from the answer to another request of meanwhile.)
    pub(crate) fn learn(&self, date: Option<&str>, signed_for: Offset) -> Learned {
        let Some(server) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) else {
            return Learned::Nothing;
        };
        let ahead = (server.with_timezone(&Utc) - Utc::now()).num_seconds();
        let ahead = if ahead.abs() < Self::TOLERANCE_SECONDS {
            0
        } else {
            ahead
        };
        self.ahead_seconds.store(ahead, Ordering::Relaxed);
        if (signed_for.seconds - ahead).abs() < Self::TOLERANCE_SECONDS {
            Learned::Nothing
        } else {
            Learned::Moved
        }
    }

    /// What the queue's clock shows now, as far as we know.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.offset().now()
    }
}

/// How far a clock is ahead of ours, or behind where it is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offset {
    seconds: i64,
}

impl Offset {
    /// What such a clock shows now.
    pub(crate) fn now(self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::seconds(self.seconds)
    }
}

/// What an answer taught about the queue's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    /// It is where we thought.
    Nothing,
    /// It is elsewhere: a request that was refused for its time may be signed again.
    Moved,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_clock_that_is_half_an_hour_off() {
        let clock = ServerClock::default();
        let before = clock.offset();
        let theirs = (Utc::now() + TimeDelta::minutes(30)).to_rfc2822();
        assert_eq!(clock.learn(Some(&theirs), before), Learned::Moved);
        assert_eq!(clock.learn(Some(&theirs), clock.offset()), Learned::Nothing);
        let ahead = clock.now() - Utc::now();
        assert!((ahead - TimeDelta::minutes(30)).abs() < TimeDelta::seconds(3));
    }

    #[test]
    fn every_request_that_was_signed_before_it_was_learned_hears_of_it() {
        let clock = ServerClock::default();
        let before = clock.offset();
        let theirs = (Utc::now() - TimeDelta::minutes(30)).to_rfc2822();
        for _ in 0..2 {
            assert_eq!(clock.learn(Some(&theirs), before), Learned::Moved);
        }
    }

    #[test]
    fn a_missing_or_odd_date_teaches_nothing() {
        let clock = ServerClock::default();
        let before = clock.offset();
        assert_eq!(clock.learn(None, before), Learned::Nothing);
        assert_eq!(clock.learn(Some("soon"), before), Learned::Nothing);
        assert_eq!(clock.offset(), before);
    }
}
