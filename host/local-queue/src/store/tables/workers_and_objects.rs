//! Version 3: worker pools, workers, quarantine, objects.

pub(in crate::store) const WORKERS_AND_OBJECTS: &str = "";
