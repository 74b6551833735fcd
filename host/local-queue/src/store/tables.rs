//! The tables of the services beside the queue. Times are milliseconds after 1970.

mod services;
mod workers_and_objects;

pub(super) use services::SERVICES;
pub(super) use workers_and_objects::WORKERS_AND_OBJECTS;
