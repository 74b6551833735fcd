//! How paths and queries of calls are written.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a path segment keeps as it is; everything else, `/` too, is percent-encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A path below the API's, each part one segment of it.
pub(crate) fn path(parts: &[&str]) -> String {
    let parts: Vec<String> = parts
        .iter()
        .map(|part| utf8_percent_encode(part, SEGMENT).to_string())
        .collect();
    parts.join("/")
}

/// A path below that of a run.
pub(crate) fn run_path(task_id: &str, run_id: u32, rest: &[&str]) -> String {
    format!(
        "{}/{}",
        path(&["task", task_id, "runs", &run_id.to_string()]),
        path(rest)
    )
}

/// A path, and the page of its list that is asked for.
pub(crate) fn page(path: String, continuation_token: Option<&str>) -> String {
    match continuation_token {
        Some(token) => format!("{path}?continuationToken={}", utf8_percent_encode(token, SEGMENT)),
        None => path,
    }
}
