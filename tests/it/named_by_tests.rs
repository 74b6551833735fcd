//! The names of the guests: a constant for each plugin that comes with the worker, such as [`ENV`], and for each guest under
//! `tests/plugins`, such as [`MISBEHAVE`] and [`ATTACK_17_TIGHT_LOOP`]. `host/worker/build.rs` makes them of the names of
//! folders and files.
//!
//! A test names a guest by its constant, as in `Plugin::misbehaving(MISBEHAVE, &[])`. The constant of a guest that no test
//! names is dead code, which does not compile here.

#![deny(dead_code, reason = "a guest without a test that names it does not compile")]

include!(concat!(env!("OUT_DIR"), "/guests.rs"));
