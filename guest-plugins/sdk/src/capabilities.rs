//! The capabilities as methods and modules. Each function here imports its capability, and so needs its grant; what a
//! plugin does not call, it does not import.

/// Setting the environment of the task. Needs the grant `environment`.
pub mod environment {
    use crate::{Error, SandboxBuilder, bindings::plugin::taskcluster::plugin::environment as host};

    /// Adds the capability to the builder.
    pub trait SetVariable {
        /// Sets a variable of the task's environment.
        ///
        /// # Errors
        /// `Conflict` where it is set already, `Invalid` where no environment can hold it.
        fn set_variable(&self, name: &str, value: &str) -> Result<(), Error>;
    }

    impl SetVariable for SandboxBuilder {
        fn set_variable(&self, name: &str, value: &str) -> Result<(), Error> {
            host::set_variable(self, name, value)
        }
    }
}

/// Ending the task early. Needs the grant `kill`.
pub mod kill {
    use crate::{Error, Sandbox, bindings::plugin::taskcluster::plugin::kill as host};

    /// Adds the capability to the sandbox.
    pub trait Kill {
        /// Begins to end every process in the sandbox; the run goes on to `stopped`, without success.
        ///
        /// # Errors
        /// `Closed` once the sandbox has ended.
        fn kill(&self) -> Result<(), Error>;
    }

    impl Kill for Sandbox {
        fn kill(&self) -> Result<(), Error> {
            host::kill(self)
        }
    }
}

/// Reading what the sandbox left behind. Needs the grant `results`.
pub mod results {
    use crate::{ResultSet, bindings::plugin::taskcluster::plugin::results as host, files::File};
    pub use host::{Entry, ExtractError, Folder};

    /// Adds the capability to the result set.
    pub trait Extract {
        /// A file of the task's.
        ///
        /// # Errors
        /// See [`ExtractError`].
        fn extract_file(&self, path: &str) -> Result<File, ExtractError>;
        /// The files below a folder of the task's, pulled one by one with [`Folder::next`].
        ///
        /// # Errors
        /// See [`ExtractError`].
        fn extract_folder(&self, path: &str) -> Result<Folder, ExtractError>;
    }

    impl Extract for ResultSet {
        fn extract_file(&self, path: &str) -> Result<File, ExtractError> {
            host::extract_file(self, path)
        }

        fn extract_folder(&self, path: &str) -> Result<Folder, ExtractError> {
            host::extract_folder(self, path)
        }
    }
}

/// Artifacts of the run. Needs the grant `artifacts`.
pub mod artifacts {
    pub use crate::bindings::plugin::taskcluster::plugin::artifacts::{
        Encoding, Options, Outcome, Uploaded, link, next_outcome, reference, report_error, upload,
    };
}

/// The run's log as bytes. Needs the grant `task-log`.
pub mod task_log {
    pub use crate::bindings::plugin::taskcluster::plugin::task_log::{content, live_url};
}

/// The whole task definition. Needs the grant `task-definition`.
pub mod task_definition {
    pub use crate::bindings::plugin::taskcluster::plugin::task_definition::get;
}

/// The worker's own life. Needs the grant `lifecycle`.
pub mod lifecycle {
    pub use crate::bindings::plugin::taskcluster::plugin::lifecycle::{Lifecycle, worker};
}

/// Lines in the task's and the worker's log. Always granted.
pub mod log {
    pub use crate::bindings::plugin::taskcluster::plugin::log::{Level, task, worker};
}

/// Bytes that the host owns. Always granted.
pub mod files {
    pub use crate::bindings::plugin::taskcluster::plugin::files::{File, Reader, from_bytes};
}
