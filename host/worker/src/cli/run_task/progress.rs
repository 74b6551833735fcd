//! What is said while plugins are compiled, which takes seconds and happens once for each version of a plugin.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use plugin_host::Progress;

use crate::cli::say;

/// Says what is compiled. Nothing is said where everything was compiled before.
#[derive(Debug, Default)]
pub(super) struct FirstCompilation {
    announced: AtomicBool,
}

impl Progress for FirstCompilation {
    fn compiling(&self, plugin_file: &str, index: usize, total: usize) {
        if !self.announced.swap(true, Ordering::Relaxed) {
            say("compiling plugins, which is done once:");
        }
        say(&format!("  [{}/{total}] {plugin_file}", index.saturating_add(1)));
    }

    fn compiled(&self, plugin_file: &str, took: Duration) {
        tracing::debug!(plugin_file, ?took, "compiled");
    }
}
