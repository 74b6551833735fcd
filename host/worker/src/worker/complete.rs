//! Whether every plugin that the config requires is in service. A worker that lacks one claims nothing: what it is there to
//! enforce would not be enforced.

use plugin_host::Lacking;

use super::Worker;

impl Worker {
    /// Whether everything is in service without which no task is to be run. Looks at the plugin directory and at the plugins'
    /// faults, so that what was mended is noticed.
    pub(super) async fn is_complete(&mut self) -> bool {
        let plugins = self.plugins.clone();
        let lacking = self
            .attend(async move {
                let set = plugins.current().await;
                plugins.lacking(&set)
            })
            .await;
        self.counts.lacking_plugins().set(lacking.len() as u64);
        if lacking != self.lacking {
            for Lacking { plugin, why } in &lacking {
                tracing::error!(
                    plugin,
                    why,
                    "a plugin that the config requires is not in service: claiming no tasks until it is"
                );
            }
            if lacking.is_empty() {
                tracing::info!("every plugin that the config requires is in service: claiming tasks again");
            }
            self.tell_manager(&lacking).await;
            self.lacking = lacking;
        }
        if !self.lacking.is_empty() {
            tracing::debug!(lacking = self.lacking.len(), "not claiming");
        }
        self.lacking.is_empty()
    }

    /// Tells the pool's owners why the worker does not work, where there is somebody to tell.
    async fn tell_manager(&mut self, lacking: &[Lacking]) {
        let Some(managed) = self.settings.managed.clone() else {
            return;
        };
        let lines: Vec<String> = lacking
            .iter()
            .map(|Lacking { plugin, why }| format!("plugin {plugin}: {why}"))
            .collect();
        if !lines.is_empty() {
            let description = lines.join("\n");
            self.attend(async move {
                managed
                    .report_error("the worker lacks plugins that its config requires", &description)
                    .await;
            })
            .await;
        }
    }
}
