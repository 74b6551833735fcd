//! Headers: how a caller has found us, and what every answer has. Anybody's page may read it (CORS), nobody may cache it,
//! and it can be traced.

use std::net::SocketAddr;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-for-request-id");
const TRACE_ID: HeaderName = HeaderName::from_static("x-for-trace-id");
/// What a client sends to have its calls traced.
const SENT_TRACE_ID: HeaderName = HeaderName::from_static("x-taskcluster-trace-id");

/// Answers preflight requests by itself, and adds headers to all other answers.
pub(super) async fn add(request: Request, next: Next) -> Response {
    let trace_id = request.headers().get(SENT_TRACE_ID).cloned();
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let request_id = HeaderValue::from_str(&slugid::v4()).ok();
    let trace_id = trace_id.or_else(|| request_id.clone());
    let headers = response.headers_mut();
    for (name, value) in [(REQUEST_ID, request_id), (TRACE_ID, trace_id)] {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    add_fixed(headers);
    response
}

/// How a caller has found us: what it has signed, and what addresses in our answers begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Without the port.
    pub(super) host: String,
    /// The scheme's own if none is given.
    pub(super) port: u16,
    /// `http://host:port`.
    pub(super) base: String,
}

impl Found {
    /// By the `Host` header; a proxy in between adds the port and the scheme that it was found by. `address` stands in for
    /// a header that is missing or is no host.
    pub(super) fn by(headers: &HeaderMap, address: SocketAddr) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let fallback = address.to_string();
        let authority = text("host")
            .filter(|host| is_authority(host))
            .unwrap_or(&fallback);
        let scheme = match text("x-forwarded-proto") {
            Some("https") => "https",
            _ => "http",
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (authority, None),
        };
        let port = text("x-forwarded-port")
            .and_then(|port| port.parse().ok())
            .or(port)
            .unwrap_or(if scheme == "https" { 443 } else { 80 });
        Self {
            host: host.to_owned(),
            port,
            base: format!("{scheme}://{authority}"),
        }
    }
}

/// Whether a text can stand where an address has host and port.
fn is_authority(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte))
}

fn add_fixed(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "OPTIONS,GET,HEAD,POST,PUT,DELETE,TRACE,CONNECT",
        ),
        (header::ACCESS_CONTROL_REQUEST_METHOD, "*"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "X-Requested-With,Content-Type,Content-Encoding,Range,Authorization,Accept,Origin,Cache-Control,\
             X-Taskcluster-Trace-Id,X-Taskcluster-Skip-Cdn",
        ),
        (
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            "Accept-Ranges,Content-Encoding,Content-Length,Content-Range,Date,ETag,X-For-Request-Id,X-For-Trace-Id,\
             X-Taskcluster-Artifact-Storage-Type",
        ),
        (header::CACHE_CONTROL, "no-store no-cache must-revalidate"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
