//! The services through HTTP, with our client and with raw requests.

mod artifacts;
mod auth;
mod auth_service;
mod authenticate;
mod claims;
mod content;
mod durability;
mod index;
mod junk;
mod kit;

pub(crate) use kit::root;
mod objects;
mod purge_cache;
mod roles;
mod runs;
mod secrets;
mod tasks;
mod worker_manager;
mod workers;
