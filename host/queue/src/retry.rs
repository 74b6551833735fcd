//! Taskcluster's rules for trying again: five times, after 100 ms · 2ⁿ ± 25 %, at most 30 s; errors of the network and of
//! the server only (`clients/client/src/client.js`).

use std::time::Duration;

use rand::Rng as _;

/// Whether a call may be tried again by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// It does no harm to ask twice.
    Allowed,
    /// A lost answer must not be asked for again: the queue has granted what the caller would then not know of.
    Never,
}

/// How often a call is tried after the first time.
pub(crate) const RETRIES: u32 = 5;
const LONGEST: Duration = Duration::from_secs(30);

/// How long to wait between tries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pauses {
    /// Half of the first pause. Tests have less patience.
    pub(crate) unit: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            unit: Duration::from_millis(100),
        }
    }
}

impl Pauses {
    /// The pause before retry `n`, which counts from 1. What the server asks for (`Retry-After`) counts where it is longer.
    pub(crate) fn before(self, n: u32, asked: Option<Duration>) -> Duration {
        let ours = self
            .unit
            .saturating_mul(2_u32.saturating_pow(n))
            .min(LONGEST)
            .mul_f64(rand::rng().random_range(0.75..1.25));
        asked.map_or(ours, |asked| asked.min(LONGEST).max(ours))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(n: u32, asked: Option<Duration>) -> Duration {
        Pauses::default().before(n, asked)
    }

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        assert!(pause(1, None) <= Duration::from_millis(250));
        assert!(pause(3, None) >= Duration::from_millis(600));
        assert!(pause(40, None) <= LONGEST.mul_f64(1.25));
    }

    #[test]
    fn a_server_that_asks_for_patience_gets_it_within_bounds() {
        assert_eq!(pause(1, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(pause(1, Some(Duration::from_secs(7000))), LONGEST);
    }
}
