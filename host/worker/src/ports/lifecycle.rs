//! The worker's own life, for plugins that hold the grant `lifecycle`.

use plugin_host::ports::Lifecycle;

use crate::stop::{Reason, StopHandle};

impl Lifecycle for StopHandle {
    fn stop_gracefully(&self, why: &str) {
        self.graceful(Reason::Plugin, why);
    }

    fn stop_now(&self, why: &str) {
        self.now(Reason::Plugin, why);
    }

    fn stopping(&self) -> bool {
        Self::stopping(self)
    }
}
