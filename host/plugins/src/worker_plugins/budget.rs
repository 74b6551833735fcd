//! How often a broken worker plugin is started again. No I/O.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The pauses before a plugin is started again that has broken for the first time within [`WINDOW`], for the second time,
/// and so on. When there are no more it is not started again.
pub(super) const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// What is longer ago counts no more.
pub(super) const WINDOW: Duration = Duration::from_secs(600);

/// What one plugin has left of its restarts.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// When it broke, the oldest first.
    breaks: VecDeque<Instant>,
}

impl Budget {
    /// It has broken. Answers after which pause it is started again; none: it is not.
    pub(super) fn broke(&mut self, now: Instant) -> Option<Duration> {
        self.breaks
            .retain(|then| now.saturating_duration_since(*then) < WINDOW);
        let pause = PAUSES.get(self.breaks.len()).copied();
        self.breaks.push_back(now);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses after breaks at these seconds.
    fn pauses(seconds: &[u64]) -> Vec<Option<u64>> {
        let (mut budget, begin) = (Budget::default(), Instant::now());
        let seconds = seconds.iter();
        seconds
            .map(|second| budget.broke(begin + Duration::from_secs(*second)))
            .map(|pause| pause.map(|pause| pause.as_secs()))
            .collect()
    }

    #[test]
    fn the_pauses_grow_until_there_are_no_more() {
        assert_eq!(pauses(&[0, 1, 3, 7]), [Some(1), Some(2), Some(4), None]);
    }

    #[test]
    fn what_is_long_ago_counts_no_more() {
        assert_eq!(pauses(&[0, 599, 600, 601]), [Some(1), Some(2), Some(2), Some(4)]);
        assert_eq!(pauses(&[0, 700, 1400, 2100]), [Some(1); 4]);
    }
}
