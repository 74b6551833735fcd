//! A proxy between a worker and its queue that makes chosen calls go wrong.
//!
//! It passes requests on as they are, `Host` header included, or their signatures would not hold: only `Connection: close` is
//! added, so that each connection carries one request and there is nothing else in it to understand.

mod connection;
mod request;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};

pub(crate) use request::Call;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is answered with this HTTP status.
    Status(u16),
    /// It is answered with this HTTP status by something that stands before the queue, and is not Taskcluster.
    Stray(u16),
    /// It is answered with 503, and the caller is asked for a second of patience.
    Unavailable,
    /// It is answered with 401, as to credentials whose time is over.
    Expired,
    /// It is not answered before the caller gives up.
    Hang,
    /// Its connection is reset.
    Reset,
    /// The queue gets it, and its answer is lost.
    LoseAnswer,
    /// One byte a second gets through: of what is put, or else of the answer.
    Trickle,
    /// The queue gets it, and half of its answer arrives.
    Truncate,
    /// The queue gets it, and something else arrives in place of what it answers.
    Wrong(&'static str),
    /// The queue gets it, and its answer arrives with one text in place of another of the same length.
    Garble(&'static str, &'static str),
    /// Every connection is cut, and nobody listens for so long.
    Gone(Duration),
}

/// A call that has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) call: Call,
    pub(crate) path: String,
    /// What went wrong with it.
    pub(crate) fault: Option<Fault>,
    /// The HTTP status of the queue's answer, where it gave one.
    pub(crate) answer: Option<u16>,
}

/// A proxy that listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    away: mpsc::Sender<Duration>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    planned: Vec<Planned>,
    seen: Vec<Seen>,
}

/// Something that is to go wrong.
#[derive(Debug)]
struct Planned {
    call: Call,
    fault: Fault,
    /// How many of these calls go well before.
    after: usize,
    /// How many go wrong then.
    times: usize,
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
        let (away, told) = mpsc::channel(1);
        let server = tokio::spawn(serve(listener, Arc::clone(&shared), told));
        Self {
            address,
            shared,
            away,
            server,
        }
    }

    pub(crate) fn root_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets the next calls of a kind go wrong.
    pub(crate) fn fault(&self, call: Call, fault: Fault, times: usize) {
        self.fault_after(0, call, fault, times);
    }

    /// The same after some that go well.
    pub(crate) fn fault_after(&self, after: usize, call: Call, fault: Fault, times: usize) {
        let planned = Planned {
            call,
            fault,
            after,
            times,
        };
        self.shared.state.lock().unwrap().planned.push(planned);
    }

    /// Cuts every connection, and does not listen for so long.
    pub(crate) async fn go_away(&self, duration: Duration) {
        self.away.send(duration).await.unwrap();
    }

    /// Lets nothing go wrong any more.
    pub(crate) fn lift(&self) {
        self.shared.state.lock().unwrap().planned.clear();
    }

    /// The calls of a kind that have arrived, those that went wrong included.
    pub(crate) fn calls(&self, call: Call) -> Vec<Seen> {
        let state = self.shared.state.lock().unwrap();
        state
            .seen
            .iter()
            .filter(|seen| seen.call == call)
            .cloned()
            .collect()
    }

    /// How many calls of a kind have arrived, those that went wrong included.
    pub(crate) fn seen(&self, call: Call) -> usize {
        self.calls(call).len()
    }

    /// How many calls went wrong.
    pub(crate) fn struck(&self) -> usize {
        let state = self.shared.state.lock().unwrap();
        state.seen.iter().filter(|seen| seen.fault.is_some()).count()
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
    /// Notes a call, and answers its number and what is to go wrong with it, if anything.
    fn note(&self, call: Call, path: &str) -> (usize, Option<Fault>) {
        let mut state = self.state.lock().unwrap();
        let fault = state.strike(call);
        state.seen.push(Seen {
            call,
            path: path.to_owned(),
            fault,
            answer: None,
        });
        (state.seen.len() - 1, fault)
    }

    /// Notes what the queue has answered to a call.
    fn answered(&self, number: usize, status: u16) {
        self.state.lock().unwrap().seen[number].answer = Some(status);
    }
}

impl State {
    fn strike(&mut self, call: Call) -> Option<Fault> {
        let is_next = |planned: &&mut Planned| planned.call == call && planned.times > 0;
        let next = self.planned.iter_mut().find(is_next)?;
        if next.after > 0 {
            next.after -= 1;
            return None;
        }
        next.times -= 1;
        Some(next.fault)
    }
}

async fn serve(mut listener: TcpListener, shared: Arc<Shared>, mut away: mpsc::Receiver<Duration>) {
    let address = listener.local_addr().unwrap();
    loop {
        let duration = listen(&listener, &shared, &mut away).await;
        // Nobody else gets the port meanwhile.
        let place = TcpSocket::new_v4().unwrap();
        place.set_reuseaddr(true).unwrap();
        drop(listener);
        place.bind(address).unwrap();
        tokio::time::sleep(duration).await;
        listener = place.listen(1024).unwrap();
    }
}

/// Serves until it is to be gone, and for how long. Cuts all connections then.
async fn listen(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    away: &mut mpsc::Receiver<Duration>,
) -> Duration {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                connections.spawn(connection::serve(stream, Arc::clone(shared)));
            }
            Some(ended) = connections.join_next() => {
                // Whoever called may be gone: nothing to complain about.
                if let Ok(Ok(Some(away))) = ended {
                    return away;
                }
            }
            Some(away) = away.recv() => return away,
        }
    }
}
