//! The queue through HTTP, with our client and with raw requests.

mod artifacts;
mod auth;
mod claims;
mod content;
mod durability;
mod junk;
mod kit;
mod runs;
mod tasks;
