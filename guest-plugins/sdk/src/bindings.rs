//! The generated bindings of `wit/plugin.wit`, all in one place: one module for each world that a guest may be made of.

#![expect(missing_docs, reason = "generated; the WIT has the docs")]
#![expect(clippy::error_impl_error, reason = "generated; the WIT has the word")]

/// What every plugin exports, and all that it may import.
pub mod plugin {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "rust-plugin",
        pub_export_macro: true,
        export_macro_name: "export_plugin_world",
        default_bindings_module: "plugin_sdk::bindings::plugin",
    });
}

/// The hooks of task plugins.
pub mod task {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "rust-task-hooks",
        pub_export_macro: true,
        export_macro_name: "export_task_world",
        default_bindings_module: "plugin_sdk::bindings::task",
        with: {
            "taskcluster:plugin/types@0.1.0": crate::bindings::plugin::taskcluster::plugin::types,
            "taskcluster:plugin/sandbox-builder@0.1.0": crate::bindings::plugin::taskcluster::plugin::sandbox_builder,
            "taskcluster:plugin/sandbox@0.1.0": crate::bindings::plugin::taskcluster::plugin::sandbox,
            "taskcluster:plugin/result-set@0.1.0": crate::bindings::plugin::taskcluster::plugin::result_set,
        },
    });
}

/// The hooks of worker plugins.
pub mod worker {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "rust-worker-hooks",
        pub_export_macro: true,
        export_macro_name: "export_worker_world",
        default_bindings_module: "plugin_sdk::bindings::worker",
        with: {
            "taskcluster:plugin/types@0.1.0": crate::bindings::plugin::taskcluster::plugin::types,
        },
    });
}
