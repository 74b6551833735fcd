//! One fault at one call: when it strikes, what is right then, and whether it came so.

use std::collections::BTreeMap;

use queue::wire::TaskState;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

use crate::kit::{
    Call, Definition, Expected, Fault, Proxy, Scene, WorkerProcess, cgroups_of, check, eventually,
    files_below, shell,
};

/// Bytes of the artifact of every task, and of its log at the least: more than the object service takes inline.
const SIZE: usize = 20_000;

/// How the task is to end. An exception to the rule has its reason here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// It completes in its only run, with all that it published.
    Completed,
    /// Each of the calls costs a run, whose claim expires, and then it completes.
    LostRuns,
    /// The run is resolved so, and not tried again.
    Exception(&'static str),
}

/// The rule.
pub(super) const FINE: Right = Right::Completed;
/// The queue has granted a claim of which the worker does not hear. It asks for the next, and that one expires.
pub(super) const LOST: Right = Right::LostRuns;
/// A refused credential is final: the worker lets go of the run, and the queue gives it out again when the claim is over.
pub(super) const GIVEN_UP: Right = Right::LostRuns;
/// A refused credential is final, and what the task had to publish is missing: that is not the task's fault.
pub(super) const UNPUBLISHED: Right = Right::Exception("internal-error");

/// One fault at one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    fault: Fault,
    call: Call,
    right: Right,
    /// How many of these calls go well before.
    after: usize,
    /// How many in a row go wrong.
    times: usize,
}

/// What is in the places where a task might leave something.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    processes: Vec<(i32, String)>,
    files: Vec<String>,
    temporary: Vec<String>,
}

impl Pair {
    /// What a seed makes of a pair, whatever it makes of others.
    pub(super) fn of(seed: u64, fault: Fault, call: Call, right: Right) -> Self {
        let name = format!("{fault:?} {call:?}");
        let mix = |mixed: u64, byte: u8| (mixed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let mut random = StdRng::seed_from_u64(name.bytes().fold(seed, mix));
        // How many of the calls a task makes, and how many failures in a row are within the worker's patience.
        let (last, most) = match call {
            Call::Claim | Call::Reclaim | Call::Put => (1, 2),
            Call::Statuses | Call::CreateArtifact | Call::Finish => (3, 3),
            Call::Report | Call::Other => (0, 3),
        };
        let (first, most) = match (right, call) {
            // The first artifact is for those who watch the log: without it nothing is lost.
            (Right::Exception(_), Call::CreateArtifact) => (1, 1),
            (Right::Exception(_), _) => (0, 1),
            // Each costs a claim's time.
            (Right::LostRuns, _) => (
                0,
                if fault == Fault::Trickle || call != Call::Claim {
                    1
                } else {
                    most
                },
            ),
            (Right::Completed, _) => (0, if fault == Fault::Expired { 1 } else { most }),
        };
        let fault = match fault {
            Fault::Wrong(_) => {
                let bodies = [
                    "[[",
                    "{\"code\":\"ok\"}",
                    "7",
                    "<html></html>",
                    "{\"status\":{},\"tasks\":{}}",
                ];
                Fault::Wrong(bodies[random.random_range(0..bodies.len())])
            }
            other => other,
        };
        Self {
            fault,
            call,
            right,
            after: random.random_range(first..=last),
            times: random.random_range(1..=most),
        }
    }

    /// A fault at a claim. It has a worker of its own: the open claim of one that is there would get the task before.
    pub(super) async fn strikes_a_claim(self, scene: &Scene, proxy: &Proxy) {
        for _ in 0..self.after {
            scene.create_task(&short()).await;
        }
        let before = proxy.struck();
        proxy.fault_after(self.after, self.call, self.fault, self.times);
        let task_id = scene.create(&self.task("")).await;
        let tasks = self.after as u64 + 2;
        let mut worker = scene
            .worker()
            .named("claims")
            .all_plugins()
            .task_limit(tasks)
            .through(proxy)
            .set("/queue", json!({"callTimeout": "2s", "claimTimeout": "25s"}))
            .start();
        self.is_right(scene, &task_id).await;
        assert_eq!(proxy.struck(), before + self.times);
        self.another_completes(scene).await;
        assert_eq!(worker.ended().await, Some(0));
        is_resolved_once(proxy, &task_id);
        let left = Left::of(scene, &worker, &task_id);
        assert_eq!(left.processes, []);
        assert_eq!(left.temporary, [""; 0]);
        assert_eq!(files_below(&worker.directory().join("tasks")), [""; 0]);
    }

    /// A fault at a call that a worker makes for its run.
    pub(super) async fn strikes_a_run(self, scene: &Scene, proxy: &Proxy, worker: &mut WorkerProcess) {
        // Whatever a worker keeps is there after its first task.
        let first = self.another_completes(scene).await;
        let before = eventually("nothing is left of the first", async || {
            let left = Left::of(scene, worker, &first);
            left.is_nothing_of(&first).then_some(left)
        })
        .await;
        let struck = proxy.struck();
        let gate = scene.home().path().join(format!("gate-{:?}", self.call));
        let task_id = scene
            .create(&self.task(&format!(
                "while ! test -e {}; do sleep 0.01; done;",
                gate.display()
            )))
            .await;
        proxy.fault_after(self.after, self.call, self.fault, self.times);
        if matches!(self.call, Call::Reclaim | Call::Statuses) {
            // The task runs meanwhile, and on until a call has gone well again.
            proxy.until_struck(struck + self.times).await;
            if self.right == Right::Completed {
                let seen = proxy.seen(self.call);
                proxy.until_seen(self.call, seen + 1).await;
            }
        }
        std::fs::write(&gate, "").unwrap();
        self.is_right(scene, &task_id).await;
        eventually("nothing is left of the task", async || {
            (Left::of(scene, worker, &task_id) == before).then_some(())
        })
        .await;
        let struck = proxy.struck() - struck;
        let some_will_do = match (self.call, self.fault) {
            // The worker may hear in another way that the queue has done as it was asked, and asks no more.
            (Call::Report | Call::Finish, _) => true,
            // Nothing that matters is in the bodies of these answers.
            (Call::Put, Fault::Wrong(_) | Fault::Truncate) => true,
            _ => false,
        };
        let some_will_do = some_will_do && (1..=self.times).contains(&struck);
        assert!(some_will_do || struck == self.times, "it struck {struck} times");
        proxy.lift();
        assert_eq!(cgroups_of(&task_id), Vec::<std::path::PathBuf>::new());
        is_resolved_once(proxy, &task_id);
        self.another_completes(scene).await;
        assert!(worker.runs());
    }

    /// A task that publishes a file after something else. Lost runs are tried again.
    fn task(self, before: &str) -> Definition {
        let script = format!(
            "{before} head -c {SIZE} /dev/urandom | base64; head -c {SIZE} /dev/zero | tr '\\0' {} > out.bin",
            self.letter()
        );
        let mut payload = short();
        payload["command"] = shell(&script)["command"].clone();
        let artifact = json!({"type": "file", "path": "out.bin", "name": "public/out.bin", "contentEncoding": "identity"});
        payload["artifacts"] = Value::Array(vec![artifact]);
        Definition::new(&payload).retries(5)
    }

    /// What the file is full of: one pair's is not another's.
    fn letter(self) -> char {
        char::from(b'a' + self.call as u8)
    }

    /// Waits for the task, and looks at its end.
    async fn is_right(self, scene: &Scene, task_id: &str) {
        let status = scene.resolved(task_id).await;
        let reasons: Vec<_> = status
            .runs
            .iter()
            .map(|run| run.reason_resolved.as_deref().unwrap_or("none"))
            .collect();
        let lost = if self.right == Right::LostRuns {
            self.times
        } else {
            0
        };
        let (state, last) = match self.right {
            Right::Completed | Right::LostRuns => (TaskState::Completed, "completed"),
            Right::Exception(reason) => (TaskState::Exception, reason),
        };
        let mut expected = vec!["claim-expired"; lost];
        expected.push(last);
        assert_eq!((status.state, reasons), (state, expected));
        if state == TaskState::Completed {
            assert!(scene.log(task_id).await.contains("SUCCEEDED"));
            let published = scene.fetch(task_id, "public/out.bin").await.text;
            assert!(published.len() == SIZE && published.chars().all(|found| found == self.letter()));
        }
    }

    /// Runs a task of which nothing goes wrong, and answers its taskId.
    async fn another_completes(self, scene: &Scene) -> String {
        let task_id = scene.create_task(&short()).await;
        check(scene, &task_id, "a task without a fault", &Expected::completed()).await;
        assert_eq!(scene.status(&task_id).await.runs.len(), 1);
        task_id
    }
}

/// No run was reported in two ways, and none again after its worker had heard that it was resolved.
fn is_resolved_once(proxy: &Proxy, task_id: &str) {
    let mut reports: BTreeMap<String, (String, bool)> = BTreeMap::new();
    let mut taken = 0;
    for report in proxy.calls(Call::Report) {
        if !report.path.contains(task_id) {
            continue;
        }
        let (run, way) = report.path.rsplit_once('/').unwrap();
        let (said, is_known) = reports
            .entry(run.to_owned())
            .or_insert_with(|| (way.to_owned(), false));
        assert_eq!(said, way, "{run} was reported in two ways");
        assert!(!*is_known, "{run} was reported again");
        let is_taken = report.answer == Some(200);
        *is_known = is_taken && report.fault.is_none();
        taken += usize::from(is_taken);
    }
    // One whose answer was lost may have been taken before.
    assert!(taken >= 1, "nothing was reported");
}

/// The payload of a task that does nothing.
pub(super) fn short() -> Value {
    let mut payload = shell("true");
    payload["maxRunTime"] = json!(600);
    payload
}

impl Left {
    fn of(scene: &Scene, worker: &WorkerProcess, task_id: &str) -> Self {
        let mut processes = scene.home().processes();
        processes.retain(|(_, line)| line.contains(task_id));
        let mut files = files_below(worker.directory());
        // What the worker knows of its plugins is written at a pace of its own, and under another name first.
        files.retain(|path| !path.starts_with("plugin-faults."));
        Self {
            processes,
            files,
            temporary: files_below(&scene.home().temporary()),
        }
    }

    fn is_nothing_of(&self, task_id: &str) -> bool {
        self.processes.is_empty() && !self.files.iter().any(|file| file.contains(task_id))
    }
}
