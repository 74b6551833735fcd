//! The claim loop: asks the queue for work while there is room for it, and owns every run until it is over.
//!
//! One long poll is open while there is capacity. Nothing else is waited for without also hearing of runs that end and of
//! the tick by which plugins learn how the worker fares. A worker that has nothing to do asks in `idle` whether to go on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_host::{Lacking, PluginHost, WorkerStatus};
use queue::{Claims, Queue, UnreadableClaim, wire};
use rand::Rng as _;
use tokio::{task::JoinSet, time::MissedTickBehavior};

use crate::{
    counts::Counts,
    launch::Launcher,
    root::ManagedWorker,
    stop::{Reason, StopHandle},
    task::{
        journal::Trouble,
        resolution::{Exception, Resolution},
        run::{Capacity, RunOutcome},
    },
};

mod complete;
mod idle;

/// The pause after a failed claim: doubles from the first to the second.
const CLAIM_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The queue holds a claim for 20 s while nothing is pending. What answers with nothing sooner than this is no long poll,
/// and is asked again after a pause.
const LONG_POLL: Duration = Duration::from_secs(1);
/// How often it is looked again whether a plugin that is required is in service.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The queue gives at most so many tasks for one call.
const MAX_CLAIM: u32 = 32;

/// How the worker takes on work.
#[derive(Clone, Debug)]
pub(crate) struct WorkSettings {
    /// Where tasks are claimed.
    pub(crate) task_queue_id: String,
    /// Of this worker.
    pub(crate) worker_group: String,
    /// Of this worker.
    pub(crate) worker_id: String,
    /// How many runs at a time; at least 1.
    pub(crate) concurrency: u32,
    /// How many tasks to claim before stopping; none: no end.
    pub(crate) task_limit: Option<u64>,
    /// How often plugins hear of the worker's progress.
    pub(crate) tick: Duration,
    /// How long the worker may have nothing to do; none: for ever.
    pub(crate) idle_timeout: Option<Duration>,
    /// Asked whether the worker is one too many while it has nothing to do.
    pub(crate) managed: Option<ManagedWorker>,
}

/// The worker at work.
#[derive(Debug)]
pub(crate) struct Worker {
    settings: WorkSettings,
    queue: Queue,
    launcher: Launcher,
    plugins: Arc<PluginHost>,
    stop: StopHandle,
    runs: JoinSet<RunOutcome>,
    /// Places that are lost to processes that could not be ended.
    occupied: u32,
    claimed: u64,
    resolved: u64,
    counts: Counts,
    /// What is required and was not in service when that was looked at last.
    lacking: Vec<Lacking>,
    /// Since when worker-manager has not answered.
    unanswered: Option<Instant>,
    idle_since: Instant,
    tick: tokio::time::Interval,
}

impl Worker {
    /// A worker that has claimed nothing yet.
    pub(crate) fn new(
        settings: WorkSettings,
        queue: Queue,
        launcher: Launcher,
        plugins: Arc<PluginHost>,
        stop: StopHandle,
        counts: Counts,
    ) -> Self {
        let mut tick = tokio::time::interval(settings.tick);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.reset();
        Self {
            settings,
            queue,
            launcher,
            plugins,
            stop,
            runs: JoinSet::new(),
            occupied: 0,
            claimed: 0,
            resolved: 0,
            counts,
            lacking: Vec::new(),
            unanswered: None,
            idle_since: Instant::now(),
            tick,
        }
    }

    /// Claims and runs tasks until the worker is to stop, then waits for the runs. An open claim is let finish, because
    /// the queue may have granted it already; what it brings is launched all the same, and given back where the worker stops.
    pub(crate) async fn work(mut self) {
        let mut pause = CLAIM_PAUSE.0;
        while !self.stop.stopping() && self.tasks_left() > 0 {
            let room = self.room();
            if room == 0 {
                self.attend_one().await;
                continue;
            }
            if self.runs.is_empty() {
                self.be_idle().await;
                if self.stop.stopping() {
                    break;
                }
            }
            if !self.is_complete().await {
                self.rest(LOOK_AGAIN).await;
                continue;
            }
            if self.stop.stopping() {
                break;
            }
            let asked = Instant::now();
            match self.claim(room).await {
                Ok(claims) if claims.is_empty() && asked.elapsed() < LONG_POLL => {
                    tracing::debug!(?pause, "the queue answers with nothing at once");
                }
                Ok(claims) => {
                    pause = CLAIM_PAUSE.0;
                    for claim in claims.tasks {
                        self.launch(claim);
                    }
                    for claim in claims.unreadable {
                        self.give_up(claim);
                    }
                    continue;
                }
                Err(error) => self.not_claimed(&error, pause),
            }
            self.rest(pause).await;
            pause = (pause * 2).min(CLAIM_PAUSE.1);
        }
        tracing::info!(
            running = self.runs.len(),
            lost_claims = self.counts.lost_claims().get(),
            "claiming no more tasks"
        );
        while !self.runs.is_empty() {
            self.attend_one().await;
        }
        if self.tasks_left() == 0 {
            // Not sooner: runs that begin while the worker stops are given back.
            self.stop.graceful(Reason::TaskLimit, "the task limit is reached");
        }
    }

    /// Says what it means that a claim failed.
    fn not_claimed(&self, error: &queue::CallError, pause: Duration) {
        let cause = error as &dyn std::error::Error;
        self.counts.failed_claims().add_one();
        if error.may_have_been_done() {
            self.counts.lost_claims().add_one();
            tracing::warn!(
                error = cause,
                ?pause,
                lost_claims = self.counts.lost_claims().get(),
                "the answer to a claim was lost: tasks that were granted with it wait until their claims end, and are then \
                 given to a worker again; trying again"
            );
        } else {
            tracing::warn!(error = cause, ?pause, "could not claim work, trying again");
        }
    }

    fn count_running(&self) {
        self.counts.running().set(self.runs.len() as u64);
    }

    /// How many tasks may be claimed now.
    fn room(&self) -> u32 {
        let running = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
        let free = self
            .settings
            .concurrency
            .saturating_sub(running)
            .saturating_sub(self.occupied);
        let left = u32::try_from(self.tasks_left()).unwrap_or(u32::MAX);
        free.min(left).min(MAX_CLAIM)
    }

    fn tasks_left(&self) -> u64 {
        self.settings
            .task_limit
            .map_or(u64::MAX, |limit| limit.saturating_sub(self.claimed))
    }

    async fn claim(&mut self, tasks: u32) -> Result<Claims, queue::CallError> {
        let queue = self.queue.clone();
        let task_queue_id = self.settings.task_queue_id.clone();
        let request = wire::ClaimWorkRequest {
            tasks,
            worker_group: self.settings.worker_group.clone(),
            worker_id: self.settings.worker_id.clone(),
        };
        // In a task of its own: what the queue grants must not be missed while a plugin takes its time to hear of a run.
        let claim = tokio::spawn(async move { queue.claim_work(&task_queue_id, &request).await });
        match self.attend(claim).await {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Nobody cancels it but the end of the runtime.
                Err(_) => Ok(Claims {
                    tasks: Vec::new(),
                    unreadable: Vec::new(),
                }),
            },
        }
    }

    fn launch(&mut self, claim: wire::TaskClaim) {
        tracing::info!(task_id = claim.status.task_id, run_id = claim.run_id, "claimed");
        let run = self.launcher.launch(claim);
        self.begin(run);
    }

    /// The run of a claim that can't be read: nothing more can be done for it than to say so.
    fn give_up(&mut self, claim: UnreadableClaim) {
        let run = self.launcher.give_up(claim);
        self.begin(run);
    }

    fn begin(&mut self, run: impl Future<Output = RunOutcome> + Send + 'static) {
        self.claimed += 1;
        self.counts.claims().add_one();
        self.runs.spawn(run);
        self.count_running();
    }

    /// Waits for a pause to be over, or for the worker to stop.
    async fn rest(&mut self, pause: Duration) {
        let pause = pause.mul_f64(rand::rng().random_range(0.75..1.25));
        let stop = self.stop.clone();
        self.attend(async move {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.requested() => {}
            }
        })
        .await;
    }

    /// Waits for something, hearing of runs that end and of the tick meanwhile.
    async fn attend<T>(&mut self, future: impl Future<Output = T>) -> T {
        tokio::pin!(future);
        loop {
            tokio::select! {
                biased;
                value = &mut future => return value,
                Some(end) = self.runs.join_next() => self.run_over(end),
                _ = self.tick.tick() => self.plugins.report_progress(self.status()),
            }
        }
    }

    /// Waits for a run to end, or for the tick.
    async fn attend_one(&mut self) {
        tokio::select! {
            biased;
            Some(end) = self.runs.join_next() => self.run_over(end),
            _ = self.tick.tick() => self.plugins.report_progress(self.status()),
        }
    }

    fn run_over(&mut self, end: Result<RunOutcome, tokio::task::JoinError>) {
        self.resolved += 1;
        self.idle_since = Instant::now();
        self.count_running();
        match end {
            Ok(outcome) => {
                self.counts.run_over(outcome.resolution);
                for trouble in &outcome.troubles {
                    self.trouble(trouble);
                }
                if outcome.capacity == Capacity::Occupied {
                    self.lose_place();
                }
            }
            Err(error) => {
                tracing::error!(%error, "a run was lost");
                self.counts
                    .run_over(Resolution::Exception(Exception::InternalError));
                self.trouble(&Trouble::NonFatal(format!("a run was lost: {error}")));
            }
        }
        self.plugins.report_progress(self.status());
    }

    fn trouble(&self, trouble: &Trouble) {
        match trouble {
            Trouble::NonFatal(message) => self.plugins.report_non_fatal_error(message),
            Trouble::Fatal(message) => self.stop.now(Reason::Internal, message),
        }
    }

    /// A run's processes could not be ended, so its place is gone. Once may be chance.
    fn lose_place(&mut self) {
        self.occupied += 1;
        let capacity = self.settings.concurrency.saturating_sub(self.occupied);
        self.counts.capacity().set(capacity.into());
        if self.occupied >= 2 || self.occupied >= self.settings.concurrency {
            self.stop
                .graceful(Reason::Trouble, "processes of tasks could not be ended");
        }
    }

    fn status(&self) -> WorkerStatus {
        WorkerStatus {
            uptime: self.counts.began().elapsed(),
            host_uptime: host_uptime(),
            idle: if self.runs.is_empty() {
                self.idle_since.elapsed()
            } else {
                Duration::ZERO
            },
            running: u32::try_from(self.runs.len()).unwrap_or(u32::MAX),
            resolved: self.resolved,
        }
    }
}

/// How long the machine has been up; zero where the kernel does not say.
fn host_uptime() -> Duration {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text
        .split_whitespace()
        .next()
        .and_then(|seconds| seconds.parse::<f64>().ok());
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or_default()
}
