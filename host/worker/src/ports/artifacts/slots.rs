//! Bounds how many artifacts, and how many bytes of them, are uploaded at a time by all runs of the worker together.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

/// Bytes are counted in units, of which there are at most so many.
const MOST_UNITS: u64 = 1 << 24;

/// The places for uploads. Clones share them. Who comes first goes first: a large upload is not overtaken for ever by small
/// ones, and one that is larger than all places together goes alone.
#[derive(Clone, Debug)]
pub(crate) struct UploadSlots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Held by the one that is next.
    turn: Mutex<()>,
    uploads: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    /// How many bytes a permit of `bytes` stands for.
    unit: u64,
    units: u32,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct UploadSlot {
    // None only where the semaphore is closed, which nobody does.
    _upload: Option<OwnedSemaphorePermit>,
    _bytes: Option<OwnedSemaphorePermit>,
}

impl UploadSlots {
    /// Places for so many uploads, of so many bytes together; at least one of each.
    pub(crate) fn new(uploads: u32, bytes: u64) -> Self {
        let unit = bytes.div_ceil(MOST_UNITS).next_power_of_two();
        let units = u32::try_from(bytes / unit).unwrap_or(u32::MAX).max(1);
        Self(Arc::new(Shared {
            turn: Mutex::new(()),
            uploads: Arc::new(Semaphore::new(uploads.max(1) as usize)),
            bytes: Arc::new(Semaphore::new(units as usize)),
            unit,
            units,
        }))
    }

    /// Waits for a place for so many bytes.
    ///
    /// # Cancel safety
    /// May be dropped; who waits behind moves up.
    pub(crate) async fn take(&self, bytes: u64) -> UploadSlot {
        let shared = &*self.0;
        let units = u32::try_from(bytes.div_ceil(shared.unit)).unwrap_or(u32::MAX);
        let _turn = shared.turn.lock().await;
        let upload = shared.uploads.clone().acquire_owned().await;
        let bytes = shared
            .bytes
            .clone()
            .acquire_many_owned(units.min(shared.units))
            .await;
        UploadSlot {
            _upload: upload.ok(),
            _bytes: bytes.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Poll};

    use futures_util::poll;

    use super::*;

    /// The place for so many bytes, where there is one now.
    async fn now(slots: &UploadSlots, bytes: u64) -> Option<UploadSlot> {
        match poll!(pin!(slots.take(bytes))) {
            Poll::Ready(slot) => Some(slot),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn no_more_uploads_run_at_a_time_than_there_are_places() {
        let slots = UploadSlots::new(2, 1000);
        let (one, two) = (now(&slots, 1).await, now(&slots, 0).await);
        assert!(one.is_some() && two.is_some());
        assert!(now(&slots, 1).await.is_none());
        drop(one);
        assert!(now(&slots, 1).await.is_some());
    }

    #[tokio::test]
    async fn no_more_bytes_are_uploaded_at_a_time_than_is_allowed() {
        for scale in [1, 1 << 30] {
            let slots = UploadSlots::new(10, 100 * scale);
            let one = now(&slots, 60 * scale).await;
            let two = now(&slots, 40 * scale).await;
            assert!(one.is_some() && two.is_some());
            assert!(now(&slots, 1).await.is_none());
            drop(two);
            assert!(now(&slots, 41 * scale).await.is_none());
            assert!(now(&slots, 39 * scale).await.is_some());
        }
    }

    #[tokio::test]
    async fn an_upload_of_more_bytes_than_is_allowed_goes_alone() {
        let slots = UploadSlots::new(10, 100);
        let small = now(&slots, 1).await;
        assert!(now(&slots, u64::MAX).await.is_none());
        drop(small);
        let huge = now(&slots, u64::MAX).await;
        assert!(huge.is_some());
        assert!(now(&slots, 1).await.is_none());
    }

    #[tokio::test]
    async fn who_comes_first_goes_first_and_who_leaves_holds_up_nobody() {
        let slots = UploadSlots::new(10, 100);
        let running = now(&slots, 60).await;
        let mut large = Box::pin(slots.take(80));
        assert!(poll!(&mut large).is_pending());
        let mut small = Box::pin(slots.take(10));
        assert!(poll!(&mut small).is_pending(), "it has overtaken the large one");
        drop(large);
        assert!(poll!(&mut small).is_ready());
        drop(running);
    }
}
