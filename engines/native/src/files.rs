//! The files of a task, reached without ever leaving where they may be.

pub(crate) mod beneath;
pub(crate) mod content;
pub(crate) mod locate;
pub(crate) mod remove;
pub(crate) mod walk;
