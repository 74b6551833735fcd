//! A server that answers as a test tells it to, and keeps what it was asked.

use std::{
    collections::BTreeMap,
    str::FromStr as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A status, headers beside those of the body, and a body.
    Http(u16, Vec<(&'static str, String)>, String),
    /// The same, after a while.
    Late(Duration, u16, String),
    /// The connection is closed without a word.
    HangUp,
    /// The connection stays open without a word.
    Silence,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Path and query as they were sent.
    pub(super) target: String,
    /// By name in small letters.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    pub(super) at: Instant,
}

type Script = dyn Fn(usize, &Asked) -> Answer + Send + Sync;

/// The server. It is gone when this is dropped.
pub(super) struct Server {
    pub(super) root_url: String,
    shared: Arc<Shared>,
    _task: AbortOnDropHandle<()>,
}

struct Shared {
    script: Box<Script>,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
}

impl Server {
    /// A server whose answers `script` makes of the number of the request, from 0, and of the request.
    pub(super) async fn start(script: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root_url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            script: Box::new(script),
            asked: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serving.connections.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self {
            root_url,
            shared,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// All requests so far, in order.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// How many connections there were.
    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Answer {
    /// 200 with a body.
    pub(super) fn ok(body: &str) -> Self {
        Self::status(200, body)
    }

    /// A status with a body.
    pub(super) fn status(status: u16, body: &str) -> Self {
        Self::Http(status, Vec::new(), body.to_owned())
    }

    /// What Taskcluster answers to a request that it refuses.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"code": code, "message": message, "requestInfo": {}});
        Self::status(status, &body.to_string())
    }
}

impl Asked {
    fn hawk(&self) -> hawk::Header {
        let value = self.headers["authorization"].strip_prefix("Hawk ").unwrap();
        hawk::Header::from_str(value).unwrap()
    }

    /// The clientId that it is signed with.
    pub(super) fn client_id(&self) -> String {
        self.hawk().id.unwrap()
    }

    /// When it says that it was signed.
    pub(super) fn signed_at(&self) -> SystemTime {
        self.hawk().ts.unwrap()
    }

    /// Whether its signature is that of `access_token` over what arrived: method, host, port, path and query.
    pub(super) fn is_signed_with(&self, access_token: &str) -> bool {
        let (host, port) = self.headers["host"].split_once(':').unwrap();
        let key = hawk::Key::new(access_token, hawk::DigestAlgorithm::Sha256).unwrap();
        let request = hawk::RequestBuilder::new(&self.method, host, port.parse().unwrap(), &self.target);
        request
            .request()
            .validate_header(&self.hawk(), &key, Duration::from_secs(60))
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    while let Some(asked) = receive(&mut stream).await {
        let number = {
            let mut all = shared.asked.lock().unwrap();
            all.push(asked.clone());
            all.len() - 1
        };
        let (status, headers, body) = match (shared.script)(number, &asked) {
            Answer::Http(status, headers, body) => (status, headers, body),
            Answer::Late(time, status, body) => {
                tokio::time::sleep(time).await;
                (status, Vec::new(), body)
            }
            Answer::HangUp => return,
            Answer::Silence => std::future::pending().await,
        };
        let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&body);
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request; none where the client has hung up.
async fn receive(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let first = line(stream).await?;
    let mut parts = first.split(' ').map(str::to_owned);
    let (method, target) = (parts.next()?, parts.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let line = line(stream).await?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Asked {
        method,
        target,
        headers,
        body,
        at: Instant::now(),
    })
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let length = stream.read_line(&mut line).await.ok()?;
    (length > 0).then(|| line.trim_end().to_owned())
}
