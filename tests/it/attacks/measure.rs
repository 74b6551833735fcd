//! What a process holds: memory, descriptors, children.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use crate::kit::Home;

/// How long what is being given back may take to be so.
const SETTLES: Duration = Duration::from_secs(20);
/// How many samples of the memory are taken; the least of them counts.
const SAMPLES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// What a process holds at one moment, but for its memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Open descriptors by what they are, sockets left out.
    descriptors: BTreeMap<String, usize>,
    /// Connections to the queue are kept for a while, and one more may be open at any moment.
    sockets: usize,
    /// The living processes of the test.
    processes: Vec<i32>,
}

/// What a process, and the test as a whole, hold now.
pub(crate) fn held(home: &Home, pid: i32) -> Held {
    let mut held = Held {
        processes: home.processes().into_iter().map(|(pid, _)| pid).collect(),
        ..Held::default()
    };
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        // One that was closed meanwhile has no target.
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        if target.starts_with("socket:") {
            held.sockets += 1;
        } else {
            // A pipe's number says nothing.
            let kind = if target.starts_with("pipe:") {
                "pipe"
            } else {
                &*target
            };
            *held.descriptors.entry(kind.to_owned()).or_default() += 1;
        }
    }
    held.processes.sort_unstable();
    held
}

/// Waits until no more is held than before. A connection more for each task that runs at a time may be open: they are kept for
/// the next call.
pub(crate) async fn released(home: &Home, pid: i32, before: &Held, connections: usize) {
    let deadline = Instant::now() + SETTLES;
    loop {
        let now = held(home, pid);
        let sockets_are_few = now.sockets <= before.sockets + connections;
        if sockets_are_few && now.descriptors == before.descriptors && now.processes == before.processes {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the worker holds more than before: {before:#?}, now {now:#?}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}

/// The bytes of memory that a process has for itself: neither its program nor files. The least of some samples, since what
/// is about to be given back is no leak.
pub(crate) async fn memory(pid: i32) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..SAMPLES {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Anonymous:"))
            .unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        least = least.min(kib << 10);
        tokio::time::sleep(PAUSE).await;
    }
    least
}
