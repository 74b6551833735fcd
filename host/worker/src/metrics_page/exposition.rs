//! Prometheus' text format: families of samples, each with its help and type before it.

use std::fmt::Write as _;

/// Its media type.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// What every name begins with.
const PREFIX: &str = "taskcluster_worker_";

/// What a family's samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// They only grow, until the worker is started anew.
    Counter,
    /// They are what is so now.
    Gauge,
}

/// A text on its way.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
    /// Of the family that samples belong to.
    name: String,
}

impl Exposition {
    /// Begins a family. `name` has no prefix yet.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        self.name = format!("{PREFIX}{name}");
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let help = escape(help, Where::Help);
        // A string takes everything.
        let _ = writeln!(
            self.text,
            "# HELP {name} {help}\n# TYPE {name} {kind}",
            name = self.name
        );
    }

    /// Adds a sample to the family that was begun last. The names of labels are ours; their values may be anybody's.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(&self.name);
        for (index, (name, text)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{name}=\"{}\"", escape(text, Where::Label));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Help,
    Label,
}

/// A text in which nothing ends the line or the label.
fn escape(text: &str, place: Where) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '"' if place == Where::Label => escaped.push_str("\\\""),
            // Readers split lines there, or show what they should not.
            c if c.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_help_type_and_samples() {
        let mut out = Exposition::default();
        out.family("things_total", Kind::Counter, "Things.\\");
        out.sample(&[], 3.0);
        out.sample(&[("a", "x"), ("b", "y")], 0.25);
        let expected = "# HELP taskcluster_worker_things_total Things.\\\\\n\
            # TYPE taskcluster_worker_things_total counter\n\
            taskcluster_worker_things_total 3\n\
            taskcluster_worker_things_total{a=\"x\",b=\"y\"} 0.25\n";
        assert_eq!(out.finish(), expected);
    }

    #[test]
    fn no_label_ends_its_line_or_itself() {
        let mut out = Exposition::default();
        out.family("x", Kind::Gauge, "X.");
        out.sample(&[("a", "\"} 1\ny{b=\"\\\r\u{1b}[2J")], 1.0);
        let text = out.finish();
        let sample = text.lines().nth(2).unwrap();
        assert_eq!(
            sample,
            "taskcluster_worker_x{a=\"\\\"} 1\\ny{b=\\\"\\\\\u{fffd}\u{fffd}[2J\"} 1"
        );
        assert_eq!(text.lines().count(), 3);
    }
}
