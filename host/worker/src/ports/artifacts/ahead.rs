//! Reads ahead: while one piece of an upload is sent, the next ones are read and hashed, on another thread.

use std::{
    fs::File,
    io::{self, Read as _},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_util::{io::ReaderStream, task::AbortOnDropHandle};

use super::{
    body::{CHUNK, Source, changed},
    buffers::Buffers,
};

/// How many pieces are read ahead. With [`PIECE`] they bound what an upload holds in memory.
const PIECES: usize = 2;

/// The bytes of a piece of a file. To hand one over wakes the thread that sends, which then takes the core of the one that
/// hashes as often as another: with pieces of 256 KiB the threads of an upload are switched four times as often.
const PIECE: usize = 1 << 20;

type Piece = io::Result<Bytes>;

/// All bytes of a source, each given to `seen` when it is read. What is read ahead ends when this is dropped. A file that has
/// more than `length` bytes is an error in place of the last of these: whoever sends them asks for nothing more once there are
/// enough. Must be called in a runtime.
pub(super) fn ahead(
    source: Source,
    length: u64,
    seen: impl Fn(&[u8]) + Send + 'static,
) -> impl Stream<Item = Piece> + Send + 'static {
    let (sender, receiver) = mpsc::channel(PIECES);
    let reading = match source {
        // One thread reads and hashes the whole file: to hand each piece to a thread that may block, and back, is half of the
        // time that an upload takes.
        Source::File(file) => tokio::task::spawn_blocking(move || read_file(file, length, seen, &sender)),
        Source::Reader(reader) => {
            tokio::spawn(read(ReaderStream::with_capacity(reader, CHUNK), seen, sender))
        }
    };
    // A thread that may block can't be aborted: it ends at its next piece, since nobody takes that.
    let reading = AbortOnDropHandle::new(reading);
    stream::unfold((receiver, reading), async |(mut receiver, reading)| {
        let piece = receiver.recv().await?;
        Some((piece, (receiver, reading)))
    })
}

async fn read(
    mut pieces: impl Stream<Item = Piece> + Unpin,
    seen: impl Fn(&[u8]),
    sender: mpsc::Sender<Piece>,
) {
    while let Some(piece) = pieces.next().await {
        if let Ok(piece) = &piece {
            seen(piece);
        }
        // Nobody sends it any more.
        if sender.send(piece).await.is_err() {
            return;
        }
    }
}

/// The same, on a thread that may block.
fn read_file(mut file: File, length: u64, seen: impl Fn(&[u8]), sender: &mpsc::Sender<Piece>) {
    let buffers = Buffers::new(length.min(PIECE as u64) as usize);
    let mut left = length;
    while left > 0 {
        let piece = next_of(&mut file, left, &seen, &buffers);
        let read = piece.as_ref().map_or(0, Bytes::len) as u64;
        left = left.saturating_sub(read);
        // Nobody sends it any more; or it is an error, or the end, which comes too early.
        if sender.blocking_send(piece).is_err() || read == 0 {
            return;
        }
    }
}

/// The next bytes of a file of which so many are left; none at its end.
fn next_of(file: &mut File, left: u64, seen: impl Fn(&[u8]), buffers: &Buffers) -> Piece {
    let mut buffer = buffers.take();
    let wanted = left.min(buffer.len() as u64) as usize;
    let mut filled = 0;
    while filled < wanted {
        // Hashed in parts, while they are in the core's own cache.
        let end = wanted.min(filled + CHUNK);
        let part = buffer.get_mut(filled..end).unwrap_or_default();
        let read = match file.read(part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            break;
        }
        seen(part.get(..read).unwrap_or_default());
        filled += read;
    }
    if filled as u64 == left && has_more(file)? {
        return Err(changed());
    }
    Ok(buffers.lend(buffer, filled))
}

/// Whether a file has become longer than it was said to be.
fn has_more(file: &mut File) -> io::Result<bool> {
    let mut more = Vec::new();
    file.take(1).read_to_end(&mut more).map(|read| read > 0)
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        pin::Pin,
        task::{Context, Poll},
    };

    use tokio::io::{AsyncRead, ReadBuf};

    use super::*;

    /// Gives so many pieces of one byte, and then an error.
    struct Breaks(u8);

    impl AsyncRead for Breaks {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.0 == 0 {
                return Poll::Ready(Err(io::Error::other("the end")));
            }
            buffer.put_slice(&[self.0]);
            self.0 -= 1;
            Poll::Ready(Ok(()))
        }
    }

    fn file(length: usize) -> File {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        file.write_all(&bytes).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        file
    }

    #[tokio::test]
    async fn pieces_come_in_order_and_errors_with_them() {
        let (count, counted) = std::sync::mpsc::channel();
        let all: Vec<_> = ahead(Source::Reader(Box::new(Breaks(19))), 19, move |_| {
            count.send(()).unwrap();
        })
        .collect()
        .await;
        assert_eq!(counted.iter().count(), 19);
        let bytes: Vec<u8> = all[..19].iter().map(|piece| piece.as_ref().unwrap()[0]).collect();
        assert_eq!(bytes, (1..=19).rev().collect::<Vec<_>>());
        assert!(all[19].is_err());
    }

    #[tokio::test]
    async fn a_file_comes_whole_and_each_byte_is_seen() {
        let length = 5 * PIECE + 17;
        let (count, counted) = std::sync::mpsc::channel();
        let pieces: Vec<_> = ahead(Source::File(file(length)), length as u64, move |piece| {
            count.send(piece.len()).unwrap();
        })
        .collect()
        .await;
        assert_eq!(counted.iter().sum::<usize>(), length);
        let bytes: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| piece.as_ref().unwrap().to_vec())
            .collect();
        assert!(bytes.iter().enumerate().all(|(n, byte)| *byte == (n % 251) as u8));
        assert_eq!(bytes.len(), length);
    }

    #[tokio::test]
    async fn a_file_that_has_grown_is_an_error_and_what_is_too_much_is_not_seen() {
        for length in [17, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE] {
            for more in [1, PIECE] {
                let (count, counted) = std::sync::mpsc::channel();
                let pieces: Vec<_> = ahead(
                    Source::File(file(length + more)),
                    length as u64,
                    move |piece: &[u8]| count.send(piece.len()).unwrap(),
                )
                .collect()
                .await;
                let given: usize = pieces.iter().flatten().map(Bytes::len).sum();
                assert!(given < length, "{length} and {more}: {given}");
                assert_eq!(counted.iter().sum::<usize>(), length);
                assert!(pieces.last().unwrap().is_err(), "{length} and {more}");
            }
        }
    }

    #[tokio::test]
    async fn no_more_is_read_than_is_held() {
        let (count, counted) = std::sync::mpsc::channel();
        let source = Source::File(file(20 * PIECE));
        let mut slow = Box::pin(ahead(source, 20 * PIECE as u64, move |part| {
            count.send(part.len()).unwrap();
        }));
        slow.next().await.unwrap().unwrap();
        // It reads until there is no more room, and ends when nobody takes what it has.
        drop(slow);
        let mut read = 0;
        while let Ok(part) = counted.recv() {
            read += part;
        }
        assert!(read <= (PIECES + 3) * PIECE, "{read}");
    }
}
