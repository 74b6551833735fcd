//! Processes of the worker's program, which ends with this one.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How long a process may take that was told to stop, a long poll of the queue included.
const STOPPING: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(20);
/// How much of a log is shown.
const SHOWN: usize = 16 << 10;

/// A running process, told to stop and waited for when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    out: PathBuf,
    log: PathBuf,
    /// How often it is told.
    signals: u32,
}

/// The program, which is built beside this one.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    let program = env::current_exe()
        .context("this program's own place is not known")?
        .with_file_name("taskcluster-worker");
    ensure!(
        program.is_file(),
        "there is no {}: run `make build`",
        program.display()
    );
    Ok(program)
}

impl Process {
    /// Starts the program with arguments in a directory; what it prints and says is in files there.
    ///
    /// # Errors
    ///
    /// If the program or the files are not there.
    pub(crate) fn start(
        directory: &Path,
        arguments: &[&OsStr],
        prepare: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Self> {
        let (out, log) = (directory.join("out"), directory.join("log"));
        let file = |path: &Path| File::create(path).with_context(|| path.display().to_string());
        let mut command = Command::new(program()?);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file(&out)?)
            .stderr(file(&log)?);
        prepare(&mut command);
        let child = command.spawn().context("the program does not start")?;
        Ok(Self {
            child,
            out,
            log,
            signals: 1,
        })
    }

    /// Tells it to stop at once when dropped, and not to end what it does.
    pub(crate) fn impatient(mut self) -> Self {
        self.signals = 2;
        self
    }

    /// Waits until it has printed something, and answers what it has printed by then.
    ///
    /// # Errors
    ///
    /// If it ends before.
    pub(crate) fn until_out(&mut self, text: &str) -> anyhow::Result<String> {
        loop {
            let ended = self.ended();
            let out = fs::read_to_string(&self.out).unwrap_or_default();
            if out.contains(text) {
                return Ok(out);
            }
            ensure!(!ended, "the program ended at once:\n{}", self.log());
            thread::sleep(POLL);
        }
    }

    /// The end of what it has said.
    pub(crate) fn log(&self) -> String {
        let all = fs::read(&self.log).unwrap_or_default();
        let from = all.len().saturating_sub(SHOWN);
        String::from_utf8_lossy(all.get(from..).unwrap_or_default()).into_owned()
    }

    fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn signal(&self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let deadline = Instant::now() + STOPPING;
        let mut signals = self.signals;
        while !self.ended() && Instant::now() < deadline {
            if signals > 0 {
                signals -= 1;
                self.signal();
            }
            thread::sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
