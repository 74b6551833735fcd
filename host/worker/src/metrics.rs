//! What the tools that watch pools read of a worker's log: a line for each event of its life, as generic-worker writes it.
//!
//! ```text
//! WORKER_METRICS {"eventType":"taskStart","instanceType":…,"region":…,"runId":0,"taskId":…,"timestamp":1767225600,…}
//! ```

use std::{collections::BTreeMap, fmt, sync::Arc};

use chrono::{DateTime, Utc};
use engine_api::RunKey;
use serde_json::Value;

use crate::{config::WorkerConfig, observe::RunObserver};

/// Whose events those are for the tools, which look for this name: this worker takes that one's place.
const WORKER: &str = "generic-worker";

/// Where the lines go.
pub(crate) type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// Writes the events of one worker.
#[derive(Clone)]
pub(crate) struct WorkerMetrics {
    say: Say,
    /// What every event has.
    worker: BTreeMap<&'static str, String>,
}

impl WorkerMetrics {
    /// Of the worker of a config.
    pub(crate) fn new(config: &WorkerConfig, say: Say) -> Self {
        let metadata = |key: &str| config.metadata.get(key).cloned().unwrap_or_default();
        Self {
            say,
            worker: BTreeMap::from([
                ("worker", WORKER.to_owned()),
                ("workerPoolId", config.task_queue_id.clone()),
                ("workerId", config.worker_id.clone()),
                ("region", metadata("region")),
                ("instanceType", metadata("instanceType")),
            ]),
        }
    }

    /// When the machine has started.
    pub(crate) fn instance_boot(&self) {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let seconds = stat
            .lines()
            .find_map(|line| line.strip_prefix("btime "))
            .and_then(|seconds| seconds.trim().parse().ok());
        // Where the kernel does not say it, nobody does.
        if let Some(booted) = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0)) {
            self.event("instanceBoot", booted, None);
        }
    }

    /// That the machine is not wanted any more.
    pub(crate) fn instance_shutdown(&self) {
        self.event("instanceShutdown", Utc::now(), None);
    }

    fn event(&self, kind: &str, at: DateTime<Utc>, run: Option<&RunKey>) {
        let mut fields: BTreeMap<&str, Value> = self
            .worker
            .iter()
            .map(|(key, value)| (*key, value.as_str().into()))
            .collect();
        fields.insert("eventType", kind.into());
        fields.insert("timestamp", at.timestamp().into());
        if let Some(run) = run {
            fields.insert("taskId", run.task_id.as_str().into());
            fields.insert("runId", run.run_id.into());
        }
        if let Ok(fields) = serde_json::to_string(&fields) {
            (self.say)(&format!("WORKER_METRICS {fields}"));
        }
    }
}

impl RunObserver for WorkerMetrics {
    fn ready(&self) {
        self.event("workerReady", Utc::now(), None);
    }

    fn claimed(&self, key: &RunKey, created: DateTime<Utc>) {
        self.event("taskQueued", created, Some(key));
        self.event("taskStart", Utc::now(), Some(key));
    }

    fn stage(&self, _key: &RunKey, _stage: &'static str) {}

    fn resolved(&self, key: &RunKey, _resolution: &str) {
        self.event("taskFinish", Utc::now(), Some(key));
    }
}

impl fmt::Debug for WorkerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerMetrics")
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn an_event_is_a_line_with_its_fields_in_order() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let say = {
            let said = said.clone();
            Arc::new(move |line: &str| said.lock().unwrap().push(line.to_owned()))
        };
        let metrics = WorkerMetrics {
            say,
            worker: BTreeMap::from([("worker", WORKER.to_owned()), ("workerId", "w1".to_owned())]),
        };
        let key = RunKey {
            task_id: "fN1SbArXTPSVFNUvaOlinQ".to_owned(),
            run_id: 1,
        };
        let created = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        metrics.claimed(&key, created);
        metrics.ready();
        metrics.instance_boot();
        let said = said.lock().unwrap();
        assert_eq!(
            said[0],
            "WORKER_METRICS {\"eventType\":\"taskQueued\",\"runId\":1,\"taskId\":\"fN1SbArXTPSVFNUvaOlinQ\",\
             \"timestamp\":1767225600,\"worker\":\"generic-worker\",\"workerId\":\"w1\"}"
        );
        let kinds = ["taskQueued", "taskStart", "workerReady", "instanceBoot"];
        for (line, kind) in said.iter().zip(kinds) {
            assert!(line.contains(&format!("\"eventType\":\"{kind}\"")), "{line}");
        }
        assert_eq!(said.len(), kinds.len());
    }
}
