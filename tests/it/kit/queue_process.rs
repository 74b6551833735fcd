//! The embedded queue as a process of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use queue::wire::Credentials;

use super::{Home, Process};

/// `taskcluster-worker queue`.
#[derive(Debug)]
pub(crate) struct QueueProcess {
    process: Process,
    directory: PathBuf,
    claim_timeout: String,
    root_url: String,
}

impl QueueProcess {
    /// Starts a queue whose claims last for a while, such as `20s`.
    pub(crate) async fn start(home: &Home, claim_timeout: &str) -> Self {
        let directory = home.path().join("queue");
        let (process, root_url) = start(home, &directory, "127.0.0.1:0", claim_timeout).await;
        Self {
            process,
            directory,
            claim_timeout: claim_timeout.to_owned(),
            root_url,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.root_url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    pub(crate) fn root_url(&self) -> &str {
        &self.root_url
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Of the client that may do everything.
    pub(crate) fn credentials(&self) -> Credentials {
        let text = std::fs::read(self.directory.join("credentials.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, where it was.
    pub(crate) async fn restart(&mut self, home: &Home) {
        let address = self.address().to_string();
        (self.process, _) = start(home, &self.directory, &address, &self.claim_timeout).await;
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

async fn start(home: &Home, directory: &Path, listen: &str, claim_timeout: &str) -> (Process, String) {
    let arguments = [
        "queue",
        "--listen",
        listen,
        "--claim-timeout",
        claim_timeout,
        "--directory",
    ];
    let mut process = Process::start(
        home,
        "queue",
        arguments
            .map(std::ffi::OsStr::new)
            .into_iter()
            .chain([directory.as_os_str()]),
    );
    let root_url = super::eventually("the queue says where it listens", async || {
        let out = process.out();
        let said = out.lines().find_map(|line| line.strip_prefix("root URL:"));
        assert!(said.is_some() || process.runs(), "the queue did not start");
        // The line after it says that this one is whole.
        let whole = out.contains("credentials:");
        said.filter(|_| whole).map(|url| url.trim().to_owned())
    })
    .await;
    (process, root_url)
}
