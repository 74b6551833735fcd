//! A worker in generic-worker's place, and a stand-in for the worker-runner that starts it: both ends of the pipes between
//! them, byte for byte.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read, Write as _},
    ops::{Deref, DerefMut},
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread::JoinHandle,
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use serde_json::{Value, json};

use super::{Process, Proxy, Scene, definition::TASK_QUEUE_ID, eventually, places};

/// What worker-runner is called, and its files.
const NAME: &str = "run";
/// The first message of a worker-runner that has everything.
pub(crate) const WELCOME: &str = "~{\"capabilities\":[\"error-report\",\"graceful-termination\",\"log\",\"new-credentials\",\
                                  \"shutdown\"],\"type\":\"welcome\"}\n";
/// The answer.
pub(crate) const HELLO: &str = "~{\"capabilities\":[\"error-report\",\"graceful-termination\",\"log\",\"new-credentials\",\
                                \"shutdown\"],\"type\":\"hello\"}\n";

/// A worker before it starts.
#[derive(Debug)]
pub(crate) struct RunOptions<'a> {
    scene: &'a Scene,
    config: Value,
}

/// `taskcluster-worker run`.
#[derive(Debug)]
pub(crate) struct RunnerProcess {
    process: Process,
    /// None where there is no worker-runner, or where it has gone.
    says: Option<File>,
    /// Writes down what the worker says.
    hears: Option<JoinHandle<()>>,
    /// While it is there, worker-runner does not read.
    deaf: Option<mpsc::Sender<()>>,
}

impl<'a> RunOptions<'a> {
    /// A worker with the plugins that come with it, and a config as worker-runner writes it.
    pub(crate) fn new(scene: &'a Scene) -> Self {
        let credentials = scene.queue().credentials();
        let (provisioner_id, worker_type) = TASK_QUEUE_ID.split_once('/').unwrap();
        let config = json!({
            "rootURL": scene.queue().root_url(),
            "clientId": credentials.client_id,
            "accessToken": credentials.access_token,
            "provisionerId": provisioner_id,
            "workerType": worker_type,
            "workerGroup": "eu-1",
            "workerId": "run",
            "tasksDir": scene.home().path(),
            "taskclusterWorker": {
                "pluginCacheDirectory": places::plugin_cache(),
                "plugins": {"abortGrace": "300ms"},
                "engines": {"native": {"killGrace": "300ms"}},
                "queue": {"callTimeout": "5s"},
            },
        });
        Self { scene, config }
    }

    /// An engine that does what the payload says that it does, and no plugins.
    pub(crate) fn mock(self) -> Self {
        let plugins = self.scene.home().path().join("no-plugins");
        fs::create_dir_all(&plugins).unwrap();
        self.set("/taskclusterWorker/engine", json!("mock"))
            .set("/taskclusterWorker/pluginDirectory", json!(plugins))
    }

    /// Talks to the services through a proxy.
    pub(crate) fn through(self, proxy: &Proxy) -> Self {
        self.set("/rootURL", json!(proxy.root_url()))
    }

    /// Sets a value of the config, by a JSON pointer; objects on the way are made.
    pub(crate) fn set(mut self, pointer: &str, value: Value) -> Self {
        let mut place = &mut self.config;
        for key in pointer.split('/').skip(1) {
            place = &mut place[key];
        }
        *place = value;
        self
    }

    /// Starts it as worker-runner does, which has not said anything yet.
    pub(crate) fn start_with_runner(self) -> RunnerProcess {
        let mut runner = self.start_unheard();
        runner.listen();
        runner
    }

    /// The same with a worker-runner that does not read what the worker says.
    pub(crate) fn start_unheard(self) -> RunnerProcess {
        let (stdin, says) = io::pipe().unwrap();
        let (hears, stdout) = io::pipe().unwrap();
        let process = self.spawn(&[OsStr::new("--with-worker-runner")], |command| {
            command.stdin(Stdio::from(stdin)).stdout(Stdio::from(stdout));
        });
        let (deaf, until) = mpsc::channel();
        let hears = self.hear(move || {
            // Ends when it is dropped.
            let _ = until.recv();
            hears
        });
        RunnerProcess {
            process,
            says: Some(OwnedFd::from(says).into()),
            hears: Some(hears),
            deaf: Some(deaf),
        }
    }

    /// Starts it over named pipes, which worker-runner has made.
    pub(crate) fn start_over_pipes(self) -> RunnerProcess {
        let pipe = |suffix: &str| {
            let path = self.scene.home().path().join(format!("pipe{suffix}"));
            mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
            path
        };
        let (input, output) = (pipe("-input"), pipe("-output"));
        let arguments = ["--with-worker-runner", "--worker-runner-protocol-pipe", "pipe"];
        let process = self.spawn(&arguments.map(OsStr::new), |_| {});
        // Waits for the worker, which waits for it.
        let hears = self.hear(move || File::open(input).unwrap());
        RunnerProcess {
            process,
            // To read too, so that it waits for nobody.
            says: Some(File::options().read(true).write(true).open(output).unwrap()),
            hears: Some(hears),
            deaf: None,
        }
    }

    /// Starts it, and greets it.
    pub(crate) async fn start_greeted(self) -> RunnerProcess {
        let mut runner = self.start_with_runner();
        runner.say(WELCOME);
        runner.until_out(HELLO).await;
        runner
    }

    /// Starts it without a worker-runner.
    pub(crate) fn start_alone(self) -> RunnerProcess {
        RunnerProcess {
            process: self.spawn(&[], |_| {}),
            says: None,
            hears: None,
            deaf: None,
        }
    }

    fn spawn(&self, arguments: &[&OsStr], finish: impl FnOnce(&mut Command)) -> Process {
        let file: OsString = self.write().into();
        Process::spawn(self.scene.home(), NAME, |command| {
            command
                .args([OsStr::new("run"), OsStr::new("--config"), &file])
                .args(arguments);
            finish(command);
        })
    }

    /// Writes down what the worker says, where the process would.
    fn hear<R: Read>(&self, open: impl FnOnce() -> R + Send + 'static) -> JoinHandle<()> {
        let path = self.scene.home().path().join(format!("{NAME}.out"));
        let mut heard = File::options().append(true).create(true).open(path).unwrap();
        std::thread::spawn(move || drop(io::copy(&mut open(), &mut heard)))
    }

    fn write(&self) -> PathBuf {
        let file = self.scene.home().path().join("generic-worker.config");
        fs::write(&file, format!("{:#}", self.config)).unwrap();
        file
    }
}

impl RunnerProcess {
    /// Says something to the worker, as it is.
    pub(crate) fn say(&mut self, text: &str) {
        self.says.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Reads what the worker says, from now on.
    pub(crate) fn listen(&mut self) {
        self.deaf = None;
    }

    /// Ends without a word.
    pub(crate) fn hang_up(&mut self) {
        self.says = None;
    }

    /// What the worker has said so far that is a message.
    pub(crate) fn messages(&self) -> Vec<Value> {
        self.out()
            .lines()
            .filter_map(|line| serde_json::from_str(line.strip_prefix('~')?).ok())
            .collect()
    }

    /// The messages of a type.
    pub(crate) fn messages_of(&self, kind: &str) -> Vec<Value> {
        let mut messages = self.messages();
        messages.retain(|message| message["type"] == kind);
        messages
    }

    /// The log that the worker has sent.
    pub(crate) fn log(&self) -> String {
        self.messages_of("log")
            .iter()
            .map(|message| format!("{}\n", message["body"]["textPayload"].as_str().unwrap()))
            .collect()
    }

    /// Waits until a line of that log has all of some texts.
    pub(crate) async fn until_logged(&mut self, texts: &[&str]) {
        eventually(&format!("the worker logs {texts:?}"), async || {
            let runs = self.runs();
            let log = self.log();
            let mut lines = log.lines();
            let found = lines.any(|line| texts.iter().all(|text| line.contains(text)));
            assert!(runs || found, "the worker ended without having logged {texts:?}");
            found.then_some(())
        })
        .await;
    }

    /// Waits until a run is in a stage.
    pub(crate) async fn until_stage(&mut self, task_id: &str, stage: &str) {
        self.until_logged(&[&format!("{task_id}/"), &format!("stage=\"{stage}\"")])
            .await;
    }

    /// Waits for its end and for everything that it has said.
    pub(crate) async fn ended_and_heard(&mut self) -> Option<i32> {
        let status = self.process.ended().await;
        eventually("everything is heard", async || {
            self.hears
                .as_ref()
                .is_none_or(JoinHandle::is_finished)
                .then_some(())
        })
        .await;
        status
    }
}

impl Deref for RunnerProcess {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for RunnerProcess {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
