//! The exports of a version whose hooks take and answer the words of the latest: there is nothing to translate.

/// Defines `exports`, which finds what a component exports, by the bindings of a version.
macro_rules! exports_of {
    ($bindings:ident) => {
        use std::{sync::Arc, time::Duration};

        use async_trait::async_trait;
        use wasmtime::{
            Store,
            component::{InstancePre, Resource},
        };

        use super::{Answer, Exports, PluginExport, TaskExport, TaskHooks, WorkerExport};
        use crate::{
            answer::WorkerStatus,
            bindings::{
                latest::taskcluster::plugin::types::{ExceptionReason, WorkerInfo},
                $bindings::exports::taskcluster::plugin::{plugin, task_hooks, worker_hooks},
            },
            handles::{BuilderHandle, ResultsHandle, SandboxHandle},
            hooks::NewTask,
            prepared::{Description, Live},
            state::State,
        };

        fn exports(pre: &InstancePre<State>, has: &dyn Fn(&str) -> bool) -> wasmtime::Result<Exports> {
            let mut exports = Exports {
                plugin: Arc::new(plugin::GuestIndices::new(pre)?),
                task: None,
                worker: None,
            };
            if has("task-hooks") {
                exports.task = Some(Arc::new(task_hooks::GuestIndices::new(pre)?));
            }
            if has("worker-hooks") {
                exports.worker = Some(Arc::new(worker_hooks::GuestIndices::new(pre)?));
            }
            Ok(exports)
        }

        #[async_trait]
        impl PluginExport for plugin::GuestIndices {
            async fn describe(&self, live: &mut Live) -> wasmtime::Result<Description> {
                let guest = self.load(&mut live.store, &live.instance)?;
                let described = guest.call_describe(&mut live.store).await?;
                let section = |section: plugin::Section| (section.title, section.content);
                Ok(Description {
                    name: described.name,
                    version: described.version,
                    summary: described.summary,
                    documentation: described.documentation.into_iter().map(section).collect(),
                    config_schema: described.config_schema,
                })
            }

            async fn payload_schema(
                &self,
                live: &mut Live,
                config: String,
            ) -> wasmtime::Result<Result<String, String>> {
                let guest = self.load(&mut live.store, &live.instance)?;
                guest.call_payload_schema(&mut live.store, &config).await
            }
        }

        impl TaskExport for task_hooks::GuestIndices {
            fn of(&self, live: &mut Live) -> wasmtime::Result<Arc<dyn TaskHooks>> {
                Ok(Arc::new(self.load(&mut live.store, &live.instance)?))
            }
        }

        #[async_trait]
        impl TaskHooks for task_hooks::Guest {
            async fn new_task(&self, store: &mut Store<State>, call: NewTask) -> Answer<()> {
                let NewTask {
                    task,
                    worker,
                    config,
                    payload,
                } = call;
                self.call_new_task(store, &task, &worker, &config, payload.as_ref())
                    .await
            }

            async fn build_sandbox(&self, store: &mut Store<State>, builder: BuilderHandle) -> Answer<()> {
                let handle = store.data_mut().table.push(builder)?;
                let borrow = Resource::new_borrow(handle.rep());
                let answer = self.call_build_sandbox(&mut *store, borrow).await?;
                store.data_mut().table.delete(handle)?;
                Ok(answer)
            }

            async fn started(&self, store: &mut Store<State>, sandbox: SandboxHandle) -> Answer<()> {
                let handle = store.data_mut().table.push(sandbox)?;
                let borrow = Resource::new_borrow(handle.rep());
                let answer = self.call_started(&mut *store, borrow).await?;
                store.data_mut().table.delete(handle)?;
                Ok(answer)
            }

            async fn stopped(&self, store: &mut Store<State>, results: ResultsHandle) -> Answer<bool> {
                let handle = store.data_mut().table.push(results)?;
                let borrow = Resource::new_borrow(handle.rep());
                let answer = self.call_stopped(&mut *store, borrow).await?;
                store.data_mut().table.delete(handle)?;
                Ok(answer)
            }

            async fn finished(&self, store: &mut Store<State>, success: bool) -> Answer<()> {
                self.call_finished(store, success).await
            }

            async fn exception(&self, store: &mut Store<State>, reason: ExceptionReason) -> Answer<()> {
                self.call_exception(store, reason).await
            }
        }

        #[async_trait]
        impl WorkerExport for worker_hooks::GuestIndices {
            async fn worker_started(
                &self,
                live: &mut Live,
                worker: WorkerInfo,
                config: String,
            ) -> wasmtime::Result<Result<(), String>> {
                let guest = self.load(&mut live.store, &live.instance)?;
                guest
                    .call_worker_started(&mut live.store, &worker, &config)
                    .await
            }

            async fn report_idle(&self, live: &mut Live, status: WorkerStatus) -> wasmtime::Result<()> {
                let guest = self.load(&mut live.store, &live.instance)?;
                guest
                    .call_report_idle(&mut live.store, of_contract(status))
                    .await
            }

            async fn report_progress(&self, live: &mut Live, status: WorkerStatus) -> wasmtime::Result<()> {
                let guest = self.load(&mut live.store, &live.instance)?;
                guest
                    .call_report_progress(&mut live.store, of_contract(status))
                    .await
            }

            async fn report_non_fatal_error(&self, live: &mut Live, message: &str) -> wasmtime::Result<()> {
                let guest = self.load(&mut live.store, &live.instance)?;
                guest
                    .call_report_non_fatal_error(&mut live.store, message)
                    .await
            }
        }

        fn of_contract(status: WorkerStatus) -> worker_hooks::WorkerStatus {
            let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            worker_hooks::WorkerStatus {
                uptime_ms: ms(status.uptime),
                host_uptime_ms: ms(status.host_uptime),
                idle_ms: ms(status.idle),
                running: status.running,
                resolved: status.resolved,
            }
        }
    };
}
