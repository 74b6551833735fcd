//! What readers of live logs can rely on, through real sockets.

use std::pin::pin;

use bytes::Bytes;
use engine_api::LogSink as _;
use futures_util::FutureExt as _;
use http::{HeaderMap, Method, StatusCode, header};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::{TaskLog, TemporaryStorage};

/// More than the sockets between two ends can hold.
const MUCH: usize = 64 << 20;

/// A server and the log that it serves.
struct Kit {
    server: LiveLogServer,
    log: TaskLog,
    handle: LiveLogHandle,
    _folder: tempfile::TempDir,
}

impl Kit {
    async fn new() -> Self {
        Self::within(Bounds::default()).await
    }

    async fn within(bounds: Bounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = TemporaryStorage::open(&folder.path().join("storage")).unwrap();
        let log = TaskLog::new(storage.file().unwrap(), u64::MAX);
        let server = LiveLogServer::start_within(options(), bounds).await.unwrap();
        let handle = server.register(log.reader());
        Self {
            server,
            log,
            handle,
            _folder: folder,
        }
    }

    async fn ask(&self, method: Method, headers: &[(&str, &str)]) -> reqwest::Response {
        ask(method, self.handle.url(), headers).await
    }

    async fn get(&self) -> reqwest::Response {
        self.ask(Method::GET, &[]).await
    }

    /// Asks for the log and reads nothing of the answer.
    async fn stalled_reader(&self) -> TcpStream {
        let rest = self.handle.url().strip_prefix("http://").unwrap();
        let (address, path) = rest.split_once('/').unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(format!("GET /{path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
            .await
            .unwrap();
        stream
    }

    fn write_much(&self) {
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..MUCH / chunk.len() {
            self.log.write(&chunk);
        }
    }
}

fn options() -> LiveLogOptions {
    LiveLogOptions {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        public_url: None,
    }
}

/// On a connection of its own.
async fn ask(method: Method, url: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let mut request = reqwest::Client::new().request(method, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

/// Reads until there is as much as is awaited, or the end.
async fn read(response: &mut reqwest::Response, awaited: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < awaited {
        let Some(chunk) = response.chunk().await.unwrap() else {
            break;
        };
        all.extend_from_slice(&chunk);
    }
    all
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn streams_from_the_first_byte_while_it_is_written_and_ends_with_the_log() {
    let kit = Kit::new().await;
    kit.log.write(b"before\n");
    let mut response = kit.get().await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers().get(header::CONTENT_LENGTH), None);
    assert_eq!(read(&mut response, 7).await, b"before\n");
    kit.log.write(b"during\n");
    assert_eq!(read(&mut response, 7).await, b"during\n");
    kit.log.write(b"last");
    kit.log.close();
    assert_eq!(read(&mut response, usize::MAX).await, b"last");
}

#[tokio::test]
async fn a_closed_log_is_answered_with_its_length() {
    let kit = Kit::new().await;
    kit.log.write(b"all of it");
    kit.log.close();
    let response = kit.get().await;
    assert_eq!(text(response.headers(), "content-length"), "9");
    assert_eq!(response.bytes().await.unwrap(), Bytes::from("all of it"));
}

#[tokio::test]
async fn a_range_of_an_open_log_ends_with_what_there_is_now() {
    let kit = Kit::new().await;
    kit.log.write(b"01234567");
    for (range, content_range, body) in [
        ("bytes=0-", "bytes 0-7/*", "01234567"),
        ("bytes=5-", "bytes 5-7/*", "567"),
        ("bytes=2-3", "bytes 2-3/*", "23"),
        ("bytes=6-100", "bytes 6-7/*", "67"),
        ("bytes=-3", "bytes 5-7/*", "567"),
    ] {
        let response = kit.ask(Method::GET, &[("range", range)]).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(
            text(response.headers(), "content-range"),
            content_range,
            "{range}"
        );
        assert_eq!(response.text().await.unwrap(), body, "{range}");
    }
    kit.log.close();
    let response = kit.ask(Method::GET, &[("range", "bytes=5-")]).await;
    assert_eq!(text(response.headers(), "content-range"), "bytes 5-7/8");
}

#[tokio::test]
async fn a_range_beyond_what_there_is_now_is_refused() {
    let kit = Kit::new().await;
    kit.log.write(b"01234567");
    let response = kit.ask(Method::GET, &[("range", "bytes=8-")]).await;
    assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(text(response.headers(), "content-range"), "bytes */8");
    kit.log.write(b"8");
    assert_eq!(
        kit.ask(Method::GET, &[("range", "bytes=8-")])
            .await
            .text()
            .await
            .unwrap(),
        "8"
    );
}

#[tokio::test]
async fn only_the_token_leads_to_the_log() {
    let kit = Kit::new().await;
    let other = kit.server.register(kit.log.reader());
    assert_ne!(other.url(), kit.handle.url());
    let (base, token) = kit.handle.url().rsplit_once('/').unwrap();
    assert!(token.len() >= 43, "{token}");
    let shorter = token.get(1..).unwrap();
    for wrong in [
        format!("{base}/{shorter}"),
        format!("{base}/"),
        format!("{base}/{token}/"),
        base.replace("/log", "/"),
    ] {
        let response = ask(Method::GET, &wrong, &[]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{wrong}");
        assert_eq!(
            text(response.headers(), "access-control-allow-origin"),
            "*",
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn browsers_may_read_it_from_anywhere_as_text_and_keep_no_copy() {
    let kit = Kit::new().await;
    let response = kit.get().await;
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("content-type", "text/plain; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(text(response.headers(), name), value, "{name}");
    }
    let asked = [
        ("origin", "https://tc.example.com"),
        ("access-control-request-method", "GET"),
    ];
    let preflight = kit.ask(Method::OPTIONS, &asked).await;
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert_eq!(text(preflight.headers(), "access-control-allow-origin"), "*");
    assert_eq!(
        text(preflight.headers(), "access-control-allow-methods"),
        "GET, HEAD, OPTIONS"
    );
    assert_eq!(text(preflight.headers(), "access-control-allow-headers"), "*");
}

#[tokio::test]
async fn it_can_be_looked_at_and_not_changed() {
    let kit = Kit::new().await;
    kit.log.write(b"01234567");
    let response = kit.ask(Method::HEAD, &[]).await;
    assert_eq!(
        (response.status(), text(response.headers(), "content-length")),
        (StatusCode::OK, "")
    );
    kit.log.close();
    let response = kit.ask(Method::HEAD, &[]).await;
    assert_eq!(
        (response.status(), text(response.headers(), "content-length")),
        (StatusCode::OK, "8")
    );
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let response = kit.ask(method.clone(), &[]).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(
            text(response.headers(), "allow"),
            "GET, HEAD, OPTIONS",
            "{method}"
        );
    }
}

#[tokio::test]
async fn the_public_url_is_what_others_are_told() {
    let public_url = Some("https://worker-1.example.com:60023/logs/".to_owned());
    let server = LiveLogServer::start(LiveLogOptions {
        public_url,
        ..options()
    })
    .await
    .unwrap();
    let kit = Kit::new().await;
    let handle = server.register(kit.log.reader());
    assert!(
        handle
            .url()
            .starts_with("https://worker-1.example.com:60023/logs/log/"),
        "{}",
        handle.url()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_never_reads_delays_neither_the_task_nor_other_readers() {
    let kit = Kit::new().await;
    let _stalled = kit.stalled_reader().await;
    let mut reader = kit.get().await;
    kit.write_much();
    assert_eq!(read(&mut reader, MUCH).await.len(), MUCH);
    kit.log.close();
    assert_eq!(read(&mut reader, 1).await, b"");
}

#[tokio::test]
async fn a_log_whose_handle_is_dropped_is_gone_but_for_those_who_read_it() {
    let kit = Kit::new().await;
    let mut reader = kit.get().await;
    let Kit {
        server: _server,
        log,
        handle,
        _folder,
    } = kit;
    let url = handle.url().to_owned();
    drop(handle);
    assert_eq!(ask(Method::GET, &url, &[]).await.status(), StatusCode::NOT_FOUND);
    log.write(b"the rest");
    drop(log);
    assert_eq!(read(&mut reader, usize::MAX).await, b"the rest");
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_names_it() {
    let kit = Kit::new().await;
    let taken = kit
        .handle
        .url()
        .strip_prefix("http://")
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let error = LiveLogServer::start(LiveLogOptions {
        listen: taken,
        ..options()
    })
    .await
    .unwrap_err();
    assert_eq!(error.address, taken);
}

#[tokio::test]
async fn shutdown_ends_a_follower_whose_log_does_not_end_and_frees_the_port() {
    let grace = std::time::Duration::from_millis(50);
    let kit = Kit::within(Bounds {
        grace,
        ..Bounds::default()
    })
    .await;
    let mut follower = kit.get().await;
    let _stalled = kit.stalled_reader().await;
    kit.server.shutdown().await;
    // Cut off, and seen to be: not a log that has come to its end.
    assert!(follower.chunk().await.is_err());
    let address = kit
        .handle
        .url()
        .strip_prefix("http://")
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    // Again it does nothing.
    kit.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_lets_readers_come_to_the_end_of_their_logs() {
    let grace = std::time::Duration::from_secs(600);
    let kit = Kit::within(Bounds {
        grace,
        ..Bounds::default()
    })
    .await;
    kit.write_much();
    kit.log.close();
    let mut reader = kit.get().await;
    let mut shutdown = pin!(kit.server.shutdown());
    assert_eq!(shutdown.as_mut().now_or_never(), None);
    assert_eq!(read(&mut reader, usize::MAX).await.len(), MUCH);
    shutdown.await;
}

#[tokio::test]
async fn a_dropped_server_ends_its_connections() {
    let kit = Kit::new().await;
    let mut follower = kit.get().await;
    drop(kit.server);
    assert!(follower.chunk().await.is_err());
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_a_place() {
    let kit = Kit::within(Bounds {
        connections: 1,
        ..Bounds::default()
    })
    .await;
    let mut first = kit.stalled_reader().await;
    kit.log.write(b"x");
    // The first has its place once it is answered.
    assert_ne!(first.read(&mut [0; 1]).await.unwrap(), 0);
    let mut second = pin!(kit.get());
    for _ in 0..20 {
        // Each round takes the server's time, in which it could serve the second.
        assert!(second.as_mut().now_or_never().is_none());
        kit.log.write(b"x");
        assert_ne!(first.read(&mut [0; 1000]).await.unwrap(), 0);
    }
    drop(first);
    assert_eq!(second.await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_never_reads_loses_its_place() {
    let stall = std::time::Duration::from_millis(100);
    let kit = Kit::within(Bounds {
        connections: 1,
        stall,
        ..Bounds::default()
    })
    .await;
    kit.write_much();
    let mut stalled = kit.stalled_reader().await;
    assert_ne!(stalled.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(kit.get().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn who_connects_and_asks_nothing_loses_its_place() {
    let head = std::time::Duration::from_millis(100);
    let kit = Kit::within(Bounds {
        connections: 1,
        head,
        ..Bounds::default()
    })
    .await;
    let address = kit
        .handle
        .url()
        .strip_prefix("http://")
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"GET /log/").await.unwrap();
    assert_eq!(kit.get().await.status(), StatusCode::OK);
    drop(silent);
}
