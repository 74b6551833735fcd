//! SIGINT and SIGTERM, counted: each asks for the same more urgently.

use std::io;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

use crate::exit::Exit;

/// Listens for as long as it lives.
#[derive(Debug)]
pub(crate) struct Signals {
    listener: JoinHandle<()>,
}

impl Signals {
    /// Calls one of `steps` for each signal, in turn; the process ends at once with the signal after the last. Must be
    /// called in a runtime.
    ///
    /// # Errors
    /// When the system lets us not listen.
    pub(crate) fn listen(steps: Vec<Box<dyn FnOnce() + Send>>) -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self {
            listener: tokio::spawn(count(interrupt, terminate, steps)),
        })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn count(mut interrupt: Signal, mut terminate: Signal, steps: Vec<Box<dyn FnOnce() + Send>>) {
    for step in steps {
        next(&mut interrupt, &mut terminate).await;
        step();
    }
    let kind = next(&mut interrupt, &mut terminate).await;
    end_now(Exit::Signal(
        u8::try_from(kind.as_raw_value()).unwrap_or_default(),
    ));
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = terminate.recv() => SignalKind::terminate(),
    }
}

#[expect(
    clippy::exit,
    reason = "asked for three times: whatever hangs is left to the kernel and to the next start"
)]
fn end_now(exit: Exit) {
    tracing::warn!("ending at once");
    std::process::exit(exit.status().into());
}
