//! The host's bindings, generated once for each version of the contract. Exports are looked up one interface at a time
//! (the `GuestIndices` types), since no plugin exports all of them. What is done with them for each version is in `contract`.

/// The version that the host itself is written in: capabilities implement its interfaces, and its types are used everywhere.
pub(crate) use v0_1 as latest;

#[expect(clippy::error_impl_error, reason = "generated from the contract's own words")]
pub(crate) mod v0_1 {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "everything",
        imports: {
            "taskcluster:plugin/log@0.1.0": trappable,
            "taskcluster:plugin/environment@0.1.0": trappable,
            default: async | trappable,
        },
        exports: { default: async },
        with: {
            "taskcluster:plugin/sandbox-builder@0.1.0.sandbox-builder": crate::handles::BuilderHandle,
            "taskcluster:plugin/sandbox@0.1.0.sandbox": crate::handles::SandboxHandle,
            "taskcluster:plugin/result-set@0.1.0.result-set": crate::handles::ResultsHandle,
            "taskcluster:plugin/files@0.1.0.file": crate::handles::FileHandle,
            "taskcluster:plugin/files@0.1.0.reader": crate::handles::ReaderHandle,
            "taskcluster:plugin/results@0.1.0.folder": crate::handles::FolderHandle,
            "taskcluster:plugin/lifecycle@0.1.0.lifecycle": crate::handles::LifecycleHandle,
        },
    });
}

/// A next version as it might be: see `contract/trial.rs`. Types that are as they were are the same types.
#[cfg(test)]
#[expect(clippy::error_impl_error, reason = "generated from the contract's own words")]
pub(crate) mod trial {
    wasmtime::component::bindgen!({
        path: "src/contract/trial.wit",
        world: "everything",
        imports: {
            "taskcluster:plugin/log@0.2.0": trappable,
            "taskcluster:plugin/environment@0.2.0": trappable,
            default: async | trappable,
        },
        exports: { default: async },
        with: {
            "taskcluster:plugin/types@0.2.0": super::v0_1::taskcluster::plugin::types,
            "taskcluster:plugin/sandbox-builder@0.2.0.sandbox-builder": crate::handles::BuilderHandle,
            "taskcluster:plugin/sandbox@0.2.0.sandbox": crate::handles::SandboxHandle,
            "taskcluster:plugin/result-set@0.2.0.result-set": crate::handles::ResultsHandle,
        },
    });
}
