//! What calls the kernel of Linux. Another system is a sibling of this folder.

pub(crate) mod cgroup;
pub(crate) mod fork;
pub(crate) mod open_files;
pub(crate) mod orphans;
pub(crate) mod pidfd;
pub(crate) mod pipe;
pub(crate) mod processes;
