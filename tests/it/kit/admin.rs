//! What an administrator of a deployment does: calls of its services that no worker makes.

use std::time::SystemTime;

use hawk::{DigestAlgorithm, Key, RequestBuilder};
use queue::wire::Credentials;
use reqwest::{Method, header::AUTHORIZATION};
use serde_json::{Value, json};
use url::Url;

use super::Client;

/// Somebody who may do everything.
#[derive(Debug)]
pub(crate) struct Admin {
    http: reqwest::Client,
    root_url: String,
    credentials: Credentials,
}

impl Admin {
    pub(super) fn new(client: &Client, root_url: &str, credentials: Credentials) -> Self {
        Self {
            http: client.http.clone(),
            root_url: root_url.to_owned(),
            credentials,
        }
    }

    /// Makes a call that must succeed. `path` is below `/api`; names in it are as they are in a URL.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.try_call(method, path, body).await;
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer:#}"
        );
        answer
    }

    /// The same for a call that may fail: HTTP status, answer.
    pub(crate) async fn try_call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url: Url = format!("{}/api/{path}", self.root_url).parse().unwrap();
        let credentials = hawk::Credentials {
            id: self.credentials.client_id.clone(),
            key: Key::new(self.credentials.access_token.as_bytes(), DigestAlgorithm::Sha256).unwrap(),
        };
        let request = RequestBuilder::from_url(method, &url).unwrap().request();
        let nonce = slugid::v4();
        let header = request
            .make_header_full(&credentials, SystemTime::now(), nonce)
            .unwrap();
        let mut call = self
            .http
            .request(Method::from_bytes(method.as_bytes()).unwrap(), url)
            .header(AUTHORIZATION, format!("Hawk {header}"));
        if let Some(body) = body {
            call = call.json(&body);
        }
        let answer = call.send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// Keeps a secret.
    pub(crate) async fn set_secret(&self, name: &str, secret: Value) {
        let path = format!("secrets/v1/secret/{}", segment(name));
        let body = json!({"secret": secret, "expires": "2999-01-01T00:00:00.000Z"});
        self.call("PUT", &path, Some(body)).await;
    }
}

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F").replace(':', "%3A")
}
