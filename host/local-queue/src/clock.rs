//! The queue's time: milliseconds, as everything that it writes down has them.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

/// Now, in whole milliseconds.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

/// The time `milliseconds` after 1970. Numbers that no calendar has, which only a damaged database holds, are 1970.
pub(crate) fn from_millis(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or(DateTime::UNIX_EPOCH)
}

/// `time` plus `duration`, as far as the calendar goes.
pub(crate) fn after(time: DateTime<Utc>, duration: std::time::Duration) -> DateTime<Utc> {
    TimeDelta::from_std(duration)
        .ok()
        .and_then(|delta| time.checked_add_signed(delta))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
        .trunc_subsecs(3)
}
