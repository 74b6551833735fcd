//! Loads compiled code, which is the one thing of the plugin host that the compiler can't check.

use std::path::Path;

use wasmtime::{Engine, component::Component};

/// Maps compiled code into memory, ready to be run.
///
/// # Errors
/// When it was made by another version of wasmtime or with other settings.
pub(super) fn from_file(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file must be one that wasmtime wrote, and must not change while it is mapped. It is in a directory that
    // only the worker's user (and root) can write in, found through a way on which the same is true; it was put there by
    // `Cache::store` in one rename, from the output of our own compiler process; its contents have been checked against
    // the digest in its name; and nothing of ours writes to an entry, which is only ever replaced or unlinked.
    #[expect(unsafe_code, reason = "there is no other way to load compiled code")]
    unsafe {
        Component::deserialize_file(engine, path)
    }
}
