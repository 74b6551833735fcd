//! What is to be written to worker-runner. Whoever has something to say leaves it here and goes on; a thread writes it as
//! fast as worker-runner reads. Where that does not read, lines of the log are dropped and counted, and nothing waits.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Write as _},
    os::fd::AsFd as _,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, poll},
};

/// How much of the log may wait, in bytes.
const MAX_LOG: usize = 4 << 20;
/// How much may wait in all: there is room for other messages when the log has used up its own.
const MAX_ALL: usize = MAX_LOG + (256 << 10);
/// A pipe that has room takes so many bytes without waiting, in one piece.
const PIECE: usize = 4096;
/// How often a writer that waits for room looks whether it is to end, in milliseconds.
const LOOK: u8 = 100;

/// Where lines are left to be written. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Outbox(Arc<Shared>);

/// Writes what is left in an outbox; owned by whoever ends it.
#[derive(Debug)]
pub(super) struct Writer {
    outbox: Outbox,
    thread: JoinHandle<()>,
}

/// The reader is gone: nothing is written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    /// Of all lines that wait.
    bytes: usize,
    /// Lines of the log since the last one that was taken.
    dropped: u64,
    /// Until when what waits is still written.
    closing: Option<Instant>,
    gone: bool,
}

impl Outbox {
    /// An outbox, and the thread that writes what is left in it to a file.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn open(file: File) -> io::Result<(Self, Writer)> {
        let outbox = Self(Arc::default());
        let shared = outbox.0.clone();
        let thread = thread::Builder::new()
            .name("to-worker-runner".to_owned())
            .spawn(move || shared.write(file))?;
        let writer = Writer {
            outbox: outbox.clone(),
            thread,
        };
        Ok((outbox, writer))
    }

    /// Leaves a line of the log, or drops it where too many wait. `said_dropped` makes the line that says how many were.
    pub(super) fn log(&self, line: Vec<u8>, said_dropped: impl FnOnce(u64) -> Vec<u8>) -> Result<(), Gone> {
        let mut state = self.0.lock();
        if state.gone {
            return Err(Gone);
        }
        if state.bytes + line.len() > MAX_LOG {
            state.dropped += 1;
            return Ok(());
        }
        if state.dropped > 0 {
            let dropped = std::mem::take(&mut state.dropped);
            state.push(said_dropped(dropped));
        }
        state.push(line);
        drop(state);
        self.0.changed.notify_all();
        Ok(())
    }

    /// Leaves a line that must not be lost to a log that is too long.
    pub(super) fn send(&self, line: Vec<u8>) -> Result<(), Gone> {
        let mut state = self.0.lock();
        if state.gone || state.bytes + line.len() > MAX_ALL {
            return Err(Gone);
        }
        state.push(line);
        drop(state);
        self.0.changed.notify_all();
        Ok(())
    }
}

impl Writer {
    /// Writes what waits, for as long as `patience` allows, and ends.
    pub(super) fn end(self, patience: Duration) {
        self.outbox.0.lock().closing = Some(Instant::now() + patience);
        self.outbox.0.changed.notify_all();
        // A panic of the thread has been told by its own message.
        let _ = self.thread.join();
    }
}

impl State {
    fn push(&mut self, line: Vec<u8>) {
        self.bytes += line.len();
        self.lines.push_back(line);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next line; none when everything is written and nothing more comes.
    fn next(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len();
                return Some(line);
            }
            if state.closing.is_some() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write(&self, mut file: File) {
        while let Some(line) = self.next() {
            if self.write_line(&mut file, &line).is_err() {
                break;
            }
        }
        let mut state = self.lock();
        state.gone = true;
        state.lines.clear();
        state.bytes = 0;
    }

    fn write_line(&self, file: &mut File, line: &[u8]) -> Result<(), Gone> {
        for piece in line.chunks(PIECE) {
            self.room(file)?;
            file.write_all(piece).map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Waits until a piece can be written at once, or there is no more time for it.
    fn room(&self, file: &File) -> Result<(), Gone> {
        loop {
            let mut ready = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
            match poll(&mut ready, LOOK) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(_) => return Err(Gone),
            }
            if self.lock().closing.is_some_and(|end| Instant::now() >= end) {
                return Err(Gone);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{PipeReader, Read as _},
        os::fd::OwnedFd,
    };

    use super::*;

    fn said_dropped(count: u64) -> Vec<u8> {
        format!("dropped {count}\n").into_bytes()
    }

    fn opened() -> (PipeReader, Outbox, Writer) {
        let (reader, writer) = io::pipe().unwrap();
        let (outbox, writer) = Outbox::open(File::from(OwnedFd::from(writer))).unwrap();
        (reader, outbox, writer)
    }

    #[test]
    fn what_waits_is_written_in_order_before_the_end() {
        let (mut reader, outbox, writer) = opened();
        for number in 0..100 {
            outbox
                .log(format!("{number}\n").into_bytes(), said_dropped)
                .unwrap();
        }
        outbox.send(b"last\n".to_vec()).unwrap();
        writer.end(Duration::from_secs(60));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
        assert_eq!(text, expected + "last\n");
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_of_the_log_and_nothing_else() {
        let (mut reader, outbox, writer) = opened();
        let line = vec![b'x'; 64 << 10];
        let most = 10 * MAX_LOG / line.len();
        for _ in 0..most {
            outbox.log(line.clone(), said_dropped).unwrap();
        }
        assert!(outbox.0.lock().dropped > 0);
        outbox.send(b"shutdown\n".to_vec()).unwrap();
        let reading = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        // The first that finds room says what is missing.
        while outbox.0.lock().bytes > 0 {
            thread::yield_now();
        }
        outbox.log(b"after\n".to_vec(), said_dropped).unwrap();
        writer.end(Duration::from_secs(60));
        let text = reading.join().unwrap();
        let end = text.get(text.len() - 64..).unwrap();
        assert!(
            end.contains("shutdown\ndropped ") && end.ends_with("\nafter\n"),
            "{end}"
        );
    }

    #[test]
    fn a_reader_that_never_reads_does_not_hold_the_end_up() {
        let (_reader, outbox, writer) = opened();
        for _ in 0..64 {
            outbox.log(vec![b'x'; 32 << 10], said_dropped).unwrap();
        }
        writer.end(Duration::ZERO);
        assert_eq!(outbox.send(Vec::new()), Err(Gone));
    }

    #[test]
    fn a_reader_that_is_gone_is_told() {
        let (reader, outbox, writer) = opened();
        drop(reader);
        outbox.send(b"a\n".to_vec()).unwrap();
        while outbox.send(b"b\n".to_vec()).is_ok() {
            thread::yield_now();
        }
        assert_eq!(outbox.log(b"c\n".to_vec(), said_dropped), Err(Gone));
        writer.end(Duration::from_secs(60));
    }
}
