//! SIGINT and SIGTERM, counted: each asks for the same more urgently.

use std::io;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

use crate::{exit::Exit, stop::Reason};

/// What is to happen at one of the signals.
pub(crate) type Step = Box<dyn FnOnce(Which) + Send>;

/// Which of the signals it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// SIGINT, as a terminal sends it.
    Interrupt,
    /// SIGTERM, as a service manager does.
    Terminate,
}

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
    pub(crate) fn listen(steps: Vec<Step>) -> io::Result<Self> {
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

impl From<Which> for Reason {
    fn from(which: Which) -> Self {
        match which {
            Which::Interrupt => Self::Interrupted,
            Which::Terminate => Self::Terminated,
        }
    }
}

impl Which {
    fn kind(self) -> SignalKind {
        match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
        }
    }
}

async fn count(mut interrupt: Signal, mut terminate: Signal, steps: Vec<Step>) {
    for step in steps {
        step(next(&mut interrupt, &mut terminate).await);
    }
    let which = next(&mut interrupt, &mut terminate).await;
    end_now(Exit::Signal(
        u8::try_from(which.kind().as_raw_value()).unwrap_or_default(),
    ));
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> Which {
    tokio::select! {
        _ = interrupt.recv() => Which::Interrupt,
        _ = terminate.recv() => Which::Terminate,
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
