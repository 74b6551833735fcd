//! Numbers in a table, as Markdown: it can be pasted into the README as it is.

use std::time::Duration;

/// Many durations of one thing.
#[derive(Clone, Debug)]
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    pub(crate) fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort();
        Self(durations)
    }

    /// The duration that so many percent do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank - 1]
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Prints the head of a table.
pub(crate) fn head() {
    println!("| what | measured | aim |\n|---|---|---|");
}

/// Prints a row.
pub(crate) fn row(what: &str, measured: &str, aim: &str) {
    println!("| {what} | {measured} | {aim} |");
}

/// A duration with three digits.
pub(crate) fn show(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    match micros {
        ..1000.0 => format!("{micros:.1} µs"),
        ..1e6 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// Two percentiles.
pub(crate) fn percentiles(sample: &Sample, second: usize) -> String {
    format!(
        "p50 {}, p{second} {} (n = {})",
        show(sample.percentile(50)),
        show(sample.percentile(second)),
        sample.count()
    )
}
