//! What worker-runner writes, line by line, by a thread that can be told to end while nothing comes.

use std::{
    fs::File,
    io::{self, Read},
    os::{fd::AsFd as _, unix::net::UnixStream},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

/// The longest line that is read, in bytes. A longer one is passed over.
pub(super) const MAX_LINE: usize = 1 << 20;
/// How much is read at a time.
const CHUNK: usize = 8 << 10;

/// A file that has nothing more to read once the other end of a pair of sockets is closed.
#[derive(Debug)]
pub(super) struct Input {
    file: File,
    ended: UnixStream,
}

impl Input {
    pub(super) fn new(file: File, ended: UnixStream) -> Self {
        Self { file, ended }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ready = [
            PollFd::new(self.ended.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.file.as_fd(), PollFlags::POLLIN),
        ];
        loop {
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let [ended, _] = ready;
        if ended.any().unwrap_or(true) {
            return Ok(0);
        }
        self.file.read(buffer)
    }
}

/// A line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// All of it.
    Whole(Vec<u8>),
    /// One that was too long, and is passed over.
    TooLong,
}

/// The lines of something, of which the last may lack its end.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// Of the buffer, how much is known to hold no end of a line.
    looked: usize,
    passing_over: bool,
    at_end: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            looked: 0,
            passing_over: false,
            at_end: false,
        }
    }

    /// The next line; none at the end.
    ///
    /// # Errors
    /// When nothing can be read any more.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(line));
            }
            if self.at_end {
                let rest = std::mem::take(&mut self.buffer);
                self.looked = 0;
                return Ok((!rest.is_empty() && !self.passing_over).then_some(Line::Whole(rest)));
            }
            self.fill()?;
        }
    }

    fn take_line(&mut self) -> Option<Line> {
        let rest = self.buffer.get(self.looked..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            self.looked = self.buffer.len();
            if self.buffer.len() > MAX_LINE {
                self.passing_over = true;
            }
            if self.passing_over {
                self.buffer.clear();
                self.looked = 0;
            }
            return None;
        };
        let mut line: Vec<u8> = self.buffer.drain(..=self.looked + end).collect();
        line.pop();
        self.looked = 0;
        if std::mem::take(&mut self.passing_over) || line.len() > MAX_LINE {
            return Some(Line::TooLong);
        }
        Some(Line::Whole(line))
    }

    fn fill(&mut self) -> io::Result<()> {
        let before = self.buffer.len();
        self.buffer.resize(before + CHUNK, 0);
        let read = self.input.read(self.buffer.get_mut(before..).unwrap_or_default());
        self.buffer
            .truncate(before + read.as_ref().copied().unwrap_or_default());
        match read {
            Ok(0) => self.at_end = true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    fn lines(mut input: impl Read) -> Vec<Line> {
        let mut lines = Lines::new(&mut input);
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.into())
    }

    #[test]
    fn lines_come_as_they_are_ended() {
        assert_eq!(lines(&b""[..]), []);
        assert_eq!(lines(&b"\n"[..]), [whole("")]);
        assert_eq!(lines(&b"a\nb\r\nc"[..]), [whole("a"), whole("b\r"), whole("c")]);
    }

    #[test]
    fn a_line_may_come_in_pieces() {
        let pieces = b"ab".chain(&b"c\nd"[..]).chain(&b"\n"[..]);
        assert_eq!(lines(pieces), [whole("abc"), whole("d")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_without_being_held() {
        let longest = "x".repeat(MAX_LINE);
        let text = format!("{longest}\n{longest}y\nz\n{longest}{longest}{longest}\nlast\n");
        assert_eq!(
            lines(text.as_bytes()),
            [
                whole(&longest),
                Line::TooLong,
                whole("z"),
                Line::TooLong,
                whole("last")
            ]
        );
        let endless = io::repeat(b'x').take(64 << 20);
        let mut lines = Lines::new(endless);
        assert_eq!(lines.next().unwrap(), None);
        assert!(
            lines.buffer.capacity() < 4 * MAX_LINE,
            "{}",
            lines.buffer.capacity()
        );
    }

    #[test]
    fn reading_ends_when_it_is_told_to_while_nothing_comes() {
        let (silent, _keep) = UnixStream::pair().unwrap();
        let (ended, end) = UnixStream::pair().unwrap();
        let file = File::from(OwnedFd::from(silent));
        let reader = std::thread::spawn(move || lines(Input::new(file, ended)));
        drop(end);
        assert_eq!(reader.join().unwrap(), []);
    }
}
