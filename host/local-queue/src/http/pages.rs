//! Pages of long lists.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::call::Call;
use crate::error::ApiError;

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

/// The token for the page after the item `last`.
pub(super) fn token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

fn bad_token() -> ApiError {
    ApiError::input("Invalid continuationToken")
}
