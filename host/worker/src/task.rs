//! One task, from its claim to its report. Read [`stage`] first: it has the whole life of a task.

pub(crate) mod lease;
pub(crate) mod resolution;
pub(crate) mod run;
pub(crate) mod stage;

mod held;
pub(crate) mod journal;
