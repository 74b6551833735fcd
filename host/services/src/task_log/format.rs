//! What the worker's own lines look like.

use std::fmt::Write as _;

use chrono::{SecondsFormat, Utc};
use engine_api::{LogLevel, is_active};

/// The prefix that Taskcluster's viewers know (`[taskcluster 2026-08-21T17:00:00.123Z] `); none for lines that belong into
/// the worker's log.
pub(super) fn prefix(level: LogLevel) -> Option<String> {
    let now = || Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    match level {
        LogLevel::Debug => None,
        LogLevel::Info => Some(format!("[taskcluster {}] ", now())),
        LogLevel::Warn => Some(format!("[taskcluster:warn {}] ", now())),
        LogLevel::Error => Some("[taskcluster:error] ".to_owned()),
    }
}

/// `text` as whole lines with a prefix each.
///
/// It may hold what a task's author wrote: what would move the cursor, hide text or reorder it is shown instead of done, so
/// that nothing but the worker can make a line that looks like the worker's.
pub(super) fn lines(prefix: &str, text: &str) -> String {
    let mut out = String::with_capacity(prefix.len() + text.len() + 1);
    for line in text.split('\n') {
        out.push_str(prefix);
        for c in line.strip_suffix('\r').unwrap_or(line).chars() {
            if c != '\t' && is_active(c) {
                // Writing into a string does not fail.
                let _ = write!(out, "{}", c.escape_unicode());
            } else {
                out.push(c);
            }
        }
        out.push('\n');
    }
    out
}
