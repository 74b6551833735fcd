//! Reads ahead: while one piece of an upload is sent, the next ones are read and hashed, on another thread where there is one.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// How many pieces are read ahead. With [`CHUNK`](super::body::CHUNK) they bound what an upload holds in memory.
const PIECES: usize = 3;

/// The same pieces, each given to `seen` when it is read. What is read ahead ends when this is dropped. Must be called in a
/// runtime.
pub(super) fn ahead(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    seen: impl Fn(&Bytes) + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(PIECES);
    let reading = AbortOnDropHandle::new(tokio::spawn(read(pieces, seen, sender)));
    stream::unfold((receiver, reading), async |(mut receiver, reading)| {
        let piece = receiver.recv().await?;
        Some((piece, (receiver, reading)))
    })
}

async fn read(
    mut pieces: impl Stream<Item = io::Result<Bytes>> + Unpin,
    seen: impl Fn(&Bytes),
    sender: mpsc::Sender<io::Result<Bytes>>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_come_in_order_and_errors_with_them() {
        let pieces = (0..20_u8).map(|n| match n {
            19 => Err(io::Error::other("the end")),
            n => Ok(Bytes::from(vec![n])),
        });
        let (count, counted) = std::sync::mpsc::channel();
        let all: Vec<_> = ahead(stream::iter(pieces), move |_| count.send(()).unwrap())
            .collect()
            .await;
        assert_eq!(counted.iter().count(), 19);
        let bytes: Vec<u8> = all[..19].iter().map(|piece| piece.as_ref().unwrap()[0]).collect();
        assert_eq!(bytes, (0..19).collect::<Vec<_>>());
        assert!(all[19].is_err());
    }

    #[tokio::test]
    async fn no_more_is_read_than_is_held() {
        let (count, counted) = std::sync::mpsc::channel();
        let pieces = stream::iter((0..100).map(|_| Ok(Bytes::from_static(b"x"))));
        let mut slow = Box::pin(ahead(pieces, move |_| count.send(()).unwrap()));
        slow.next().await.unwrap().unwrap();
        // It reads until there is no more room, and then does not go on by itself.
        tokio::task::yield_now().await;
        assert!(counted.try_iter().count() <= PIECES + 2);
    }
}
