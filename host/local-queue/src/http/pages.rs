//! Pages of long lists.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::call::Call;
use crate::error::{ApiError, Code};

/// What a page has, unless fewer are asked for.
const MAX: u32 = 1000;

/// Which page is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// At most how many items: 1 to 1000.
    pub(super) limit: u32,
    /// The item that the former page ended with; empty for the first page.
    pub(super) after: String,
}

impl Page {
    /// By the query of a call.
    pub(super) fn of(call: &Call) -> Result<Self, ApiError> {
        let limit = call
            .query("limit")
            // More digits than a number has are more than a page has.
            .map_or(MAX, |limit| limit.parse().unwrap_or(MAX))
            .clamp(1, MAX);
        let after = match call.query("continuationToken") {
            None => String::new(),
            Some(token) => URL_SAFE_NO_PAD
                .decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .filter(|after| !after.is_empty())
                .ok_or_else(bad_token)?,
        };
        Ok(Self { limit, after })
    }

    /// The number of the item that the former page ended with.
    pub(super) fn after_number<T: std::str::FromStr + Default>(&self) -> Result<T, ApiError> {
        if self.after.is_empty() {
            return Ok(T::default());
        }
        self.after.parse().map_err(|_| bad_token())
    }
}

/// A page of `items`, of which there is one more than a page has if there are more: `show` gives what an item is ordered by, and what
/// is shown of it.
pub(super) fn answer<T>(
    name: &str,
    limit: u32,
    mut items: Vec<T>,
    show: impl Fn(T) -> (String, Value),
) -> Response {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let (keys, shown): (Vec<String>, Vec<Value>) = items.into_iter().map(show).unzip();
    Json(body(name, shown, keys.last().filter(|_| more))).into_response()
}

/// The body of a page that is cut already; `last` is the item that it ends with, if there are more.
pub(super) fn body(
    name: &str,
    shown: impl IntoIterator<Item = Value>,
    last: Option<&String>,
) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(last) = last {
        body.insert("continuationToken".to_owned(), json!(token(last)));
    }
    body.insert(name.to_owned(), shown.into_iter().collect());
    body
}

/// The two names that something is ordered by, which `answer` was given with a slash between.
pub(super) fn pair(after: &str) -> (String, String) {
    let (first, second) = after.split_once('/').unwrap_or_default();
    (first.to_owned(), second.to_owned())
}

/// A parameter of the query that is one of some words.
pub(super) fn word(call: &Call, name: &str, words: &[&str]) -> Result<Option<String>, ApiError> {
    match call.query(name) {
        None => Ok(None),
        Some(word) if words.contains(&word) => Ok(Some(word.to_owned())),
        Some(other) => Err(ApiError::new(
            Code::InvalidRequestArguments,
            format!(
                "Query-string parameter: {name}=\"{other}\" does not match expression: /^({})$/",
                words.join("|")
            ),
        )),
    }
}

/// The token for the page after the item `last`.
pub(super) fn token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

pub(super) fn bad_token() -> ApiError {
    ApiError::input("Invalid continuationToken")
}
