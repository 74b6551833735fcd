//! The database: one thread owns the connection and works off requests in groups, one commit for each group.
//!
//! A request is a closure over [`Db`]. It sees what the requests before it did, and is undone alone if it fails. Its answer
//! leaves only when the commit is on disk (WAL, `synchronous=FULL`), and wakes whom it concerns: see [`crate::signals`].

mod artifacts;
mod clients;
mod db;
mod dependencies;
mod groups;
mod index;
mod objects;
mod open;
mod pools;
mod purge_cache;
mod roles;
mod schema;
mod secrets;
mod seen;
mod tables;
mod task_queues;
mod tasks;
mod workers;
mod writer;

pub(crate) use artifacts::StoredContent;
pub(crate) use db::Db;
pub(crate) use groups::TaskGroup;
pub(crate) use index::{IndexedTask, Namespace, path_of};
pub(crate) use objects::{Agreed, StoredBytes, StoredObject};
pub(crate) use open::open;
pub(crate) use pools::{PoolError, PoolErrorsQuery};
pub(crate) use purge_cache::CachePurge;
pub(crate) use roles::StoredRole;
pub(crate) use secrets::StoredSecret;
pub(crate) use seen::{RecentTask, SeenQuery, SeenWorker, Standing};
pub(crate) use task_queues::{TaskPage, TaskQueue};
pub(crate) use workers::WorkersQuery;

use std::{
    sync::{Mutex, PoisonError},
    thread::JoinHandle,
};

use tokio::sync::{mpsc, oneshot};

use crate::error::Failure;

/// How many requests may wait; more wait to be taken in.
const QUEUE: usize = 1024;

/// A request, as the thread sees it.
type Job = Box<dyn FnOnce(&Db<'_>) -> Done + Send>;

/// How a request went, and how its answer leaves.
struct Done {
    /// Whether its changes are to be kept.
    outcome: Outcome,
    /// To be called after the commit.
    answer: Answer,
}

/// Sends an answer, or the error of the commit in its place.
type Answer = Box<dyn FnOnce(Option<String>) + Send>;

/// Whether changes are to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Keep,
    Undo,
}

/// The way to the thread that owns the database.
#[derive(Debug)]
pub(crate) struct Store {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Starts the thread.
    fn start(worker: writer::Writer) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("local-queue-db".to_owned())
            .spawn(move || worker.run(receiver))?;
        Ok(Self {
            jobs: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs `work` in the database's thread, and answers once what it changed is on disk.
    ///
    /// # Errors
    /// What `work` returns, and then nothing of it was kept; or why the commit failed.
    ///
    /// # Cancel safety
    /// Dropped before the thread has come to it, the work is not done; later it is done and its answer is lost.
    pub(crate) async fn run<T, W>(&self, work: W) -> Result<T, Failure>
    where
        T: Send + 'static,
        W: FnOnce(&Db<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel::<Result<T, Failure>>();
        let job: Job = Box::new(move |db| {
            if sender.is_closed() {
                return Done {
                    outcome: Outcome::Undo,
                    answer: Box::new(|_| ()),
                };
            }
            let result = work(db);
            Done {
                outcome: if result.is_ok() {
                    Outcome::Keep
                } else {
                    Outcome::Undo
                },
                answer: Box::new(move |commit_error| {
                    let answer = match (result, commit_error) {
                        (Ok(_), Some(error)) => Err(Failure::Commit(error)),
                        (result, _) => result,
                    };
                    // Nobody may be waiting any more.
                    let _ = sender.send(answer);
                }),
            }
        });
        let jobs = self.sender().ok_or(Failure::Closed)?;
        jobs.send(job).await.map_err(|_| Failure::Closed)?;
        drop(jobs);
        receiver.await.map_err(|_| Failure::Closed)?
    }

    /// Lets the thread finish what it has been asked for, closes the database and gives the directory's lock back.
    pub(crate) async fn close(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let joined = tokio::task::spawn_blocking(move || thread.map(JoinHandle::join)).await;
        if !matches!(joined, Ok(None | Some(Ok(())))) {
            tracing::error!("the database's thread has failed");
        }
    }

    fn sender(&self) -> Option<mpsc::Sender<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is asked all the time, or for a long list: none of it may look at all tasks there are.
#[cfg(test)]
pub(crate) fn hot_queries() -> Vec<String> {
    let task = tasks::TASK;
    vec![
        seen::STANDING.to_owned(),
        format!("{task} {}", tasks::CLAIMABLE),
        format!("{task} {}", task_queues::RUNNING),
        task_queues::PENDING_PAGE.to_owned(),
        task_queues::RUNNING_PAGE.to_owned(),
        groups::CANCELABLE.to_owned(),
    ]
}
