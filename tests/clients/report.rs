//! What became of each check: a line for each, and a count at the end.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

/// What became of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// It does not apply here, for a reason.
    Skipped(String),
    Failed,
}

/// The checks so far. Each is printed when it is added.
#[derive(Debug)]
pub(crate) struct Report {
    passed: u32,
    failed: u32,
    skipped: u32,
    out: io::Stdout,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            passed: 0,
            failed: 0,
            skipped: 0,
            out: io::stdout(),
        }
    }

    /// Prints a line. Nobody may be reading: that is no failure of a check.
    pub(crate) fn say(&mut self, line: &str) {
        let _ = writeln!(self.out, "{line}");
    }

    /// Adds a check of a suite.
    pub(crate) fn add(&mut self, suite: &str, name: &str, outcome: Outcome) {
        let said = match outcome {
            Outcome::Passed => {
                self.passed += 1;
                "ok".to_owned()
            }
            Outcome::Skipped(reason) => {
                self.skipped += 1;
                format!("skipped: {reason}")
            }
            Outcome::Failed => {
                self.failed += 1;
                "FAILED".to_owned()
            }
        };
        self.say(&format!("{suite:<9} {name} ... {said}"));
    }

    /// How many checks there are, of whatever outcome.
    pub(crate) fn count(&self) -> u32 {
        self.passed + self.failed + self.skipped
    }

    pub(crate) fn failed(&self) -> u32 {
        self.failed
    }

    /// Prints the count, and answers the status to exit with: no check at all is a failure too.
    pub(crate) fn close(mut self) -> ExitCode {
        let (passed, failed, skipped) = (self.passed, self.failed, self.skipped);
        self.say(&format!("\n{passed} passed, {failed} failed, {skipped} skipped"));
        if failed > 0 || passed == 0 {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}
