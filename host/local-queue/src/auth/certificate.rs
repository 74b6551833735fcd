//! Temporary credentials: the certificate that comes with them is checked here, and issued for tasks.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac as _};
use queue::wire::Credentials;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{AuthFailure, Client, scopes};
use crate::{clock, ids, mac::keyed};

/// How far clocks may be apart at the ends of a certificate, in milliseconds.
const SKEW: i64 = 5 * 60 * 1000;
/// How long a certificate may last, in milliseconds.
const LONGEST: i64 = 31 * 24 * 3600 * 1000;
/// Two slugids.
const SEED_LENGTH: usize = 44;

/// What temporary credentials carry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Certificate {
    version: u64,
    scopes: Vec<String>,
    start: i64,
    expiry: i64,
    seed: String,
    signature: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) issuer: Option<String>,
    #[serde(rename = "clientId", default, skip_serializing)]
    client_id: Option<serde_json::Value>,
}

/// What temporary credentials stand for.
#[derive(Debug)]
pub(super) struct Granted {
    /// The secret that requests are signed with.
    pub(super) access_token: String,
    /// What they may do.
    pub(super) scopes: Vec<String>,
    /// Until when.
    pub(super) expires: DateTime<Utc>,
}

impl Certificate {
    /// Checks a certificate of `client_id` that `issuer`, whose scopes are expanded, has signed.
    pub(super) fn check(
        &self,
        client_id: &str,
        issuer: &Client,
        now: DateTime<Utc>,
    ) -> Result<Granted, AuthFailure> {
        let fail = |message: &str| Err(AuthFailure::new(message));
        if self.version != 1 {
            return fail("ext.certificate.version must be 1");
        }
        if self.seed.len() != SEED_LENGTH {
            return fail("ext.certificate.seed must be 44 characters");
        }
        if !self.scopes.iter().all(|scope| ids::is_printable(scope)) {
            return fail("ext.certificate.scopes must be an array of valid scopes");
        }
        let now = now.timestamp_millis();
        if self.start > now.saturating_add(SKEW) {
            return fail("ext.certificate.start > now");
        }
        if self.expiry < now.saturating_sub(SKEW) {
            return fail("ext.certificate.expiry < now");
        }
        if self.expiry.saturating_sub(self.start) > LONGEST {
            return fail("ext.certificate cannot last longer than 31 days!");
        }
        self.check_issuer(client_id, issuer)?;
        let signature = STANDARD
            .decode(&self.signature)
            .map_err(|_| AuthFailure::new("ext.certificate.signature is not valid"))?;
        hmac(&issuer.access_token, &self.signed_text(client_id))
            .verify_slice(&signature)
            .map_err(|_| {
                AuthFailure::new(if self.issuer.is_some() {
                    "ext.certificate.signature is not valid, or wrong clientId provided"
                } else {
                    "ext.certificate.signature is not valid"
                })
            })?;
        Ok(Granted {
            access_token: temporary_token(&issuer.access_token, &self.seed),
            scopes: self.scopes.clone(),
            expires: clock::from_millis(self.expiry),
        })
    }

    /// Nobody can give more than they have, nor take any name.
    fn check_issuer(&self, client_id: &str, issuer: &Client) -> Result<(), AuthFailure> {
        if self.issuer.is_some() {
            let create = format!("auth:create-client:{client_id}");
            if !scopes::satisfies(&issuer.scopes, &create) {
                return Err(AuthFailure::new(format!(
                    "ext.certificate issuer `{}` doesn't have `{create}` for supplied clientId.",
                    issuer.client_id
                )));
            }
        } else if self.client_id.is_some() {
            return Err(AuthFailure::new(
                "ext.certificate.clientId must only be used with ext.certificate.issuer",
            ));
        }
        let all = scopes::Expression::all(self.scopes.iter().cloned());
        if !all.satisfied_by(&issuer.scopes) {
            return Err(AuthFailure::new(format!(
                "ext.certificate issuer `{}` doesn't satisfy all certificate scopes {}.  The temporary credentials were \
                 not generated correctly.",
                issuer.client_id,
                self.scopes.join(", ")
            )));
        }
        Ok(())
    }

    fn signed_text(&self, client_id: &str) -> String {
        let mut lines = vec!["version:1".to_owned()];
        if let Some(issuer) = &self.issuer {
            lines.push(format!("clientId:{client_id}"));
            lines.push(format!("issuer:{issuer}"));
        }
        lines.push(format!("seed:{}", self.seed));
        lines.push(format!("start:{}", self.start));
        lines.push(format!("expiry:{}", self.expiry));
        lines.push("scopes:".to_owned());
        lines.extend(self.scopes.iter().cloned());
        lines.join("\n")
    }
}

/// What to issue.
#[derive(Clone, Debug)]
pub(crate) struct TemporaryCredentials {
    /// The name that they go by; without one they go by their issuer's.
    pub(crate) client_id: Option<String>,
    /// From when they are good.
    pub(crate) start: DateTime<Utc>,
    /// Until when they are good.
    pub(crate) expiry: DateTime<Utc>,
    /// What they allow.
    pub(crate) scopes: Vec<String>,
}

/// Issues temporary credentials.
///
/// # Errors
/// When a certificate can't be written as JSON, which does not happen.
pub(crate) fn issue(issuer: &Client, wanted: TemporaryCredentials) -> Result<Credentials, serde_json::Error> {
    let named = wanted.client_id.is_some();
    let client_id = wanted.client_id.unwrap_or_else(|| issuer.client_id.clone());
    let mut certificate = Certificate {
        version: 1,
        scopes: wanted.scopes,
        start: wanted.start.timestamp_millis(),
        expiry: wanted.expiry.timestamp_millis(),
        seed: format!("{}{}", slugid::v4(), slugid::v4()),
        signature: String::new(),
        issuer: named.then(|| issuer.client_id.clone()),
        client_id: None,
    };
    let text = certificate.signed_text(&client_id);
    certificate.signature = STANDARD.encode(hmac(&issuer.access_token, &text).finalize().into_bytes());
    Ok(Credentials {
        access_token: temporary_token(&issuer.access_token, &certificate.seed),
        certificate: Some(serde_json::to_string(&certificate)?),
        client_id,
    })
}

fn temporary_token(issuer_token: &str, seed: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac(issuer_token, seed).finalize().into_bytes())
}

fn hmac(key: &str, text: &str) -> Hmac<Sha256> {
    let mut mac = keyed(key.as_bytes());
    mac.update(text.as_bytes());
    mac
}
