//! The worker's own life, for plugins that hold the grant `lifecycle`.

use plugin_host::ports::Lifecycle;

use crate::stop::StopHandle;

impl Lifecycle for StopHandle {
    fn stop_gracefully(&self, why: &str) {
        self.graceful(why);
    }

    fn stop_now(&self, why: &str) {
        self.now(why);
    }

    fn stopping(&self) -> bool {
        Self::stopping(self)
    }
}
