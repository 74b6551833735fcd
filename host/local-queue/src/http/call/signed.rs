//! A request as it came: what a signature covers, and whose that is.

use axum::{
    extract::OriginalUri,
    http::{header, request::Parts},
};
use bytes::Bytes;
use hawk::PayloadHasher;

use crate::{
    auth::{Access, AuthFailure, Caller, SignedRequest},
    http::headers::Found,
};

/// What a signature may cover.
pub(super) struct Signed {
    pub(super) parts: Parts,
    pub(super) body: Bytes,
    pub(super) found: Found,
}

impl Signed {
    /// Who calls. That the answer is an error matters only to calls that require scopes.
    pub(super) fn authenticate(&self, access: &Access) -> Result<Caller, AuthFailure> {
        let Self { parts, body, found } = self;
        // The router takes what all paths have in common away; what was signed has it.
        let uri = parts
            .extensions
            .get::<OriginalUri>()
            .map_or(&parts.uri, |original| &original.0);
        let path_and_query = uri
            .path_and_query()
            .map_or("/", |path_and_query| path_and_query.as_str());
        let authorization = match parts.headers.get(header::AUTHORIZATION) {
            Some(value) => Some(
                value
                    .to_str()
                    .map_err(|_| AuthFailure("Bad Request: Invalid header syntax".to_owned()))?,
            ),
            None => None,
        };
        let caller = access.authenticate(&SignedRequest {
            method: parts.method.as_str(),
            path_and_query,
            host: &found.host,
            port: found.port,
            authorization,
        })?;
        let Some(signed) = &caller.payload_hash else {
            return Ok(caller);
        };
        let media_type = self
            .content_type()
            .and_then(|text| text.split(';').next())
            .map(|media_type| media_type.trim().to_ascii_lowercase())
            .unwrap_or_default();
        let computed = PayloadHasher::hash(media_type, hawk::SHA256, body);
        if computed.is_ok_and(|computed| computed == *signed) {
            Ok(caller)
        } else {
            Err(AuthFailure(
                "Invalid payload hash: this happens when your request carries a signed hash of the payload and the \
                 hash doesn't match the hash we've computed on the server-side."
                    .to_owned(),
            ))
        }
    }

    /// The `Content-Type`, as it came.
    pub(super) fn content_type(&self) -> Option<&str> {
        let value = self.parts.headers.get(header::CONTENT_TYPE)?;
        value.to_str().ok()
    }
}
