//! `taskcluster:plugin@0.1.0`, whose words the host itself speaks.

use wasmtime::component::{HasSelf, Linker};

use super::Version;
use crate::{bindings::v0_1::taskcluster::plugin as imports, capabilities::Capability};

exports_of!(v0_1);

/// The version.
pub(super) static VERSION: Version = Version {
    number: "0.1.0",
    always: &[
        "types",
        "log",
        "files",
        "sandbox-builder",
        "sandbox",
        "result-set",
    ],
    link_always,
    link: |capability| Some(Capability::link_in_0_1(capability)),
    exports,
};

fn link_always(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    imports::types::add_to_linker::<_, HasSelf<State>>(linker, |s| s)?;
    imports::log::add_to_linker::<_, HasSelf<State>>(linker, |s| s)?;
    imports::files::add_to_linker::<_, HasSelf<State>>(linker, |s| s)?;
    imports::sandbox_builder::add_to_linker::<_, HasSelf<State>>(linker, |s| s)?;
    imports::sandbox::add_to_linker::<_, HasSelf<State>>(linker, |s| s)?;
    imports::result_set::add_to_linker::<_, HasSelf<State>>(linker, |s| s)
}
