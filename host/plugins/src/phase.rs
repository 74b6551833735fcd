//! A thing that may be used during a phase, and by nobody after it.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

/// A revocable slot. Clones share it; when one of them ends the phase, all of them are closed.
pub struct Phase<T>(Arc<RwLock<Option<T>>>);

/// The phase is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the phase that this belongs to is over")]
pub struct Closed;

impl<T> Phase<T> {
    /// Begins a phase.
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Some(value))))
    }

    /// Uses the thing, if the phase is not over. `use_it` must be short: the end of the phase waits for it.
    ///
    /// # Errors
    /// When the phase is over.
    pub fn with<R>(&self, use_it: impl FnOnce(&T) -> R) -> Result<R, Closed> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(use_it)
            .ok_or(Closed)
    }

    /// Ends the phase, after the uses under way, and gives the thing back; none where it was over already.
    pub fn end(&self) -> Option<T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T> Clone for Phase<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Phase<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = self.0.try_read().is_ok_and(|slot| slot.is_none());
        f.debug_struct("Phase").field("over", &over).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_phase_closes_every_clone() {
        let phase = Phase::new(1);
        let clone = phase.clone();
        assert_eq!(clone.with(|n| *n), Ok(1));
        assert_eq!(phase.end(), Some(1));
        assert_eq!(clone.with(|n| *n), Err(Closed));
        assert_eq!(clone.end(), None);
    }
}
