//! What the export macros are made of.
//!
//! Exports are for WebAssembly alone: a plugin is also built for the machine, for its tests, and no linker there takes names
//! such as `taskcluster:plugin/plugin@0.1.0#describe`.

use std::cell::RefCell;

use crate::{
    ExceptionReason, HookError, NewTask, Plugin, ResultSet, Sandbox, SandboxBuilder, TaskInfo, TaskPlugin,
    WorkerInfo, WorkerPlugin, WorkerStatus,
    bindings::plugin::exports::taskcluster::plugin::plugin::Description,
};

/// `plugin.describe`.
pub fn describe<P: Plugin>() -> Description {
    Description {
        name: P::NAME.to_owned(),
        version: P::VERSION.to_owned(),
        summary: P::SUMMARY.to_owned(),
        documentation: P::documentation(),
        config_schema: P::CONFIG_SCHEMA.to_owned(),
    }
}

/// The config as the plugin has it.
pub fn parse_config<P: Plugin>(config: &str) -> Result<P::Config, String> {
    serde_json::from_str(config)
        .map_err(|error| format!("the config of plugin {} can't be read: {error}", P::NAME))
}

/// `plugin.payload-schema`.
pub fn payload_schema<P: Plugin>(config: &str) -> Result<String, String> {
    P::payload_schema(&parse_config::<P>(config)?)
}

/// Holds the task plugin of an instance from hook to hook.
#[derive(Debug)]
pub struct TaskSlot<P>(RefCell<Option<P>>);

impl<P: TaskPlugin> Default for TaskSlot<P> {
    fn default() -> Self {
        Self::new()
    }
}

// Hooks of one instance never overlap, and a guest has one thread.
impl<P: TaskPlugin> TaskSlot<P> {
    /// An instance that has not heard of its run.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// `task-hooks.new-task`.
    pub fn new_task(
        &self,
        task: TaskInfo,
        worker: WorkerInfo,
        config: &str,
        payload: Option<&str>,
    ) -> Result<(), HookError> {
        let config = parse_config::<P>(config).map_err(HookError::Internal)?;
        let payload = payload.map(serde_json::from_str).transpose().map_err(|error| {
            HookError::Internal(format!(
                "plugin {} can't read a payload that its schema allows: {error}",
                P::NAME
            ))
        })?;
        let plugin = P::new_task(NewTask {
            task,
            worker,
            config,
            payload,
        })?;
        self.0.replace(Some(plugin));
        Ok(())
    }

    fn with<R>(&self, hook: impl FnOnce(&mut P) -> Result<R, HookError>) -> Result<R, HookError> {
        match self.0.borrow_mut().as_mut() {
            Some(plugin) => hook(plugin),
            None => Err(HookError::Internal(format!(
                "plugin {} was not told of the task",
                P::NAME
            ))),
        }
    }

    /// `task-hooks.build-sandbox`.
    pub fn build_sandbox(&self, builder: &SandboxBuilder) -> Result<(), HookError> {
        self.with(|plugin| plugin.build_sandbox(builder))
    }

    /// `task-hooks.started`.
    pub fn started(&self, sandbox: &Sandbox) -> Result<(), HookError> {
        self.with(|plugin| plugin.started(sandbox))
    }

    /// `task-hooks.stopped`.
    pub fn stopped(&self, results: &ResultSet) -> Result<bool, HookError> {
        self.with(|plugin| plugin.stopped(results))
    }

    /// `task-hooks.finished`.
    pub fn finished(&self, success: bool) -> Result<(), HookError> {
        self.with(|plugin| plugin.finished(success))
    }

    /// `task-hooks.exception`. A plugin whose `new-task` failed has nothing to do.
    pub fn exception(&self, reason: ExceptionReason) -> Result<(), HookError> {
        match self.0.borrow_mut().as_mut() {
            Some(plugin) => plugin.exception(reason),
            None => Ok(()),
        }
    }
}

/// Holds the worker plugin of an instance from hook to hook.
#[derive(Debug)]
pub struct WorkerSlot<P>(RefCell<Option<P>>);

impl<P: WorkerPlugin> Default for WorkerSlot<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: WorkerPlugin> WorkerSlot<P> {
    /// An instance that has not heard of its worker.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// `worker-hooks.worker-started`.
    pub fn worker_started(&self, worker: WorkerInfo, config: &str) -> Result<(), String> {
        let plugin = P::worker_started(worker, parse_config::<P>(config)?)?;
        self.0.replace(Some(plugin));
        Ok(())
    }

    /// `worker-hooks.report-idle`.
    pub fn report_idle(&self, status: WorkerStatus) {
        if let Some(plugin) = self.0.borrow_mut().as_mut() {
            plugin.report_idle(status);
        }
    }

    /// `worker-hooks.report-progress`.
    pub fn report_progress(&self, status: WorkerStatus) {
        if let Some(plugin) = self.0.borrow_mut().as_mut() {
            plugin.report_progress(status);
        }
    }

    /// `worker-hooks.report-non-fatal-error`.
    pub fn report_non_fatal_error(&self, message: String) {
        if let Some(plugin) = self.0.borrow_mut().as_mut() {
            plugin.report_non_fatal_error(message);
        }
    }
}

/// Exports a [`TaskPlugin`]: `export_task_plugin!(MyPlugin);`, once in a crate.
#[macro_export]
macro_rules! export_task_plugin {
    ($plugin:ty) => {
        const _: () = {
            $crate::__export_plugin!($plugin);
            $crate::__export_task_hooks!($plugin);
        };
    };
}

/// Exports a [`WorkerPlugin`]: `export_worker_plugin!(MyPlugin);`, once in a crate.
#[macro_export]
macro_rules! export_worker_plugin {
    ($plugin:ty) => {
        const _: () = {
            $crate::__export_plugin!($plugin);
            $crate::__export_worker_hooks!($plugin);
        };
    };
}

/// Exports a plugin that is both a [`TaskPlugin`] and a [`WorkerPlugin`]: `export_task_and_worker_plugin!(MyPlugin);`, once
/// in a crate. Its instance that serves the worker and those that serve runs share nothing.
#[macro_export]
macro_rules! export_task_and_worker_plugin {
    ($plugin:ty) => {
        const _: () = {
            $crate::__export_plugin!($plugin);
            $crate::__export_task_hooks!($plugin);
            $crate::__export_worker_hooks!($plugin);
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_plugin {
    ($plugin:ty) => {
        struct Component;
        use $crate::bindings::plugin::exports::taskcluster::plugin::plugin as exported;

        impl exported::Guest for Component {
            fn describe() -> exported::Description {
                $crate::describe::<$plugin>()
            }

            fn payload_schema(config: String) -> Result<String, String> {
                $crate::payload_schema::<$plugin>(&config)
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::bindings::plugin::export_plugin_world!(Component with_types_in $crate::bindings::plugin);
        // What an export would use is used elsewhere too.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() -> exported::Description = <Component as exported::Guest>::describe;
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_task_hooks {
    ($plugin:ty) => {
        ::std::thread_local! {
            static TASK: $crate::TaskSlot<$plugin> = const { $crate::TaskSlot::new() };
        }

        impl $crate::bindings::task::exports::taskcluster::plugin::task_hooks::Guest for Component {
            fn new_task(
                task: $crate::TaskInfo,
                worker: $crate::WorkerInfo,
                config: String,
                payload: Option<String>,
            ) -> Result<(), $crate::HookError> {
                TASK.with(|slot| slot.new_task(task, worker, &config, payload.as_deref()))
            }

            fn build_sandbox(builder: &$crate::SandboxBuilder) -> Result<(), $crate::HookError> {
                TASK.with(|slot| slot.build_sandbox(builder))
            }

            fn started(sandbox: &$crate::Sandbox) -> Result<(), $crate::HookError> {
                TASK.with(|slot| slot.started(sandbox))
            }

            fn stopped(results: &$crate::ResultSet) -> Result<bool, $crate::HookError> {
                TASK.with(|slot| slot.stopped(results))
            }

            fn finished(success: bool) -> Result<(), $crate::HookError> {
                TASK.with(|slot| slot.finished(success))
            }

            fn exception(reason: $crate::ExceptionReason) -> Result<(), $crate::HookError> {
                TASK.with(|slot| slot.exception(reason))
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::bindings::task::export_task_world!(Component with_types_in $crate::bindings::task);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_worker_hooks {
    ($plugin:ty) => {
        ::std::thread_local! {
            static WORKER: $crate::WorkerSlot<$plugin> = const { $crate::WorkerSlot::new() };
        }

        impl $crate::bindings::worker::exports::taskcluster::plugin::worker_hooks::Guest for Component {
            fn worker_started(worker: $crate::WorkerInfo, config: String) -> Result<(), String> {
                WORKER.with(|slot| slot.worker_started(worker, &config))
            }

            fn report_idle(status: $crate::WorkerStatus) {
                WORKER.with(|slot| slot.report_idle(status));
            }

            fn report_progress(status: $crate::WorkerStatus) {
                WORKER.with(|slot| slot.report_progress(status));
            }

            fn report_non_fatal_error(message: String) {
                WORKER.with(|slot| slot.report_non_fatal_error(message));
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::bindings::worker::export_worker_world!(Component with_types_in $crate::bindings::worker);
    };
}
