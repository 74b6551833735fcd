//! The target `host_functions`: the guest `calls` in a run of its own for each input, with every capability. The first byte of
//! an input says what else happens to the run ([`Scenario`]), the others are the guest's script.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use engine_api::{Engine as _, ResultSet, RunContext, RunKey, Sandbox, SandboxEnd};
use engine_mock::MockEngine;
use plugin_host::{
    ExceptionReason, HookAnswer, HostOptions, NoProgress, Phase, PluginHost, PluginSet, RunPlugins,
    SandboxPhase,
    ports::{AnySchemas, WorkerInfo},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

mod fakes;
mod scenario;
pub mod script;

use fakes::{Held, Life, Ports, Sink};
use scenario::Scenario;

use crate::{Place, Ready, findings::OrFinding as _, log, place};

/// The guest's file, and its name.
const GUEST: &str = "calls";
/// How long a hook may take, however loaded the machine is: four times what its limits say.
const PATIENCE: Duration = Duration::from_secs(80);
/// How often it is looked whether something is still held.
const POLL: Duration = Duration::from_micros(200);

/// What the guest may use. Small, so that scripts reach the ends.
fn limits() -> Value {
    json!({
        "memoryBytes": 32 << 20, "handles": 40, "callBytes": 4 << 20, "cpuMs": 5_000, "hookMs": 20_000, "callMs": 10_000,
        "logLines": 60, "logBytes": 100_000, "artifacts": 20
    })
}

/// A worker, as far as plugins can tell.
struct Host {
    plugins: PluginHost,
    set: Arc<PluginSet>,
    runtime: Runtime,
    life: Arc<Life>,
    /// How many tasks of tokio's there are where nothing is done.
    idle_tasks: usize,
    _folder: TempDir,
}

/// A run that is over, as far as the engine is concerned.
struct Ended {
    results: Option<Arc<dyn ResultSet>>,
    exception: Option<ExceptionReason>,
}

pub(crate) fn ready(place: &Place) -> Ready {
    log::watch();
    let host = Host::open(place);
    Box::new(move |input| {
        let (scenario, script) = input.split_first().unwrap_or((&0, &[]));
        host.serve(Scenario::of(*scenario), script);
    })
}

impl Host {
    fn open(place: &Place) -> Self {
        let folder = place::folder();
        let plugins = json!({
            "faultLimit": 0,
            GUEST: {
                "grants": [
                    "environment", "task-definition", "kill", "results", "artifacts", "task-log", "lifecycle"
                ],
                "limits": limits(),
                // Every function, where there is no run.
                "config": {"calls": script::hex(&script::every_call())},
            },
        });
        let config = place::host_config(&plugins, folder.path());
        let file = format!("{GUEST}.wasm");
        let guest = place.guests.join(&file);
        fs::copy(&guest, config.directory.join(&file)).or_finding(&format!(
            "there is no {}: run `make test-plugins`",
            guest.display()
        ));
        let runtime = log::runtime();
        let life = Arc::new(Life::default());
        let options = HostOptions {
            config,
            worker: worker(),
            lifecycle: life.clone(),
            host_runtime: runtime.handle().clone(),
            compiler: place.compiler.clone(),
            progress: Arc::new(NoProgress),
            schemas: Arc::new(AnySchemas),
        };
        let plugins = runtime
            .block_on(PluginHost::open(options))
            .or_finding("a guest that is right");
        let set = runtime.block_on(plugins.current());
        let mut host = Self {
            plugins,
            set,
            runtime,
            life,
            idle_tasks: usize::MAX,
            _folder: folder,
        };
        host.serve(Scenario::of(0), &[]);
        host.idle_tasks = host.runtime.metrics().num_alive_tasks();
        host
    }

    /// One run, after which nothing may be left.
    fn serve(&self, scenario: Scenario, script: &[u8]) {
        let held = Held::default();
        let ports = Ports::new(&held);
        let engine = MockEngine::new();
        self.runtime.block_on(async {
            let run = self.set.new_run(ports.run());
            let ended = self.stages(&run, &ports, &engine, scenario, script).await;
            ports.log.close();
            match ended.exception {
                None => self.check(&within("finished", run.finished(true)).await),
                Some(reason) => self.check(&within("exception", run.exception(reason)).await),
            }
            let dispose = async {
                run.dispose().await;
                if let Some(results) = ended.results {
                    results.dispose().await.or_finding("disposing of a mock");
                }
            };
            within("dispose", dispose).await;
        });
        assert_eq!(engine.held(), [], "the engine still holds something");
        // What was aborted is gone at once, and not before.
        let begun = Instant::now();
        while let Some(left) = self.left(&ports, &held) {
            assert!(
                begun.elapsed() < PATIENCE,
                "something is left when all is over: {left}"
            );
            std::thread::sleep(POLL);
        }
        self.life.renew();
    }

    /// What is still held of a run that is over.
    fn left(&self, ports: &Ports, held: &Held) -> Option<String> {
        let contents = held.0.load(Ordering::SeqCst);
        let tasks = self.runtime.metrics().num_alive_tasks();
        if let Some(port) = ports.lent() {
            Some(port.to_owned())
        } else if contents > 0 {
            Some(format!("{contents} contents and readers"))
        } else if tasks > self.idle_tasks {
            Some(format!("{tasks} tasks, and {} when idle", self.idle_tasks))
        } else {
            None
        }
    }

    /// From `new-task` to `stopped`, or as far as the run goes.
    async fn stages(
        &self,
        run: &RunPlugins,
        ports: &Ports,
        engine: &MockEngine,
        scenario: Scenario,
        script: &[u8],
    ) -> Ended {
        let payload = json!({"calls": script::hex(script)});
        let answer = within(
            "new-task",
            run.new_task(BTreeMap::from([(GUEST.to_owned(), Some(payload))])),
        )
        .await;
        self.check(&answer);
        let context = RunContext {
            key: RunKey {
                task_id: "H6fuzzH6fuzzH6fuzzH6fg".to_owned(),
                run_id: 0,
            },
            log: Arc::new(Sink),
        };
        let never = CancellationToken::new();
        let builder = engine
            .new_builder(context, scenario.payload(), &never)
            .await
            .or_finding("a mock's builder");
        scenario.abort_before("build-sandbox", &ports.abort);
        let phase = Phase::new(builder);
        let built = within("build-sandbox", run.build_sandbox(phase.clone())).await;
        self.check(&built);
        let builder = phase.end().or_finding("somebody has ended the phase");
        if !answer.failures.is_empty() || !built.failures.is_empty() {
            builder.discard().await.or_finding("discarding a mock");
            return Ended::without_results(ExceptionReason::MalformedPayload);
        }
        scenario.abort_before("started", &ports.abort);
        match builder.start(&ports.abort).await {
            Ok(sandbox) => self.running(run, ports, sandbox, scenario).await,
            Err(_cancelled) => Ended::without_results(ExceptionReason::Canceled),
        }
    }

    /// `started` and `stopped`.
    async fn running(
        &self,
        run: &RunPlugins,
        ports: &Ports,
        sandbox: Arc<dyn Sandbox>,
        scenario: Scenario,
    ) -> Ended {
        let (first_failure, _failures) = mpsc::channel(1);
        let phase = SandboxPhase {
            sandbox: Phase::new(sandbox.clone()),
            ended: CancellationToken::new(),
            first_failure,
        };
        let ending = async {
            let over = scenario.end(&sandbox, &ports.abort);
            let (end, ()) = tokio::join!(sandbox.wait(&ports.abort), over);
            phase.ended.cancel();
            end
        };
        let (answer, end) = tokio::join!(within("started", run.started(phase.clone())), ending);
        self.check(&answer);
        phase.sandbox.end();
        let Ok(SandboxEnd::Ended(results)) = end else {
            return Ended::without_results(ExceptionReason::Canceled);
        };
        scenario.abort_before("stopped", &ports.abort);
        let phase = Phase::new(results.clone());
        let stopped = within("stopped", run.stopped(phase.clone())).await;
        self.check(&stopped);
        phase.end();
        let failed =
            !answer.failures.is_empty() || !stopped.failures.is_empty() || ports.abort.is_cancelled();
        Ended {
            results: Some(results),
            exception: failed.then_some(ExceptionReason::InternalError),
        }
    }

    /// What plugins answer is of a length that can be kept, and is not the host's fault.
    fn check(&self, answer: &HookAnswer) {
        for failure in &answer.failures {
            let message = &failure.message;
            assert!(message.len() <= 8 << 10, "{} bytes of {failure:?}", message.len());
            assert!(!message.contains("the worker failed"), "{failure:?}");
        }
        self.life.check();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.runtime.block_on(self.plugins.shutdown());
    }
}

impl Ended {
    fn without_results(reason: ExceptionReason) -> Self {
        Self {
            results: None,
            exception: Some(reason),
        }
    }
}

/// Awaits what has an end.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .or_finding(&format!("{what} does not end"))
}

fn worker() -> WorkerInfo {
    WorkerInfo {
        root_url: "https://tc.example.com".to_owned(),
        task_queue_id: "local/fuzz".to_owned(),
        worker_group: "fuzz".to_owned(),
        worker_id: "fuzz".to_owned(),
        engine: "mock".to_owned(),
        metadata: vec![("region".to_owned(), "here".to_owned())],
    }
}
