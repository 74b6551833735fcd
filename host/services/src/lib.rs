//! What the host lends to tasks: temporary storage, the task log, and an address from which a log can be followed.
//!
//! - [`TemporaryStorage`] owns one directory; what a killed worker left there is gone before the next one begins.
//! - [`TaskLog`] is the one writer behind all that goes into a task's log; any number of [`LogFollower`]s read along.
//! - [`LiveLogServer`] serves the logs of all runs over HTTP while they are written.
//! - [`PageServer`] serves one page that is made anew for each reader.

mod http;
mod live_log;
mod page;
mod storage;
mod task_log;

pub use live_log::{BindError, LiveLogHandle, LiveLogOptions, LiveLogServer};
pub use page::{Page, PageServer, ServePageError};
pub use storage::{OpenStorageError, StorageError, TemporaryFile, TemporaryFolder, TemporaryStorage};
pub use task_log::{LogFollower, LogLength, LogReader, TaskLog};
