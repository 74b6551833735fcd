//! How many files this process may have open. What tasks leave behind is read while other tasks run, and each level of a
//! folder that is walked through is open meanwhile: the usual soft limit of 1024, made for programs that use `select`, would be
//! used up by a few of them, and nothing could connect to the queue any more.

use std::sync::OnceLock;

use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit, setrlimit},
};

/// More than any worker needs: as a hard limit some systems have a billion.
const ENOUGH: u64 = 1 << 16;

/// The soft limit that this process was started with.
static BEFORE: OnceLock<u64> = OnceLock::new();

/// Raises the soft limit of this process as far as it may, and answers what it was when that was first called: that is for the
/// processes of tasks. Where the kernel refuses, it stays as it is.
pub(crate) fn raise() -> Option<u64> {
    if let Some(before) = BEFORE.get() {
        return Some(*before);
    }
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let before = *BEFORE.get_or_init(|| soft);
    let wanted = hard.min(ENOUGH);
    if wanted > soft
        && let Err(error) = set(wanted)
    {
        tracing::debug!(%error, soft, hard, "the limit of open files could not be raised");
    }
    Some(before)
}

/// Sets the soft limit.
pub(crate) fn set(soft: u64) -> Result<(), Errno> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard)
}
