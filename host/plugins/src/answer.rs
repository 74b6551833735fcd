//! What plugins answer to a hook, all together.

/// Who is to blame, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookErrorKind {
    /// The worker: it stops now. Only from a plugin that holds the grant `lifecycle`.
    Fatal,
    /// The plugin.
    Internal,
    /// Something outside the worker.
    ResourceUnavailable,
    /// Chance.
    IntermittentTask,
    /// The task's author.
    MalformedPayload,
}

/// One plugin's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFailure {
    /// Its name.
    pub plugin: String,
    /// Who is to blame.
    pub kind: HookErrorKind,
    /// What it says.
    pub message: String,
}

/// The answers of all plugins to one hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookAnswer {
    /// Of `stopped`: whether no plugin fails the task. True for any other hook.
    pub success: bool,
    /// Every error, in the order of the plugins' names.
    pub failures: Vec<PluginFailure>,
}

impl HookAnswer {
    /// The error that decides.
    #[must_use]
    pub fn worst(&self) -> Option<HookErrorKind> {
        self.failures.iter().map(|failure| failure.kind).min()
    }
}

/// Why a run was resolved as an exception, in the words of `exception-reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the contract's own words")]
pub enum ExceptionReason {
    MalformedPayload,
    WorkerShutdown,
    Canceled,
    ClaimLost,
    DeadlineExceeded,
    ResourceUnavailable,
    IntermittentTask,
    InternalError,
}

/// How the worker fares (`worker-status`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Since the worker started.
    pub uptime: std::time::Duration,
    /// Since the machine started.
    pub host_uptime: std::time::Duration,
    /// Since the last run ended; zero while one runs.
    pub idle: std::time::Duration,
    /// How many runs there are.
    pub running: u32,
    /// How many runs have ended.
    pub resolved: u64,
}
