//! Pauses between tries: each twice as long as the one before, up to a bound, with a quarter of jitter, so that many who
//! wait for the same do not come back at once.

use std::time::Duration;

use rand::Rng as _;

/// The pauses of one who tries again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// From the first pause to the longest.
    pub(crate) fn new((first, longest): (Duration, Duration)) -> Self {
        Self { next: first, longest }
    }

    /// The pause before the next try.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::rng().random_range(0.75..1.25));
        self.next = self.next.saturating_mul(2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new((Duration::from_secs(1), Duration::from_secs(5)));
        for expected in [1.0, 2.0, 4.0, 5.0, 5.0] {
            let pause = backoff.pause().as_secs_f64();
            assert!(
                (0.75 * expected..1.25 * expected).contains(&pause),
                "{pause} for {expected}"
            );
        }
    }
}
