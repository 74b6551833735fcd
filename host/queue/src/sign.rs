//! Hawk: the `Authorization` header of a request, over method, path *and* query, host and port.

use std::time::SystemTime;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hawk::{DigestAlgorithm, Key, RequestBuilder};
use serde_json::{Value, json};
use url::Url;

use crate::wire::Credentials;

/// Why a request could not be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    #[error("the certificate of the credentials is no JSON")]
    Certificate(#[source] serde_json::Error),
    #[error("the request can't be signed")]
    Hawk(#[source] hawk::Error),
}

/// The value of the `Authorization` header.
pub(crate) fn header(
    credentials: &Credentials,
    method: &str,
    url: &Url,
    now: SystemTime,
) -> Result<String, SignError> {
    let key =
        Key::new(credentials.access_token.as_bytes(), DigestAlgorithm::Sha256).map_err(SignError::Hawk)?;
    let hawk_credentials = hawk::Credentials {
        id: credentials.client_id.clone(),
        key,
    };
    let ext = ext(credentials)?;
    let request = RequestBuilder::from_url(method, url)
        .map_err(SignError::Hawk)?
        .ext(ext.as_deref())
        .request();
    let nonce = slugid::v4();
    let header = request
        .make_header_full(&hawk_credentials, now, nonce)
        .map_err(SignError::Hawk)?;
    Ok(format!("Hawk {header}"))
}

/// The `ext` field: the certificate of temporary credentials.
fn ext(credentials: &Credentials) -> Result<Option<String>, SignError> {
    let Some(certificate) = &credentials.certificate else {
        return Ok(None);
    };
    let certificate: Value = serde_json::from_str(certificate).map_err(SignError::Certificate)?;
    Ok(Some(
        STANDARD.encode(json!({ "certificate": certificate }).to_string()),
    ))
}

#[cfg(test)]
mod tests {
    use std::{str::FromStr as _, time::Duration};

    use super::*;

    fn credentials(certificate: Option<&str>) -> Credentials {
        Credentials {
            client_id: "tester".to_owned(),
            access_token: "no-secret".to_owned(),
            certificate: certificate.map(str::to_owned),
        }
    }

    fn valid_for(header: &str, path: &str) -> bool {
        let header = hawk::Header::from_str(header.strip_prefix("Hawk ").unwrap()).unwrap();
        let key = Key::new("no-secret", DigestAlgorithm::Sha256).unwrap();
        let request = RequestBuilder::new("GET", "queue.example.com", 443, path).request();
        request.validate_header(&header, &key, Duration::from_secs(60))
    }

    #[test]
    fn signs_the_query() {
        let url = Url::parse("https://queue.example.com/api/queue/v1/x?limit=1").unwrap();
        let header = header(&credentials(None), "GET", &url, SystemTime::now()).unwrap();
        assert!(valid_for(&header, "/api/queue/v1/x?limit=1"));
        assert!(!valid_for(&header, "/api/queue/v1/x"));
    }

    #[test]
    fn sends_the_certificate_of_temporary_credentials() {
        let url = Url::parse("https://queue.example.com/").unwrap();
        let text = header(
            &credentials(Some("{\"version\":1}")),
            "GET",
            &url,
            SystemTime::now(),
        )
        .unwrap();
        let parsed = hawk::Header::from_str(text.strip_prefix("Hawk ").unwrap()).unwrap();
        let ext = STANDARD.decode(parsed.ext.unwrap()).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&ext).unwrap(),
            json!({ "certificate": { "version": 1 } })
        );
    }

    #[test]
    fn a_broken_certificate_is_an_error_that_does_not_show_it() {
        let url = Url::parse("https://queue.example.com/").unwrap();
        let error = header(&credentials(Some("secret{")), "GET", &url, SystemTime::now()).unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
