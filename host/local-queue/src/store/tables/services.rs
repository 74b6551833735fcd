//! Version 2: roles, the index, secrets, caches to purge.

pub(in crate::store) const SERVICES: &str = "";
