//! `make bench`: prints the numbers that the README quotes, with the machine that they were measured on. Asserts none of them.

#[cfg(test)]
mod commands;
#[cfg(test)]
#[path = "../it/kit/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests use more of it")]
mod kit;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod plugins;
#[cfg(test)]
mod queue_alone;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tap;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod uploads;

use std::process::ExitCode;

#[cfg(test)]
fn main() -> ExitCode {
    let begun = commands::now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = commands::run(begun, &arguments) {
        return code;
    }
    // `cargo bench … -- uploads` prints that part alone.
    let wanted = |part: &str| {
        let mut named = arguments
            .iter()
            .filter(|argument| !argument.starts_with("--"))
            .peekable();
        named.peek().is_none() || named.any(|name| name == part)
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        println!("{}\n", machine());
        table::head();
        if wanted("plugins") {
            plugins::run().await;
        }
        if wanted("tasks") {
            tasks::run().await;
        }
        if wanted("uploads") {
            uploads::run().await;
        }
        if wanted("queue") {
            queue_alone::run(10_000).await;
            queue_alone::run(100_000).await;
        }
    });
    ExitCode::SUCCESS
}

/// What the numbers were measured on.
#[cfg(test)]
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim());
        value.unwrap_or("unknown").to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "Machine: {}, {cores} cores, {} of memory, Linux {}.",
        field(&read("/proc/cpuinfo"), "model name"),
        field(&read("/proc/meminfo"), "MemTotal"),
        read("/proc/sys/kernel/osrelease").trim()
    )
}

#[cfg(not(test))]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}
