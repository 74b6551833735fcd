//! The worker's own log as what is said to worker-runner.

use std::io;

use tracing_subscriber::fmt::MakeWriter;

use super::Link;

/// One event of the log, which is written at once.
#[derive(Debug)]
pub(crate) struct Event<'a>(&'a Link);

impl<'a> MakeWriter<'a> for Link {
    type Writer = Event<'a>;

    fn make_writer(&'a self) -> Event<'a> {
        Event(self)
    }
}

impl io::Write for Event<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.say(String::from_utf8_lossy(text).trim_end());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
