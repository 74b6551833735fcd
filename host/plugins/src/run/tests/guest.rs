//! Plugins of a few lines of text, whose hooks do what a test says.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What a plugin's hooks do, in WebAssembly text: each leaves the address of its answer. See `guest.wat` for what they can
/// call.
#[derive(Clone, Copy)]
pub(super) struct Guest {
    pub(super) describe: &'static str,
    pub(super) new_task: &'static str,
    pub(super) build_sandbox: &'static str,
    pub(super) started: &'static str,
    pub(super) stopped: &'static str,
    pub(super) finished: &'static str,
    pub(super) exception: &'static str,
    /// Further definitions.
    pub(super) rest: &'static str,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            describe: "",
            new_task: "(call $ok)",
            build_sandbox: "(call $ok)",
            started: "(call $ok)",
            stopped: "(i32.const 288)",
            finished: "(call $ok)",
            exception: "(call $ok)",
            rest: "",
        }
    }
}

/// It imports what its module does.
const WORLD: &str = "
    package test:guests;
    world guest {
        include taskcluster:plugin/task-plugin@0.1.0;
        include taskcluster:plugin/capabilities@0.1.0;
    }";

impl Guest {
    pub(super) fn wasm(&self) -> Vec<u8> {
        let text = [
            ("(; describe ;)", self.describe),
            ("(; new-task ;)", self.new_task),
            ("(; build-sandbox ;)", self.build_sandbox),
            ("(; started ;)", self.started),
            ("(; stopped ;)", self.stopped),
            ("(; finished ;)", self.finished),
            ("(; exception ;)", self.exception),
            ("(; rest ;)", self.rest),
        ]
        .into_iter()
        .fold(include_str!("guest.wat").to_owned(), |text, (place, code)| {
            text.replace(place, code)
        });
        let mut module = wat::parse_str(text).unwrap();
        let mut resolve = Resolve::default();
        resolve
            .push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit"))
            .unwrap();
        let package = resolve.push_str("guest.wit", WORLD).unwrap();
        let world = resolve.select_world(&[package], Some("guest")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default()
            .module(&module)
            .unwrap()
            .encode()
            .unwrap()
    }
}
