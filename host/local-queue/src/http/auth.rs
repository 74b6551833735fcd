//! The auth service: who signs a request, what scopes expand to, and the clients and roles that this comes from.

mod clients;
mod roles;
mod scopes;

use std::sync::Arc;

use axum::Router;

use super::App;
use crate::error::ApiError;

/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 10_240;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(clients::routes())
        .merge(roles::routes())
        .merge(scopes::routes())
}

/// Refuses scopes that end in two stars: what they stand for is not clear.
fn refuse_two_stars(scopes: &[String]) -> Result<(), ApiError> {
    if scopes.iter().any(|scope| scope.ends_with("**")) {
        return Err(ApiError::input("scopes must not end with `**`"));
    }
    Ok(())
}
