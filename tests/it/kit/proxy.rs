//! A proxy between a worker and its queue that makes chosen calls go wrong.
//!
//! It passes requests on as they are, `Host` header included, or their signatures would not hold: only `Connection: close` is
//! added, so that each connection carries one request and there is nothing else in it to understand.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy, copy_bidirectional, sink},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// The calls that a worker makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Claim,
    Reclaim,
    Statuses,
    CreateArtifact,
    /// The bytes of an artifact.
    Put,
    /// Any of the three.
    Report,
    Other,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It is answered with this HTTP status.
    Status(u16),
    /// It is not answered before the caller gives up.
    Hang,
    /// Its connection is reset.
    Reset,
    /// The queue gets it, and its answer is lost.
    LoseAnswer,
    /// Every connection is cut, and nobody listens for so long.
    Gone(Duration),
}

/// A proxy that listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many more calls go wrong, and how.
    faults: Vec<(Call, Fault, usize)>,
    seen: Vec<Call>,
    struck: usize,
}

/// The first part of a request.
struct Head {
    call: Call,
    /// As it is passed on.
    text: String,
    /// What came with it of the body.
    body: Vec<u8>,
    body_length: usize,
}

impl Call {
    fn of(method: &str, path: &str) -> Self {
        let last = path.rsplit('/').next().unwrap_or_default();
        match (method, last) {
            ("POST", _) if path.contains("/claim-work/") => Self::Claim,
            ("POST", _) if path.contains("/artifacts/") => Self::CreateArtifact,
            ("POST", "reclaim") => Self::Reclaim,
            ("POST", "status") => Self::Statuses,
            ("POST", "completed" | "failed" | "exception") => Self::Report,
            ("PUT", _) if !path.contains("/api/queue/v1/task/") => Self::Put,
            _ => Self::Other,
        }
    }
}

impl Proxy {
    /// A proxy for a queue, in which nothing goes wrong yet.
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream,
            state: Mutex::default(),
        });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            server,
        }
    }

    pub(crate) fn root_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets the next calls of a kind go wrong.
    pub(crate) fn fault(&self, call: Call, fault: Fault, times: usize) {
        self.shared
            .state
            .lock()
            .unwrap()
            .faults
            .push((call, fault, times));
    }

    /// Lets nothing go wrong any more.
    pub(crate) fn lift(&self) {
        self.shared.state.lock().unwrap().faults.clear();
    }

    /// How many calls of a kind have arrived, those that went wrong included.
    pub(crate) fn seen(&self, call: Call) -> usize {
        self.shared
            .state
            .lock()
            .unwrap()
            .seen
            .iter()
            .filter(|seen| **seen == call)
            .count()
    }

    /// How many calls went wrong.
    pub(crate) fn struck(&self) -> usize {
        self.shared.state.lock().unwrap().struck
    }

    /// Waits until so many calls have gone wrong.
    pub(crate) async fn until_struck(&self, count: usize) {
        let what = format!("{count} calls have gone wrong");
        super::eventually(&what, async || (self.struck() >= count).then_some(())).await;
    }

    /// Waits until so many calls of a kind have arrived.
    pub(crate) async fn until_seen(&self, call: Call, count: usize) {
        let what = format!("{count} calls {call:?} have arrived");
        super::eventually(&what, async || (self.seen(call) >= count).then_some(())).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    /// What is to go wrong with a call, if anything.
    fn note(&self, call: Call) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        state.seen.push(call);
        let (_, fault, left) = state
            .faults
            .iter_mut()
            .find(|(of, _, left)| *of == call && *left > 0)?;
        *left -= 1;
        let fault = *fault;
        state.struck += 1;
        Some(fault)
    }
}

async fn serve(mut listener: TcpListener, shared: Arc<Shared>) {
    let address = listener.local_addr().unwrap();
    loop {
        let away = listen(&listener, &shared).await;
        drop(listener);
        tokio::time::sleep(away).await;
        listener = TcpListener::bind(address).await.unwrap();
    }
}

/// Serves until it is to be gone, and for how long. Cuts all connections then.
async fn listen(listener: &TcpListener, shared: &Arc<Shared>) -> Duration {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                connections.spawn(connection(stream, Arc::clone(shared)));
            }
            Some(ended) = connections.join_next() => {
                // Whoever called may be gone: nothing to complain about.
                if let Ok(Ok(Some(away))) = ended {
                    return away;
                }
            }
        }
    }
}

/// Serves one request. Answers for how long the queue is to be gone, if it is.
async fn connection(mut client: TcpStream, shared: Arc<Shared>) -> io::Result<Option<Duration>> {
    let Some(mut head) = Head::read(&mut client).await? else {
        return Ok(None);
    };
    match shared.note(head.call) {
        None => {
            let mut upstream = head.pass_on(shared.upstream).await?;
            copy_bidirectional(&mut client, &mut upstream).await?;
        }
        Some(Fault::Status(status)) => {
            head.drain(&mut client).await?;
            let body = r#"{"code":"InternalServerError","message":"as the test asks","requestInfo":{}}"#;
            let answer = format!(
                "HTTP/1.1 {status} Fault\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            client.write_all(answer.as_bytes()).await?;
            client.shutdown().await?;
        }
        // The caller's body is read, so that it is the answer that it waits for.
        Some(Fault::Hang) => drop(copy(&mut client, &mut sink()).await?),
        Some(Fault::Reset) => client.set_zero_linger()?,
        Some(Fault::LoseAnswer) => {
            head.drain(&mut client).await?;
            let mut upstream = head.pass_on(shared.upstream).await?;
            copy(&mut upstream, &mut sink()).await?;
            client.set_zero_linger()?;
        }
        Some(Fault::Gone(away)) => return Ok(Some(away)),
    }
    Ok(None)
}

impl Head {
    /// Reads the head of a request; none where there is no request.
    async fn read(client: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if client.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        };
        let body = bytes.split_off(end + 4);
        let text = String::from_utf8(bytes).map_err(io::Error::other)?;
        let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
        let request = lines.next().unwrap_or_default();
        let mut words = request.split(' ');
        let call = Call::of(words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut passed_on = format!("{request}\r\nConnection: close\r\n");
        let mut body_length = 0;
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            if name.eq_ignore_ascii_case("content-length") {
                body_length = value.trim().parse().map_err(io::Error::other)?;
            }
            if !name.eq_ignore_ascii_case("connection") {
                passed_on.push_str(line);
                passed_on.push_str("\r\n");
            }
        }
        passed_on.push_str("\r\n");
        Ok(Some(Self {
            call,
            text: passed_on,
            body,
            body_length,
        }))
    }

    /// Reads the rest of the body.
    async fn drain(&mut self, client: &mut TcpStream) -> io::Result<()> {
        while self.body.len() < self.body_length {
            if client.read_buf(&mut self.body).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Sends it on, with what there is of its body.
    async fn pass_on(&self, upstream: SocketAddr) -> io::Result<TcpStream> {
        let mut upstream = TcpStream::connect(upstream).await?;
        upstream.write_all(self.text.as_bytes()).await?;
        upstream.write_all(&self.body).await?;
        Ok(upstream)
    }
}
