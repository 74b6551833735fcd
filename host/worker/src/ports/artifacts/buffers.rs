//! Memory for the pieces of one upload, which is used again when a piece has been sent: new memory is cleared by the kernel,
//! page by page, and there are a million pages in 4 GiB.

use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;

/// Buffers of one size.
#[derive(Debug)]
pub(super) struct Buffers {
    size: usize,
    home: Sender<Vec<u8>>,
    back: Receiver<Vec<u8>>,
}

/// A buffer of which a part is sent.
struct Lent {
    memory: Vec<u8>,
    length: usize,
    home: Sender<Vec<u8>>,
}

impl Buffers {
    /// None yet; each will have `size` bytes.
    pub(super) fn new(size: usize) -> Self {
        let (home, back) = channel();
        Self { size, home, back }
    }

    /// A buffer, one that has come back or a new one. There may be something in it.
    pub(super) fn take(&self) -> Vec<u8> {
        self.back.try_recv().unwrap_or_else(|_| vec![0; self.size])
    }

    /// The first bytes of a buffer. It comes back when nobody has them any more.
    pub(super) fn lend(&self, memory: Vec<u8>, length: usize) -> Bytes {
        Bytes::from_owner(Lent {
            memory,
            length,
            home: self.home.clone(),
        })
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // The upload is over when nobody takes it.
        let _ = self.home.send(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_the_last_clone_of_its_bytes_is_gone() {
        let buffers = Buffers::new(8);
        let mut first = buffers.take();
        first.copy_from_slice(b"contents");
        let address = first.as_ptr();
        let lent = buffers.lend(first, 3);
        assert_eq!(lent, b"con"[..]);
        let clone = lent.clone();
        drop(lent);
        let second = buffers.take();
        assert_ne!(second.as_ptr(), address);
        drop(clone);
        let third = buffers.take();
        assert_eq!(third.as_ptr(), address);
    }
}
