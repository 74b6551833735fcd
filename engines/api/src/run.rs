//! The name of a run: what every directory, cgroup and port of it is called after.

use std::fmt;

/// The run of a task, as the queue numbers them.
///
/// Two runs of one task may be on one machine at the same time (the next begins while this one disposes), so whatever
/// belongs to a run is named by both parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunKey {
    /// The task's slugid: 22 characters of the URL-safe base64 alphabet.
    pub task_id: String,
    /// Counts from 0.
    pub run_id: u32,
}

impl RunKey {
    /// A file name for what belongs to this run: `<taskId>_<runId>`.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}_{}", self.task_id, self.run_id)
    }
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.task_id, self.run_id)
    }
}
