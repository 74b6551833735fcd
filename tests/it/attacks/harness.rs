//! A worker under siege: a hostile plugin in it, and well-behaved ones beside it.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{
    assault::{Assault, Engine, Strike},
    hostile::Hostile,
    measure::{held, memory, released},
};
use crate::{
    kit::{Expected, Plugin, Scene, WorkerProcess, eventually, files_below},
    named_by_tests::{ENV, LIVELOG},
};

/// Rounds before anything is measured: pools, caches and the allocator fill.
const WARM_UP: u32 = 6;
/// Rounds between two measurements.
const ROUNDS: u32 = 12;
/// How often it is measured again where memory has grown: what is allocated once is no leak, what grows each time is.
const WINDOWS: u32 = 4;
/// By how many bytes memory may grow from one measurement to the next: allocators are noisy. A leak of 64 KiB, the least that
/// a guest's memory is, in each round is more.
const NOISE: u64 = 512 << 10;

/// A siege before it is laid.
#[derive(Debug)]
pub(crate) struct SiegeOptions {
    hostile: Vec<Hostile>,
    claim_timeout: &'static str,
    concurrency: u32,
    settings: Vec<(String, Value)>,
    variables: Vec<(&'static str, String)>,
    engine: Engine,
    beside: Vec<Plugin>,
    cache: Cache,
    rounds: u32,
}

/// Where compiled plugins are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cache {
    /// Where all tests keep them.
    Shared,
    Own,
}

/// A worker with hostile plugins and well-behaved ones, `env` and `livelog` at least.
#[derive(Debug)]
pub(crate) struct Siege {
    worker: WorkerProcess,
    scene: Scene,
    /// A task that needs the well-behaved plugins: it succeeds only with the variable that `env` sets.
    peace: Value,
    /// How many connections may be kept open: one for each task that runs at a time.
    connections: usize,
    rounds: u32,
}

impl SiegeOptions {
    /// By these plugins, which attack only where a payload asks for it.
    pub(crate) fn by(hostile: impl IntoIterator<Item = Hostile>) -> Self {
        Self {
            hostile: hostile.into_iter().collect(),
            claim_timeout: "20m",
            concurrency: 8,
            settings: Vec::new(),
            variables: Vec::new(),
            engine: Engine::Mock,
            beside: vec![Plugin::ordinary(ENV), Plugin::ordinary(LIVELOG)],
            cache: Cache::Shared,
            rounds: ROUNDS,
        }
    }

    /// By the plugins of an assault, on tasks of its engine.
    pub(crate) fn of(assault: &Assault) -> Self {
        Self::by(assault.plugins.iter().cloned()).engine(assault.engine)
    }

    /// How long claims last.
    pub(crate) fn claims_of(mut self, claim_timeout: &'static str) -> Self {
        self.claim_timeout = claim_timeout;
        self
    }

    /// How many tasks run at a time: eight, if nothing else is said.
    pub(crate) fn concurrency(mut self, concurrency: u32) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Sets a value of the worker's config, by a JSON pointer.
    pub(crate) fn set(mut self, pointer: &str, value: Value) -> Self {
        self.settings.push((pointer.to_owned(), value));
        self
    }

    /// What is compiled is kept in `cache` in the test's directory, for this test alone.
    pub(crate) fn with_a_cache_of_its_own(mut self) -> Self {
        self.cache = Cache::Own;
        self
    }

    /// Sets a variable of the worker's own environment.
    pub(crate) fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// Of what the payloads are: of [`Engine::Mock`], if nothing else is said.
    pub(crate) fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// The well-behaved plugins, `env` and `livelog` among them: these two, if nothing else is said.
    pub(crate) fn beside(mut self, plugins: Vec<Plugin>) -> Self {
        self.beside = plugins;
        self
    }

    /// How many rounds there are between two measurements, where the attack takes long.
    pub(crate) fn rounds(mut self, rounds: u32) -> Self {
        self.rounds = rounds;
        self
    }

    /// Starts the worker.
    pub(crate) async fn lay(self) -> Siege {
        let scene = Scene::with_claims_of(self.claim_timeout).await;
        let mut worker = scene
            .worker()
            .set("/engine", json!(self.engine.name()))
            .concurrency(self.concurrency)
            // One heap for all threads: what they leave in heaps of their own would look like a leak.
            .variable("MALLOC_ARENA_MAX", "1")
            // A siege is made of faults: quarantine, which would end it, has tests of its own.
            .set("/plugins/faultLimit", json!(0));
        for plugin in self.beside {
            worker = worker.plugin(plugin);
        }
        for hostile in &self.hostile {
            worker = worker.plugin(hostile.plugin(scene.home().path()));
            for (key, value) in hostile.config().as_object().unwrap() {
                worker = worker.set(&format!("/plugins/{}/{key}", hostile.name()), value.clone());
            }
        }
        for (pointer, value) in self.settings {
            worker = worker.set(&pointer, value);
        }
        if self.cache == Cache::Own {
            worker = worker.set("/pluginCacheDirectory", json!(scene.home().path().join("cache")));
        }
        for (name, value) in &self.variables {
            worker = worker.variable(name, value);
        }
        let mut peace = json!({"env": {"PEACE": "the peace is kept"}});
        match self.engine {
            Engine::Native => peace["command"] = json!([["/bin/sh", "-c", "echo \"${PEACE:?}\""]]),
            Engine::Mock => peace["steps"] = json!([{"printVariable": "PEACE"}]),
        }
        let mut worker = worker.start();
        worker.until_err("plugin loaded").await;
        Siege {
            worker,
            scene,
            peace,
            connections: self.concurrency as usize,
            rounds: self.rounds,
        }
    }
}

impl Siege {
    pub(crate) fn scene(&self) -> &Scene {
        &self.scene
    }

    pub(crate) fn worker(&mut self) -> &mut WorkerProcess {
        &mut self.worker
    }

    /// The path of a file in the worker's plugin directory.
    pub(crate) fn dropped(&self, file: &str) -> PathBuf {
        self.worker.plugins().join(file)
    }

    /// Ends the worker as a crash would, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.worker.kill();
        self.worker.restart(self.scene.home());
    }

    /// How many connections may be kept open.
    pub(crate) fn connections(&self) -> usize {
        self.connections
    }

    /// Waits until no run is under way: one is over a little after its task is resolved.
    pub(crate) async fn rests(&self) {
        let temporary = self.worker.directory().join("temporary");
        eventually("every run is over", async || {
            let logs = files_below(&temporary);
            (!logs.iter().any(|file| file.ends_with(".log"))).then_some(())
        })
        .await;
    }

    /// A task that needs the well-behaved plugins, and asks no other for anything. It completes, and `livelog` stores its log.
    pub(crate) fn at_peace(&self) -> Strike {
        let expected = Expected::completed().says("the peace is kept");
        Strike::from(("the task beside the attack", self.peace.clone(), expected))
    }

    /// Creates such a task.
    pub(crate) async fn create_peace(&self) -> String {
        self.scene.create_task(&self.peace).await
    }

    /// Checks what has become of it.
    pub(crate) async fn check_peace(&self, task_id: &str) {
        self.at_peace().check(&self.scene, task_id).await;
    }

    /// Runs tasks that attack at one time and one in peace beside them, and checks what comes of each.
    pub(crate) async fn round(&self, strikes: &[Strike]) {
        let mut tasks = Vec::new();
        for strike in strikes {
            tasks.push(self.scene.create_task(&strike.payload).await);
        }
        let peace = self.create_peace().await;
        self.check_peace(&peace).await;
        for (strike, task_id) in strikes.iter().zip(&tasks) {
            strike.check(&self.scene, task_id).await;
        }
    }

    /// Does that again and again, and checks that the worker holds no more afterwards than before.
    pub(crate) async fn withstands(&mut self, assault: &Assault) {
        self.stays_flat(async |siege, _| siege.round(&assault.strikes).await)
            .await;
        assert!(self.worker.runs());
    }

    /// Does something again and again, and checks that the worker holds no more afterwards than before: memory (but for
    /// noise), descriptors, processes. What is done is told a number that is never the same.
    pub(crate) async fn stays_flat(&mut self, mut round: impl AsyncFnMut(&mut Self, u32)) {
        let mut number = 0;
        let mut repeat = async |siege: &mut Self, times: u32| {
            for _ in 0..times {
                round(siege, number).await;
                number += 1;
            }
            // The worker keeps the plugins of the last task for the next, and they may be gone by now.
            siege.peace().await;
        };
        repeat(self, WARM_UP.min(self.rounds)).await;
        let pid = self.worker.pid();
        let before = held(self.scene.home(), pid);
        let mut bytes = vec![memory(pid).await];
        loop {
            repeat(self, self.rounds).await;
            released(self.scene.home(), pid, &before, self.connections).await;
            let (last, now) = (*bytes.last().unwrap(), memory(pid).await);
            bytes.push(now);
            if now <= last + NOISE {
                return;
            }
            assert!(
                bytes.len() <= WINDOWS as usize,
                "the worker's memory grows with each {} rounds: {bytes:?}",
                self.rounds
            );
        }
    }
}
