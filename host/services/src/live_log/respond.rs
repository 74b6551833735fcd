//! From a request to an answer: no sockets here.

use std::{convert::Infallible, io};

use futures_util::TryStreamExt as _;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};

use super::{Logs, range};
use crate::{LogFollower, LogLength, LogReader, http::Body};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// The answer to a request. Who asks is not looked at: the token in the path is the permission.
pub(super) fn respond<B>(logs: &Logs, request: &Request<B>) -> Response<Body> {
    let mut response = match request.method() {
        // A browser asks before it knows whether there is anything: the answer is the same for every path.
        &Method::OPTIONS => preflight(),
        method => match log_of(logs, request.uri().path()) {
            None => plain(
                StatusCode::NOT_FOUND,
                "There is no such log, or it is not served any more.\n",
            ),
            Some(log) if method == Method::GET => get(&log, request.headers().get(header::RANGE)),
            Some(log) if method == Method::HEAD => whole(&log, None),
            Some(_) => method_not_allowed(),
        },
    };
    add_common(response.headers_mut());
    response
}

fn log_of(logs: &Logs, path: &str) -> Option<LogReader> {
    logs.get(path.strip_prefix("/log/")?)
}

fn get(log: &LogReader, range: Option<&HeaderValue>) -> Response<Body> {
    let length = log.length();
    let asked = range
        .and_then(|range| range.to_str().ok())
        .map(|range| range::parse(range, length.bytes));
    // Of a log that is open nobody knows how long it will be.
    let total = if length.closed {
        length.bytes.to_string()
    } else {
        "*".to_owned()
    };
    match asked {
        None | Some(range::Asked::Whole) => whole(log, Some(log.follow(0))),
        Some(range::Asked::Part(part)) => {
            let content_range = format!("bytes {}-{}/{total}", part.start, part.end.saturating_sub(1));
            let mut response = Response::new(stream(log.range(part.start, part.end)));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut response, header::CONTENT_RANGE, &content_range);
            set(
                &mut response,
                header::CONTENT_LENGTH,
                &(part.end - part.start).to_string(),
            );
            response
        }
        Some(range::Asked::Beyond) => {
            let mut response = plain(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "The log does not have these bytes.\n",
            );
            set(
                &mut response,
                header::CONTENT_RANGE,
                &format!("bytes */{}", length.bytes),
            );
            response
        }
    }
}

/// The whole log, as long as it becomes; without a follower only the head of that.
fn whole(log: &LogReader, follower: Option<LogFollower>) -> Response<Body> {
    let mut response = Response::new(follower.map_or_else(empty, stream));
    let LogLength { bytes, closed } = log.length();
    if closed {
        set(&mut response, header::CONTENT_LENGTH, &bytes.to_string());
    }
    response
}

fn preflight() -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("*"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn method_not_allowed() -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "A log can only be read.\n");
    response.headers_mut().insert(header::ALLOW, METHODS);
    response
}

/// What every answer says. A log is a task's output: no browser may take it for anything but text.
fn add_common(headers: &mut http::HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = HeaderValue::from_static("Accept-Ranges, Content-Length, Content-Range");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
}

/// Numbers and the like, which are always fit for a header.
fn set(response: &mut Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::from(text).map_err(never).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn stream(follower: LogFollower) -> Body {
    StreamBody::new(follower.into_stream().map_ok(Frame::data)).boxed_unsync()
}

fn empty() -> Body {
    Empty::new().map_err(never).boxed_unsync()
}

fn never(error: Infallible) -> io::Error {
    match error {}
}
