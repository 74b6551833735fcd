//! Hawk, from the server's side: the `Authorization` header, or a `bewit` in the query, over method, path *and* query,
//! host and port. Their `ext` field may hold the certificate of temporary credentials, and scopes to be content with.

use std::{
    str::FromStr as _,
    time::{Duration, SystemTime},
};

use ::hawk::{Bewit, Credentials, DigestAlgorithm, Header, Key, RequestBuilder};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use url::Url;

use super::{
    Access, AuthFailure, Caller, Client,
    access::Known,
    certificate::{Certificate, Granted},
    scopes::Expression,
};
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
struct Signer<'a> {
    client_id: String,
    key: Key,
    scopes: Vec<String>,
    expires: DateTime<Utc>,
    /// The permanent client that it comes down to.
    permanent: &'a Known,
}

impl Signer<'_> {
    /// Who calls, once the signature has been found to be theirs.
    fn into_caller(self, payload_hash: Option<Vec<u8>>) -> Caller {
        let first_use = self.permanent.note_use(clock::now());
        Caller {
            client_id: Some(self.client_id),
            scopes: self.scopes.into(),
            payload_hash,
            expires: self.expires,
            first_use: first_use.then(|| self.permanent.client.client_id.clone()),
        }
    }
}

/// Finds out who signed; nobody, if there is no signature.
pub(super) fn authenticate(
    access: &Access,
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
        (Some(header), false) => by_header(access, request, header).map(Some),
        (None, true) => by_bewit(access, request).map(Some),
        (None, false) => Ok(None),
    }
}

fn by_header(access: &Access, request: &SignedRequest<'_>, header: &str) -> Result<Caller, AuthFailure> {
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
    let signer = signer(access, id, header.ext.as_deref())?;
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
    Ok(signer.into_caller(header.hash))
}

fn by_bewit(access: &Access, request: &SignedRequest<'_>) -> Result<Caller, AuthFailure> {
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
    let signer = signer(access, bewit.id(), bewit.ext())?;
    if !built.validate_bewit(&bewit, &signer.key) {
        return Err(AuthFailure::new("Unauthorized: Bad mac"));
    }
    Ok(signer.into_caller(None))
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
fn signer<'a>(access: &'a Access, client_id: &str, ext: Option<&str>) -> Result<Signer<'a>, AuthFailure> {
    let ext = ext
        .filter(|ext| !ext.is_empty())
        .map_or(Ok(Ext::default()), parse_ext)?;
    let now = clock::now();
    let issuer = ext
        .certificate
        .as_ref()
        .and_then(|certificate| certificate.issuer.as_deref());
    if issuer == Some(client_id) {
        return Err(AuthFailure::new(
            "ext.certificate.issuer must differ from the supplied clientId",
        ));
    }
    let permanent = access.find(issuer.unwrap_or(client_id), now)?;
    let client = &permanent.client;
    let granted = match ext.certificate {
        Some(certificate) => certificate.check(client_id, client, now)?,
        None => Granted {
            access_token: client.access_token.clone(),
            scopes: client.scopes.clone(),
            expires: permanent.expires,
        },
    };
    let scopes = match ext.authorized_scopes {
        Some(authorized) => narrow(access, &granted.scopes, authorized)?,
        None => granted.scopes,
    };
    Ok(Signer {
        client_id: client_id.to_owned(),
        key: Key::new(granted.access_token.as_bytes(), DigestAlgorithm::Sha256)
            .map_err(|_| AuthFailure::new("the accessToken is no key"))?,
        scopes: access.expand_for_caller(&scopes),
        expires: granted.expires.min(permanent.expires),
        permanent,
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
fn narrow(access: &Access, granted: &[String], authorized: Vec<String>) -> Result<Vec<String>, AuthFailure> {
    if !authorized.iter().all(|scope| ids::is_printable(scope)) {
        return Err(AuthFailure::new(
            "ext.authorizedScopes must be an array of valid scopes",
        ));
    }
    let granted = access.expand_for_caller(granted);
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

/// An address that anybody may GET until `until`, as `client` could, but with no other scopes than `scopes`.
///
/// # Errors
/// When the address or the time is none that can be signed.
pub(crate) fn sign_address(
    client: &Client,
    mut address: Url,
    scopes: &[String],
    until: DateTime<Utc>,
) -> Result<Url, AuthFailure> {
    let unsigned = |_| AuthFailure::new("the address can't be signed");
    let ext = STANDARD.encode(serde_json::json!({ "authorizedScopes": scopes }).to_string());
    let credentials = Credentials {
        id: client.client_id.clone(),
        key: Key::new(client.access_token.as_bytes(), DigestAlgorithm::Sha256).map_err(unsigned)?,
    };
    let bewit = RequestBuilder::from_url("GET", &address)
        .map_err(unsigned)?
        .ext(Some(ext.as_str()))
        .request()
        .make_bewit(&credentials, until.into())
        .map_err(unsigned)?
        .to_str();
    address.query_pairs_mut().append_pair("bewit", &bewit);
    Ok(address)
}
