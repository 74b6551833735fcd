//! A tap between worker and queue: passes everything on, and writes down when the last byte of each answer went by.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

use super::commands::now;

/// A request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// `POST /api/queue/v1/…`.
    pub(crate) request: String,
    /// The answer's bytes.
    pub(crate) answer: Vec<u8>,
    /// When the last of them was passed on.
    pub(crate) answered: Duration,
}

/// What one connection has carried: the last is the exchange under way.
type Exchanges = Arc<Mutex<Vec<Exchange>>>;

/// The tap. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Tap {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Exchanges>>>,
    _accepting: JoinSet<()>,
}

impl Tap {
    /// In front of a queue.
    pub(crate) async fn open(queue: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let mut accepting = JoinSet::new();
        let all = connections.clone();
        accepting.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let exchanges = Exchanges::default();
                all.lock().unwrap().push(exchanges.clone());
                open.spawn(pass_on(client, queue, exchanges));
            }
        });
        Self {
            address,
            connections,
            _accepting: accepting,
        }
    }

    /// Where the worker finds it.
    pub(crate) fn root_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// When the answer to the first request that `is_it` was passed on.
    pub(crate) fn answered(&self, is_it: impl Fn(&Exchange) -> bool) -> Option<Duration> {
        let connections = self.connections.lock().unwrap();
        connections
            .iter()
            .find_map(|exchanges| {
                let exchanges = exchanges.lock().unwrap();
                exchanges.iter().find(|exchange| is_it(exchange)).cloned()
            })
            .map(|exchange| exchange.answered)
    }
}

async fn pass_on(client: TcpStream, queue: SocketAddr, exchanges: Exchanges) {
    let queue = TcpStream::connect(queue).await.unwrap();
    client.set_nodelay(true).unwrap();
    queue.set_nodelay(true).unwrap();
    let ((from_client, to_client), (from_queue, to_queue)) = (client.into_split(), queue.into_split());
    tokio::join!(
        requests(from_client, to_queue, exchanges.clone()),
        answers(from_queue, to_client, exchanges)
    );
}

/// A request begins with the first bytes that come after an answer: this client does not pipeline.
async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, exchanges: Exchanges) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let begins = exchanges
            .lock()
            .unwrap()
            .last()
            .is_none_or(|last| !last.answer.is_empty());
        if begins {
            let line = buffer[..read].split(|byte| *byte == b'\r').next().unwrap();
            exchanges.lock().unwrap().push(Exchange {
                request: String::from_utf8_lossy(line).into_owned(),
                answer: Vec::new(),
                answered: Duration::ZERO,
            });
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, exchanges: Exchanges) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        if let Some(last) = exchanges.lock().unwrap().last_mut() {
            last.answer.extend_from_slice(&buffer[..read]);
            last.answered = now();
        }
    }
}
