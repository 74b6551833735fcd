//! libFuzzer around the targets: `make fuzz`.
//!
//! | arguments | |
//! |---|---|
//! | `--minutes N` | fuzzes every target, each for its share of the time; 0: the corpora alone |
//! | `--minutes N --target NAME` | fuzzes one |
//! | `--target NAME FILE…` | takes inputs once, such as that of a finding |
//! | `--target NAME --merge` | adds to the committed corpus what reaches more of the code than it does |
//!
//! Each target runs in a process of its own, which has the target's name in the variable `FUZZ_TARGET` and libFuzzer's own
//! arguments: libFuzzer starts itself again with the same. It is also started as a compiler of plugins (`__compile`).

#[path = "fuzz/drive.rs"]
mod drive;
#[path = "fuzz/libfuzzer.rs"]
mod libfuzzer;

use std::{env, process::ExitCode};

/// Says which target a process is for.
const TARGET: &str = "FUZZ_TARGET";

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some("__compile") {
        return plugin_host::compile::child_main();
    }
    if let Ok(name) = env::var(TARGET) {
        return libfuzzer::run(&name, env::args());
    }
    match drive::Order::read(env::args().skip(1)).and_then(drive::Order::perform) {
        Ok(code) => code,
        Err(error) => {
            drive::tell(&format!("fuzz: {error}"));
            ExitCode::from(2)
        }
    }
}
