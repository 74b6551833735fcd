//! The worker's own lines in a task's log, and what a run leaves for the worker to know.

use std::time::Instant;

use engine_api::{LogLevel, LogSink, RunKey};
use plugin_host::{HookAnswer, HookErrorKind, PluginFailure, PluginIdentity, ports::WorkerInfo};

use super::{held::left_behind, resolution::Resolution};

/// Something that concerns the worker and not only the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Worker plugins are told; the worker goes on.
    NonFatal(String),
    /// The worker stops now.
    Fatal(String),
}

/// Writes the course of a run into its log, and collects the trouble it had.
#[derive(Debug)]
pub(super) struct Journal {
    key: RunKey,
    log: std::sync::Arc<services::TaskLog>,
    began: Instant,
    troubles: Vec<Trouble>,
    told: Vec<PluginFailure>,
}

impl Journal {
    /// A journal for a run that begins now.
    pub(super) fn new(key: RunKey, log: std::sync::Arc<services::TaskLog>) -> Self {
        Self {
            key,
            log,
            began: Instant::now(),
            troubles: Vec::new(),
            told: Vec::new(),
        }
    }

    /// The first lines of a log.
    pub(super) fn begin(&self, worker: &WorkerInfo, plugins: &[PluginIdentity]) {
        let WorkerInfo {
            worker_group,
            worker_id,
            task_queue_id,
            ..
        } = worker;
        self.info(&format!("Task ID: {}, run {}", self.key.task_id, self.key.run_id));
        self.info(&format!("Worker: {worker_group}/{worker_id} of {task_queue_id}"));
        for plugin in plugins {
            let PluginIdentity { name, version, .. } = plugin;
            let sha256 = plugin.short_sha256();
            self.info(&format!("Plugin: {name} {version} (sha256 {sha256})"));
        }
        self.info("=== Task Starting ===");
    }

    /// The last lines of a log.
    pub(super) fn finish(&self) {
        self.info("=== Task Finished ===");
        self.info(&format!(
            "Task Duration: {:.3} s",
            self.began.elapsed().as_secs_f64()
        ));
    }

    /// A line of the ordinary course.
    pub(super) fn info(&self, text: &str) {
        self.log.line(LogLevel::Info, text);
    }

    /// A line that the task's author should see.
    pub(super) fn warn(&self, text: &str) {
        self.log.line(LogLevel::Warn, text);
    }

    /// A line that says why the task will not succeed.
    pub(super) fn error(&self, text: &str) {
        self.log.line(LogLevel::Error, text);
    }

    /// What the plugins' hook came to. Once the run is resolved, what they complain of is most likely only a consequence
    /// of that: it goes to the worker's log, and is no trouble unless it is fatal.
    pub(super) fn hook(&mut self, answer: &HookAnswer, after_resolution: AfterResolution) {
        for failure in &answer.failures {
            self.failure(failure, after_resolution);
        }
    }

    /// One plugin's failure; says nothing of one that was told before.
    pub(super) fn failure(&mut self, failure: &PluginFailure, after_resolution: AfterResolution) {
        if self.told.contains(failure) {
            return;
        }
        self.told.push(failure.clone());
        let PluginFailure {
            plugin,
            kind,
            message,
        } = failure;
        if *kind == HookErrorKind::Fatal {
            self.troubles
                .push(Trouble::Fatal(format!("plugin {plugin}: {message}")));
        }
        if after_resolution == AfterResolution::Yes {
            return tracing::info!(run = %self.key, plugin, ?kind, error = message, "a hook failed after the run was resolved");
        }
        match kind {
            HookErrorKind::MalformedPayload => {
                for line in message.lines() {
                    self.error(&format!("plugin {plugin}: {line}"));
                }
            }
            HookErrorKind::ResourceUnavailable | HookErrorKind::IntermittentTask => {
                self.error(&format!("plugin {plugin}: {message}"));
            }
            HookErrorKind::Internal | HookErrorKind::Fatal => {
                tracing::error!(run = %self.key, plugin, error = message, "a plugin failed");
                self.error(&format!("internal error of plugin {plugin}: {message}"));
                if *kind == HookErrorKind::Internal {
                    self.troubles
                        .push(Trouble::NonFatal(format!("plugin {plugin}: {message}")));
                }
            }
        }
    }

    /// What the engine could not do. An internal error is trouble even after the resolution: an engine that only heard of
    /// the abort says `Cancelled`.
    pub(super) fn engine(&mut self, error: &engine_api::EngineError, after_resolution: AfterResolution) {
        use engine_api::EngineErrorKind as Kind;
        let is_trouble = matches!(error.kind(), Kind::Internal | Kind::Fatal);
        if after_resolution == AfterResolution::Yes && !is_trouble {
            return tracing::debug!(run = %self.key, error = error as &dyn std::error::Error, "the engine stopped");
        }
        match error.kind() {
            Kind::Cancelled => {}
            Kind::MalformedPayload | Kind::ResourceUnavailable => {
                self.error(&error.to_string());
            }
            Kind::Internal | Kind::Fatal => {
                tracing::error!(run = %self.key, error = error as &dyn std::error::Error, "the engine failed");
                if after_resolution == AfterResolution::No {
                    self.error(&format!("internal error of the engine: {error}"));
                }
                let message = match left_behind(error) {
                    Some(left) => format!("{error}: {left}"),
                    None => error.to_string(),
                };
                self.troubles.push(if error.kind() == Kind::Fatal {
                    Trouble::Fatal(message)
                } else {
                    Trouble::NonFatal(message)
                });
            }
        }
    }

    /// Trouble that came from nobody's answer: a panic, or something left behind.
    pub(super) fn trouble(&mut self, message: String) {
        tracing::error!(run = %self.key, error = message, "trouble with a run");
        self.troubles.push(Trouble::NonFatal(message));
    }

    /// The run is over.
    pub(super) fn close(self, resolution: Resolution) -> Vec<Trouble> {
        let seconds = self.began.elapsed().as_secs_f64();
        tracing::info!(run = %self.key, %resolution, seconds, "run over");
        self.troubles
    }
}

/// Whether something was said of a run before or after its resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterResolution {
    /// It may be the cause of the resolution.
    No,
    /// It is most likely a consequence.
    Yes,
}
