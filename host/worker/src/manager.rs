//! What the pool's owners are told in worker-manager when the worker can't do its work.

use std::{error::Error, time::Duration};

use queue::wire::WorkerErrorReport;
use serde_json::Map;

use crate::root::ManagedWorker;

/// How long a report may take: the worker ends, whatever worker-manager does.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest title that worker-manager takes, in characters.
const MAX_TITLE: usize = 128;
/// The same of descriptions.
const MAX_DESCRIPTION: usize = 10_240;
/// What kind of error it is that keeps a worker from working.
const KIND: &str = "worker-error";

impl ManagedWorker {
    /// Tells worker-manager of an error, as well as that can be done. `description` must hold no secret.
    pub(crate) async fn report_error(&self, title: &str, description: &str) {
        let report = report(self, title, description);
        let call = self
            .manager
            .report_worker_error(&self.name.worker_pool_id, &report);
        match tokio::time::timeout(PATIENCE, call).await {
            Ok(Ok(())) => tracing::info!(title, "told worker-manager of the error"),
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn Error,
                "worker-manager could not be told of the error"
            ),
            Err(_) => tracing::warn!("worker-manager does not answer, it is not told of the error"),
        }
    }
}

fn report(worker: &ManagedWorker, title: &str, description: &str) -> WorkerErrorReport {
    let cut = |text: &str, most: usize| text.chars().take(most).collect();
    WorkerErrorReport {
        worker_group: worker.name.worker_group.clone(),
        worker_id: worker.name.worker_id.clone(),
        kind: KIND.to_owned(),
        title: cut(title, MAX_TITLE),
        description: cut(description, MAX_DESCRIPTION),
        extra: Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use queue::{ClientOptions, Deployment, WorkerName};

    use super::*;

    #[test]
    fn reports_are_as_long_as_worker_manager_takes_them() {
        let http = reqwest::Client::new();
        let deployment = Deployment::anonymous(http, "https://tc.example.com", ClientOptions::default());
        let worker = ManagedWorker {
            manager: deployment.unwrap().worker_manager(),
            name: WorkerName {
                worker_pool_id: "a/b".to_owned(),
                worker_group: "g".to_owned(),
                worker_id: "w".to_owned(),
            },
        };
        let report = report(&worker, &"ä".repeat(200), &"ä".repeat(20_000));
        assert_eq!(report.title.chars().count(), MAX_TITLE);
        assert_eq!(report.description.chars().count(), MAX_DESCRIPTION);
    }
}
