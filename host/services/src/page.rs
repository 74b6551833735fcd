//! One page over HTTP, made anew for each reader, at one path. There is nothing else, and nothing can be changed there.

use std::{convert::Infallible, fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use ::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};

use crate::http::{Body, Bounds, Responder, Server};

/// A page is small, and readers take it at once: fewer of them, and less patience, than with logs.
const BOUNDS: Bounds = Bounds {
    connections: 32,
    head: Duration::from_secs(10),
    stall: Duration::from_secs(30),
    grace: Duration::from_secs(1),
};

/// What is served.
#[derive(Clone)]
pub struct Page {
    /// Where it is, such as `/metrics`.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Makes its text, from the threads that serve it: it must answer at once.
    pub text: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The address for a page can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("the page {path} can't be served on {address}")]
pub struct ServePageError {
    /// The page.
    pub path: &'static str,
    /// What was asked for.
    pub address: SocketAddr,
    #[source]
    source: io::Error,
}

/// Serves a page. Dropping it ends every connection at once.
#[derive(Debug)]
pub struct PageServer(Server);

impl PageServer {
    /// Begins to serve. Called on a tokio runtime, which the server then lives on. Port 0 is any that is free.
    ///
    /// # Errors
    /// When the address is taken, not ours, or not allowed to us.
    pub async fn start(address: SocketAddr, page: Page) -> Result<Self, ServePageError> {
        let path = page.path;
        let server = Server::start(address, page, BOUNDS).await;
        server.map(Self).map_err(|source| ServePageError {
            path,
            address,
            source,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Takes no more readers, and ends those there are. When this returns the port is free. Again it does nothing.
    pub async fn shutdown(&self) {
        self.0.shutdown().await;
    }
}

impl Responder for Page {
    const WHAT: &'static str = "the page";

    fn respond<B>(&self, request: &Request<B>) -> Response<Body> {
        if request.uri().path() != self.path {
            return plain(StatusCode::NOT_FOUND, "There is no such page.\n");
        }
        // hyper leaves the body out of what answers HEAD.
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "The page can only be read.\n");
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, allowed);
            return response;
        }
        let mut response = answer(StatusCode::OK, (self.text)(), self.content_type);
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, no_store);
        response
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    answer(status, text, "text/plain; charset=utf-8")
}

fn answer(status: StatusCode, text: impl Into<Bytes>, content_type: &'static str) -> Response<Body> {
    let never = |error: Infallible| -> io::Error { match error {} };
    let mut response = Response::new(Full::new(text.into()).map_err(never).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_page_is_made_for_each_reader_and_is_all_there_is() {
        let reads = AtomicU32::new(0);
        let page = Page {
            path: "/metrics",
            content_type: "text/plain; version=0.0.4",
            text: Arc::new(move || format!("reads {}\n", reads.fetch_add(1, Ordering::Relaxed))),
        };
        let server = PageServer::start(SocketAddr::from(([127, 0, 0, 1], 0)), page)
            .await
            .unwrap();
        let url = |path: &str| format!("http://{}{path}", server.address());
        for text in ["reads 0\n", "reads 1\n"] {
            let answer = reqwest::get(url("/metrics")).await.unwrap();
            assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4");
            assert_eq!(answer.text().await.unwrap(), text);
        }
        for other in ["/", "/metrics/", "/metricsx", "/healthz"] {
            assert_eq!(reqwest::get(url(other)).await.unwrap().status(), 404, "{other}");
        }
        let posted = reqwest::Client::new().post(url("/metrics")).body("x").send();
        assert_eq!(posted.await.unwrap().status(), 405);
        let address = server.address();
        server.shutdown().await;
        assert!(tokio::net::TcpListener::bind(address).await.is_ok());
    }
}
