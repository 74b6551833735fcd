//! Version 3: worker pools, workers, what workers were seen doing, quarantine.

pub(in crate::store) const WORKERS: &str = "";
