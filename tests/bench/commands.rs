//! What the tasks of the benchmarks run: this program, started again, so that what it does is known to the nanosecond.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Writes down when it began and when it ended.
pub(crate) const STAMP: &str = "__stamp";
/// The same, with so many bytes of lines in between.
pub(crate) const LINES: &str = "__lines";

/// A line of the log benchmark: 100 bytes with its end.
const LINE: &[u8; 100] =
    b"the quick brown fox jumps over the lazy dog, and the lazy dog does not mind at all; nor do we mind.\n";
/// What is written at a time, as a program's buffered output is.
const CHUNK: usize = 80 * LINE.len();

/// Since the epoch, by the clock that every process of this machine has.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Runs a command, if the arguments are one.
pub(crate) fn run(begun: Duration, arguments: &[String]) -> Option<ExitCode> {
    match arguments {
        [command, file] if command == STAMP => stamp(begun, Path::new(file)),
        [command, bytes, file] if command == LINES => {
            lines(bytes.parse().unwrap());
            stamp(begun, Path::new(file));
        }
        _ => return None,
    }
    Some(ExitCode::SUCCESS)
}

fn stamp(begun: Duration, file: &Path) {
    let mut file = File::create(file).unwrap();
    write!(file, "{} {}", begun.as_nanos(), now().as_nanos()).unwrap();
}

fn lines(bytes: usize) {
    let chunk = LINE.repeat(CHUNK / LINE.len());
    let mut out = io::stdout().lock();
    let mut left = bytes;
    while left > 0 {
        let now = left.min(chunk.len());
        out.write_all(&chunk[..now]).unwrap();
        left -= now;
    }
    out.flush().unwrap();
}

/// When a command began and ended, as it wrote down.
pub(crate) fn read_stamp(file: &Path) -> (Duration, Duration) {
    let text = std::fs::read_to_string(file).unwrap();
    let mut stamps = text
        .split(' ')
        .map(|nanos| Duration::from_nanos(nanos.parse().unwrap()));
    (stamps.next().unwrap(), stamps.next().unwrap())
}
