//! A worker with a config of the test's own.

use std::{
    ffi::OsStr,
    fs,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Home, Plugin, Process, Proxy, QueueProcess, definition::TASK_QUEUE_ID, places};

/// A worker before it starts. Its config has short time-outs, so that a queue that does not answer is soon asked again.
#[derive(Debug)]
pub(crate) struct WorkerOptions<'a> {
    home: &'a Home,
    name: String,
    config: Value,
    plugins: Vec<Plugin>,
    variables: Vec<(String, String)>,
}

/// `taskcluster-worker work`.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    process: Process,
    name: String,
    config: PathBuf,
    directory: PathBuf,
    plugins: PathBuf,
    variables: Vec<(String, String)>,
}

impl<'a> WorkerOptions<'a> {
    pub(super) fn new(home: &'a Home, queue: &QueueProcess) -> Self {
        let credentials = queue.credentials();
        let config = json!({
            "taskcluster": {
                "rootUrl": queue.root_url(),
                "credentials": {"clientId": credentials.client_id, "accessToken": credentials.access_token},
            },
            "worker": {"taskQueueId": TASK_QUEUE_ID, "concurrency": 1},
            "engine": "native",
            "engines": {"native": {"killGrace": "300ms"}},
            "pluginCacheDirectory": places::plugin_cache(),
            "plugins": {"abortGrace": "300ms"},
            "queue": {"callTimeout": "5s"},
        });
        Self {
            home,
            name: "worker".to_owned(),
            config,
            plugins: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// What it is called, and its directory, where a test has several.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// An engine that does what the payload says that it does.
    pub(crate) fn mock(self) -> Self {
        self.set("/engine", json!("mock"))
    }

    pub(crate) fn concurrency(self, concurrency: u32) -> Self {
        self.set("/worker/concurrency", json!(concurrency))
    }

    /// Ends by itself after so many tasks.
    pub(crate) fn task_limit(self, tasks: u64) -> Self {
        self.set("/worker/taskLimit", json!(tasks))
    }

    /// Talks to the queue through a proxy.
    pub(crate) fn through(self, proxy: &Proxy) -> Self {
        self.set("/taskcluster/rootUrl", json!(proxy.root_url()))
    }

    /// Loads a plugin with what it needs.
    pub(crate) fn plugin(mut self, plugin: Plugin) -> Self {
        self.plugins.push(plugin);
        self
    }

    /// Loads all plugins that come with the worker.
    pub(crate) fn all_plugins(mut self) -> Self {
        self.plugins.extend(Plugin::all_ordinary());
        self
    }

    /// Sets a variable of the worker's own environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
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

    /// Starts it. It may claim at once.
    pub(crate) fn start(self) -> WorkerProcess {
        let path = |suffix: &str| self.home.path().join(format!("{}{suffix}", self.name));
        let (directory, plugins, file) = (path(""), path(".plugins"), path(".yml"));
        fs::create_dir_all(&plugins).unwrap();
        let mut config = self.config;
        config["worker"]["directory"] = json!(directory);
        config["worker"]["workerId"] = json!(self.name);
        config["pluginDirectory"] = json!(plugins);
        for plugin in &self.plugins {
            install(&plugin.file, &plugins, &plugin.name);
            let own = &mut config["plugins"][&plugin.name];
            if own.is_null() {
                *own = json!({});
            }
            if own["grants"].is_null() {
                own["grants"] = json!(plugin.grants);
            }
        }
        fs::write(&file, format!("{config:#}")).unwrap();
        let process = start(self.home, &self.name, &file, &self.variables);
        WorkerProcess {
            process,
            name: self.name,
            config: file,
            directory,
            plugins,
            variables: self.variables,
        }
    }
}

impl WorkerProcess {
    /// Its state, the folders of its tasks among it.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its plugin directory.
    pub(crate) fn plugins(&self) -> &Path {
        &self.plugins
    }

    /// Its config.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// The folder of a run.
    pub(crate) fn folder(&self, task_id: &str, run_id: u32) -> PathBuf {
        self.directory.join("tasks").join(format!("{task_id}_{run_id}"))
    }

    /// Puts a plugin in the place of the one of that name, as operators are told to: beside it, and renamed.
    pub(crate) fn replace_plugin(&self, name: &str, file: &Path) {
        install(file, &self.plugins, name);
    }

    /// Asks it to stop as often as needed for that level: once for gracefully, twice for now.
    pub(crate) async fn stop(&mut self, signals: u32) {
        for (signal, said) in [(Signal::SIGTERM, "level=Graceful"), (Signal::SIGINT, "level=Now")]
            .into_iter()
            .take(signals as usize)
        {
            self.process.signal(signal);
            // Two signals that are sent at once may arrive as one.
            self.process.until_err(said).await;
        }
    }

    /// Waits until a run is in a stage.
    pub(crate) async fn until_stage(&mut self, task_id: &str, stage: &str) {
        let marks = [format!("{task_id}/"), format!("stage=\"{stage}\"")];
        super::eventually(&format!("a run of {task_id} is in {stage}"), async || {
            assert!(self.process.runs(), "the worker ended");
            let log = self.process.err();
            let mut lines = log.lines();
            lines
                .any(|line| marks.iter().all(|mark| line.contains(mark)))
                .then_some(())
        })
        .await;
    }

    /// Starts it again in the same directory, once it has ended.
    pub(crate) fn restart(&mut self, home: &Home) {
        assert!(!self.process.runs());
        self.process = start(home, &self.name, &self.config, &self.variables);
    }
}

impl Deref for WorkerProcess {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for WorkerProcess {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn start(home: &Home, name: &str, config: &Path, variables: &[(String, String)]) -> Process {
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    Process::start_with(home, name, [OsStr::new("work"), config.as_os_str()], &variables)
}

fn install(file: &Path, plugins: &Path, name: &str) {
    let new = plugins.join(format!(".{name}.new"));
    fs::copy(file, &new).unwrap();
    fs::rename(new, plugins.join(format!("{name}.wasm"))).unwrap();
}
