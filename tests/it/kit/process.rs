//! A process of the program, with what it prints kept in files.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use super::{Home, eventually, places};

/// How much of what a process printed is shown where a test fails.
const SHOWN: usize = 16 << 10;

/// A process in a group of its own. Killed with its group when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    status: Option<ExitStatus>,
    stdout: Output,
    stderr: Output,
}

/// A file with what a process has printed, after what its predecessors of that name had.
#[derive(Debug)]
struct Output {
    path: PathBuf,
    from: usize,
}

impl Process {
    /// Starts the program in a test's directory; `name` is what its output is called.
    pub(crate) fn start<I: AsRef<OsStr>>(
        home: &Home,
        name: &str,
        arguments: impl IntoIterator<Item = I>,
    ) -> Self {
        Self::start_with(home, name, arguments, &[])
    }

    /// The same with some more variables.
    pub(crate) fn start_with<I: AsRef<OsStr>>(
        home: &Home,
        name: &str,
        arguments: impl IntoIterator<Item = I>,
        variables: &[(&str, &str)],
    ) -> Self {
        Self::spawn(home, name, |command| {
            command.args(arguments).envs(variables.iter().copied());
        })
    }

    /// The same, started as `finish` says.
    pub(super) fn spawn(home: &Home, name: &str, finish: impl FnOnce(&mut Command)) -> Self {
        let stdout = Output::new(home.path().join(format!("{name}.out")));
        let stderr = Output::new(home.path().join(format!("{name}.err")));
        let mut command = Command::new(places::program());
        command
            .current_dir(home.path())
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", home.path())
            .env("TMPDIR", home.temporary())
            .env("XDG_CACHE_HOME", places::cache_home())
            .env("RUST_BACKTRACE", "1")
            .env("RUST_LOG", "info,taskcluster_worker=debug")
            .stdin(Stdio::null())
            .stdout(stdout.file())
            .stderr(stderr.file())
            .process_group(0);
        finish(&mut command);
        Self {
            name: name.to_owned(),
            child: command.spawn().unwrap(),
            status: None,
            stdout,
            stderr,
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Ends it as a crash of the machine would: it alone, so that nothing but its end tells others of it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.status = Some(self.child.wait().unwrap());
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().unwrap();
        }
        self.status.is_none()
    }

    /// Waits for its end, and answers its exit status; none where a signal ended it.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let what = format!("{} ends", self.name);
        eventually(&what, async || (!self.runs()).then_some(())).await;
        self.status.unwrap().code()
    }

    /// What it has printed so far.
    pub(crate) fn out(&self) -> String {
        self.stdout.text()
    }

    /// What it has said so far.
    pub(crate) fn err(&self) -> String {
        self.stderr.text()
    }

    /// Waits until it has printed something.
    pub(crate) async fn until_out(&mut self, text: &str) {
        self.until(text, Self::out).await;
    }

    /// Waits until it has said something.
    pub(crate) async fn until_err(&mut self, text: &str) {
        self.until(text, Self::err).await;
    }

    async fn until(&mut self, text: &str, said: fn(&Self) -> String) {
        let what = format!("{} says {text:?}", self.name);
        eventually(&what, async || {
            let runs = self.runs();
            let found = said(self).contains(text);
            assert!(runs || found, "{} ended without having said {text:?}", self.name);
            found.then_some(())
        })
        .await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.runs() {
            let _ = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            for (stream, text) in [("output", self.out()), ("log", self.err())] {
                let from = text.ceil_char_boundary(text.len().saturating_sub(SHOWN));
                eprintln!("---- {} of {} ----\n{}", stream, self.name, &text[from..]);
            }
        }
    }
}

impl Output {
    fn new(path: PathBuf) -> Self {
        let from = fs::read(&path).unwrap_or_default().len();
        Self { path, from }
    }

    fn file(&self) -> File {
        File::options()
            .create(true)
            .append(true)
            .open(&self.path)
            .unwrap()
    }

    fn text(&self) -> String {
        let all = fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(all.get(self.from..).unwrap_or_default()).into_owned()
    }
}
