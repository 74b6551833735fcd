//! The compiler process by itself, for the tests of this crate: the worker's binary does the same as a hidden command.

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin_host::compile::child_main()
}
