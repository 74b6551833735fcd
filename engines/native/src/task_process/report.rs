//! What the task's log says of its commands: the lines that generic-worker writes.

use std::{io, time::Duration};

use engine_api::{LogLevel, LogSink};
use nix::{errno::Errno, libc, sys::signal::Signal};

use crate::{
    payload::display,
    protocol::{CommandEnd, HowEnded},
};

/// Before a command runs.
pub(super) fn executing(log: &dyn LogSink, index: usize, command: &[String]) {
    log.line(
        LogLevel::Info,
        &format!("Executing command {index}: {}", display(command)),
    );
}

/// After it has ended.
pub(super) fn ended(log: &dyn LogSink, command: &[String], end: &CommandEnd, aborted: Option<&'static str>) {
    let exit = match end.how {
        HowEnded::NotExecuted(number) => {
            log.line(LogLevel::Error, &not_executed(command, Errno::from_raw(number)));
            log.line(LogLevel::Info, "      Result: FAILED");
            return;
        }
        HowEnded::Exited(code) => code.to_string(),
        HowEnded::Signaled(number) => format!("none, it was ended by {}", signal_name(number)),
    };
    let result = aborted.unwrap_or(if end.how == HowEnded::Exited(0) {
        "SUCCEEDED"
    } else {
        "FAILED"
    });
    let block = format!(
        "   Exit Code: {exit}\n   User Time: {:?}\n Kernel Time: {:?}\n   Wall Time: {:?}\n      Result: {result}",
        rounded(end.user),
        rounded(end.kernel),
        rounded(end.wall),
    );
    log.line(LogLevel::Info, &block);
}

/// After a command was killed, of which the supervisor did not tell more.
pub(super) fn killed(log: &dyn LogSink) {
    log.line(LogLevel::Info, "      Result: ABORTED");
}

/// Where commands left processes behind.
pub(super) fn strays(log: &dyn LogSink, count: usize) {
    if count > 0 {
        let text = format!("Killed the processes that the commands had left running: {count}");
        log.line(LogLevel::Warn, &text);
    }
}

/// Where the supervisor was killed, which nobody but the task does.
pub(super) fn supervisor_killed(log: &dyn LogSink) {
    log.line(
        LogLevel::Error,
        "The process that supervises this task was killed with SIGKILL, and with it the task. Most likely a command of the \
         task did so, by sending the signal to all processes of its user.",
    );
}

/// Where the supervisor does not do what it is told.
pub(super) fn supervisor_silent(log: &dyn LogSink) {
    log.line(
        LogLevel::Error,
        "The process that supervises this task does not answer. Either a process of the task can't be ended, or one has \
         stopped the supervisor. All processes that can be found are killed.",
    );
}

fn not_executed(command: &[String], error: Errno) -> String {
    let program = command.first().map_or("", String::as_str);
    let advice = match error {
        Errno::ENOENT if program.contains('/') => {
            ": there is no such file, or the interpreter that it names is missing"
        }
        Errno::ENOENT => ": it is in none of the folders of PATH",
        Errno::EACCES => ": it is not executable (chmod +x), or not a file",
        Errno::ENOEXEC => ": it is neither a program for this machine nor a script that begins with #!",
        Errno::E2BIG => ": its arguments and the environment are too large",
        _ => "",
    };
    format!(
        "Could not execute {program:?}{advice} ({})",
        io::Error::from(error)
    )
}

fn signal_name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) if number >= libc::SIGRTMIN() => format!("SIGRTMIN+{}", number - libc::SIGRTMIN()),
        Err(_) => format!("signal {number}"),
    }
}

/// Nobody reads nanoseconds.
fn rounded(duration: Duration) -> Duration {
    Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
