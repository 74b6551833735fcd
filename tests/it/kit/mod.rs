//! What the tests have in common: the real program, its real HTTP API, and ways to look at what both leave behind.
//!
//! A test has a [`Scene`]: a directory of its own and a queue. Workers are put together with [`Scene::worker`]. Everything
//! that a test starts ends with it, and what it printed is shown where the test fails.

mod admin;
mod client;
mod definition;
mod home;
mod language;
mod outcome;
pub(crate) mod places;
mod probe;
mod process;
mod proxy;
mod queue_process;
mod runner_process;
mod scene;
mod skewed_clock;
mod worker_process;

use std::time::{Duration, Instant};

pub(crate) use admin::{Admin, segment};
pub(crate) use client::Client;
pub(crate) use definition::{Definition, shell};
pub(crate) use home::Home;
pub(crate) use language::{EnvPlugin, Language};
pub(crate) use outcome::{Expected, check, check_all};
pub(crate) use places::{Plugin, repository};
pub(crate) use probe::{
    alive, cgroup_name, cgroups_of, files_below, listening_ports, mounts_below, processes_of,
};
pub(crate) use process::Process;
pub(crate) use proxy::{Call, Fault, Proxy};
pub(crate) use queue_process::QueueProcess;
pub(crate) use runner_process::{HELLO, RunOptions, WELCOME};
pub(crate) use scene::Scene;
pub(crate) use skewed_clock::SkewedClock;
pub(crate) use worker_process::{WorkerOptions, WorkerProcess};

/// How long something may take that takes no time: what hangs has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// How often it is looked whether something has happened.
const POLL: Duration = Duration::from_millis(20);

/// Waits for something to be there. How long that takes says nothing.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Waits for a file that is written whole, and answers what is in it without the last line end.
pub(crate) async fn written(path: &std::path::Path) -> String {
    eventually(&format!("{} is written", path.display()), async || {
        let text = std::fs::read_to_string(path).ok()?;
        Some(text.strip_suffix('\n')?.to_owned())
    })
    .await
}
