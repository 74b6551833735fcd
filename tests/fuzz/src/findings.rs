//! What a finding is: a panic, wherever it is.

use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering},
};

/// How many panics there were in this process.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Watches for panics, those of other threads too, which end nothing.
#[derive(Clone, Copy, Debug)]
pub struct Findings(());

impl Findings {
    /// Counts panics from now on. Once for a process.
    #[must_use]
    pub fn counted() -> Self {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            told(panic);
            PANICS.fetch_add(1, Ordering::Relaxed);
        }));
        Self(())
    }

    /// Ends the process at the first panic, so that a fuzzer writes its input down.
    pub fn end_the_process() {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            told(panic);
            std::process::abort();
        }));
    }

    /// How many panics there were.
    #[must_use]
    pub fn count(self) -> usize {
        PANICS.load(Ordering::Relaxed)
    }
}

/// Something that must not be.
#[expect(clippy::panic, reason = "a finding is a panic")]
pub(crate) fn finding(what: &str) -> ! {
    panic!("{what}")
}

/// For what does not fail unless the machine does.
pub(crate) trait OrFinding<T> {
    /// The value. An error is a finding.
    fn or_finding(self, what: &str) -> T;
}

impl<T, E: std::fmt::Debug> OrFinding<T> for Result<T, E> {
    fn or_finding(self, what: &str) -> T {
        self.unwrap_or_else(|error| finding(&format!("{what}: {error:?}")))
    }
}

impl<T> OrFinding<T> for Option<T> {
    fn or_finding(self, what: &str) -> T {
        self.unwrap_or_else(|| finding(what))
    }
}
