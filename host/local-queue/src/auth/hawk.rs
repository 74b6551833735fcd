//! Hawk, from the server's side: the `Authorization` header, or a `bewit` in the query, over method, path *and* query,
//! host and port. Their `ext` field may hold the certificate of temporary credentials, and scopes to be content with.

use std::{
    str::FromStr as _,
    time::{Duration, SystemTime},
};

use ::hawk::{Bewit, DigestAlgorithm, Header, Key, RequestBuilder};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;

use super::{ANONYMOUS, AuthFailure, Caller, Clients, certificate::Certificate, scopes::Expression};
use crate::{clock, ids};

/// By how much the clock of who signs may be off.
const SKEW: Duration = Duration::from_secs(15 * 60);
/// Later times have no place in a calendar; the `hawk` crate panics for the latest.
const LATEST_DIGITS: usize = 12;

/// Base64 as Node reads it: padded or not.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const LENIENT_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a signature covers, and the signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedRequest<'a> {
    /// The HTTP method, in capitals.
    pub(crate) method: &'a str,
    /// Path and query, as they came.
    pub(crate) path_and_query: &'a str,
    /// From the `Host` header.
    pub(crate) host: &'a str,
    /// From the `Host` header.
    pub(crate) port: u16,
    /// The `Authorization` header.
    pub(crate) authorization: Option<&'a str>,
}

/// The `ext` field of a signature.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ext {
    #[serde(default)]
    certificate: Option<Certificate>,
    #[serde(default)]
    authorized_scopes: Option<Vec<String>>,
}

/// Who signs with what.
struct Signer {
    client_id: String,
    key: Key,
    scopes: Vec<String>,
}

/// Finds out who signed; nobody, if there is no signature.
pub(super) fn authenticate(
    clients: &Clients,
    request: &SignedRequest<'_>,
) -> Result<Option<Caller>, AuthFailure> {
    let has_bewit = request
        .path_and_query
        .split_once('?')
        .is_some_and(|(_, query)| query.split('&').any(|part| part.starts_with("bewit=")));
    match (request.authorization, has_bewit) {
        (Some(_), true) => Err(AuthFailure::new(
            "Cannot use two authentication schemes at once this request has both bewit in querystring and \
             'authorization' header",
        )),
        (Some(header), false) => by_header(clients, request, header).map(Some),
        (None, true) => by_bewit(clients, request).map(Some),
        (None, false) => Ok(None),
    }
}

fn by_header(clients: &Clients, request: &SignedRequest<'_>, header: &str) -> Result<Caller, AuthFailure> {
    let invalid = || AuthFailure::new("Bad Request: Invalid header syntax");
    let attributes = header
        .split_once(char::is_whitespace)
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("hawk"))
        .map(|(_, attributes)| attributes.trim())
        .ok_or_else(invalid)?;
    if !has_sane_time(attributes) {
        return Err(invalid());
    }
    let header = Header::from_str(attributes).map_err(|_| invalid())?;
    let (Some(id), Some(time)) = (&header.id, header.ts) else {
        return Err(AuthFailure::new("Bad Request: Missing attributes"));
    };
    let signer = signer(clients, id, header.ext.as_deref())?;
    let built =
        RequestBuilder::new(request.method, request.host, request.port, request.path_and_query).request();
    if !built.validate_header(&header, &signer.key, Duration::MAX) {
        return Err(AuthFailure::new("Unauthorized: Bad mac"));
    }
    let now = SystemTime::now();
    let skew = now
        .duration_since(time)
        .or_else(|_| time.duration_since(now))
        .unwrap_or_default();
    if skew > SKEW {
        return Err(AuthFailure::new("Unauthorized: Stale timestamp"));
    }
    Ok(Caller {
        client_id: Some(signer.client_id),
        scopes: signer.scopes,
        payload_hash: header.hash,
    })
}

fn by_bewit(clients: &Clients, request: &SignedRequest<'_>) -> Result<Caller, AuthFailure> {
    if !matches!(request.method, "GET" | "HEAD") {
        return Err(AuthFailure::new("Unauthorized: Invalid method"));
    }
    let invalid = || AuthFailure::new("Bad Request: Invalid bewit structure");
    let text = request
        .path_and_query
        .split(['?', '&'])
        .find_map(|part| part.strip_prefix("bewit="))
        .ok_or_else(invalid)?;
    let decoded = LENIENT_URL.decode(text).map_err(|_| invalid())?;
    let expires = decoded.split(|&byte| byte == b'\\').nth(1).unwrap_or_default();
    if expires.len() > LATEST_DIGITS {
        return Err(invalid());
    }
    let mut bewit: Option<Bewit<'_>> = None;
    let built = RequestBuilder::new("GET", request.host, request.port, request.path_and_query)
        .extract_bewit(&mut bewit)
        .map_err(|_| invalid())?
        .request();
    let bewit = bewit.ok_or_else(invalid)?;
    if bewit.exp() < SystemTime::now() {
        return Err(AuthFailure::new("Unauthorized: Access expired"));
    }
    let signer = signer(clients, bewit.id(), bewit.ext())?;
    if !built.validate_bewit(&bewit, &signer.key) {
        return Err(AuthFailure::new("Unauthorized: Bad mac"));
    }
    Ok(Caller {
        client_id: Some(signer.client_id),
        scopes: signer.scopes,
        payload_hash: None,
    })
}

/// Whether every `ts="…"` is short enough. No value can hold a quote, so every other part is one.
fn has_sane_time(attributes: &str) -> bool {
    let mut parts = attributes.split('"');
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        let name = name.trim_matches(|c: char| c == ',' || c == '=' || c.is_whitespace());
        if name == "ts" && value.len() > LATEST_DIGITS {
            return false;
        }
    }
    true
}

/// Who is meant by a clientId with an `ext`, and what they may do.
fn signer(clients: &Clients, client_id: &str, ext: Option<&str>) -> Result<Signer, AuthFailure> {
    let ext = ext
        .filter(|ext| !ext.is_empty())
        .map_or(Ok(Ext::default()), parse_ext)?;
    let (access_token, mut granted) = match ext.certificate {
        Some(certificate) => {
            let issuer = certificate.issuer.as_deref();
            if issuer == Some(client_id) {
                return Err(AuthFailure::new(
                    "ext.certificate.issuer must differ from the supplied clientId",
                ));
            }
            let issuer = clients.find(issuer.unwrap_or(client_id))?;
            let granted = certificate.check(client_id, issuer, clock::now())?;
            (granted.access_token, granted.scopes)
        }
        None => {
            let client = clients.find(client_id)?;
            (client.access_token.clone(), client.scopes.clone())
        }
    };
    if let Some(authorized) = ext.authorized_scopes {
        granted = narrow(granted, authorized)?;
    }
    Ok(Signer {
        client_id: client_id.to_owned(),
        key: Key::new(access_token.as_bytes(), DigestAlgorithm::Sha256)
            .map_err(|_| AuthFailure::new("the accessToken is no key"))?,
        scopes: granted,
    })
}

fn parse_ext(ext: &str) -> Result<Ext, AuthFailure> {
    let bytes = LENIENT
        .decode(ext)
        .or_else(|_| LENIENT_URL.decode(ext))
        .map_err(|_| AuthFailure::new("Failed to parse ext"))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        AuthFailure::new(match error.classify() {
            serde_json::error::Category::Data => {
                "ext.certificate or ext.authorizedScopes is not what it should be"
            }
            _ => "Failed to parse ext",
        })
    })
}

/// To the scopes that are authorized, all of which the signer must have.
fn narrow(mut granted: Vec<String>, authorized: Vec<String>) -> Result<Vec<String>, AuthFailure> {
    if !authorized.iter().all(|scope| ids::is_printable(scope)) {
        return Err(AuthFailure::new(
            "ext.authorizedScopes must be an array of valid scopes",
        ));
    }
    granted.extend(ANONYMOUS.iter().map(|scope| (*scope).to_owned()));
    if !Expression::all(authorized.iter().cloned()).satisfied_by(&granted) {
        return Err(AuthFailure::new(format!(
            "Supplied credentials do not satisfy authorizedScopes; credentials have scopes:\n\n```\n{}\n```\n\n\
             authorizedScopes are:\n\n```\n{}\n```",
            granted.join("\n"),
            authorized.join("\n")
        )));
    }
    Ok(authorized)
}
