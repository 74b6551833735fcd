//! The tables of the services beside the queue. Times are milliseconds after 1970.

mod objects;
mod services;
mod workers;

pub(super) use objects::OBJECTS;
pub(super) use services::SERVICES;
pub(super) use workers::WORKERS;
