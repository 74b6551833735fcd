//! A queue and a place for the workers of one test.

use std::ops::Deref;

use serde_json::Value;

use super::{Admin, Definition, Home, Process, QueueProcess, WorkerOptions, client::Client};

/// What every test has.
#[derive(Debug)]
pub(crate) struct Scene {
    client: Client,
    queue: QueueProcess,
    home: Home,
}

impl Scene {
    /// With claims that outlast every test.
    pub(crate) async fn new() -> Self {
        Self::with_claims_of("20m").await
    }

    /// With claims that last for a while, such as `20s`.
    pub(crate) async fn with_claims_of(claim_timeout: &str) -> Self {
        let home = Home::new();
        let queue = QueueProcess::start(&home, claim_timeout).await;
        Self {
            client: Client::new(&queue),
            queue,
            home,
        }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn queue(&self) -> &QueueProcess {
        &self.queue
    }

    /// Somebody who may do everything with the services beside the queue.
    pub(crate) fn admin(&self) -> Admin {
        Admin::new(&self.client, self.queue.root_url(), self.queue.credentials())
    }

    pub(crate) fn kill_queue(&mut self) {
        self.queue.kill();
    }

    pub(crate) async fn restart_queue(&mut self) {
        self.queue.restart(&self.home).await;
    }

    pub(crate) fn queue_process(&mut self) -> &mut Process {
        self.queue.process()
    }

    /// A worker without plugins, to be put together and started.
    pub(crate) fn worker(&self) -> WorkerOptions<'_> {
        WorkerOptions::new(&self.home, &self.queue)
    }

    /// Creates a task that is not tried again.
    pub(crate) async fn create_task(&self, payload: &Value) -> String {
        self.client.create(&Definition::new(payload)).await
    }
}

/// What is asked of the queue is asked of the scene.
impl Deref for Scene {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
