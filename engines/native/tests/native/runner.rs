//! Runs the tests one after the other: some of them kill what others would have running.

use std::{
    os::unix::process::CommandExt,
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Command, ExitCode},
};

use nix::unistd::geteuid;

/// Who root becomes for the second time.
const NOBODY: u32 = 65534;

/// A test and its name.
pub(crate) type Test = (&'static str, fn());

/// Makes the list of a module's tests, which are async functions. One that is not listed is dead code.
macro_rules! tests {
    ($($name:ident,)*) => {
        pub(crate) const TESTS: &[crate::runner::Test] = &[
            $((concat!(module_path!(), "::", stringify!($name)), || crate::runner::block_on($name())),)*
        ];
    };
}
pub(crate) use tests;

pub(crate) fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

/// Understands of the arguments of a usual test program: filters, `--exact`, `--list`; the others have no effect.
pub(crate) fn run(tests: &[&[Test]]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| arguments.iter().any(|argument| argument == name);
    let filters: Vec<_> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |name: &str| {
        let matches = |filter: &String| {
            if option("--exact") {
                name == filter
            } else {
                name.contains(filter)
            }
        };
        filters.is_empty() || filters.iter().any(|filter| matches(filter))
    };
    let wanted: Vec<_> = tests
        .iter()
        .copied()
        .flatten()
        .filter(|(name, _)| wanted(name))
        .collect();
    if option("--list") {
        wanted.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let user = if geteuid().is_root() { "root" } else { "no root" };
    println!("\nrunning {} tests as {user}", wanted.len());
    let mut failed = Vec::new();
    for (name, test) in wanted {
        let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(name);
        }
    }
    println!("\ntest result as {user}: {} failed {failed:?}", failed.len());
    if failed.is_empty() && run_as_nobody(&arguments) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run_as_nobody(arguments: &[String]) -> bool {
    if !geteuid().is_root() {
        return true;
    }
    // Not by its path, which nobody may not be allowed to reach.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(arguments)
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .env_remove("TMPDIR");
    command.status().unwrap().success()
}
