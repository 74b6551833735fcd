//! Whole tasks, through the real worker and the embedded queue as a process of its own, with all plugins that come with the
//! worker.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    commands::{LINES, STAMP, read_stamp},
    kit::{Scene, WorkerOptions, eventually},
    memory::pss_kib,
    table::{Sample, percentiles, row},
    tap::Tap,
};

/// Tasks whose way is timed, one after the other.
const TIMED: usize = 200;
/// Tasks of a throughput.
const MANY: usize = 1000;
/// Bytes of the log.
const LOG: usize = 1 << 30;

/// A worker as an operator has it: what it says costs something too, but not at the level of the tests.
fn worker(scene: &Scene) -> WorkerOptions<'_> {
    scene.worker().all_plugins().variable("RUST_LOG", "warn")
}

fn payload(command: &[&str]) -> Value {
    json!({"command": [command], "maxRunTime": 600})
}

fn this_program() -> String {
    std::env::current_exe().unwrap().to_string_lossy().into_owned()
}

/// All of them.
pub(crate) async fn run() {
    latency().await;
    for concurrency in [1, 8, 32] {
        throughput(concurrency).await;
    }
    log().await;
    memory().await;
}

/// From the claim to the command, and from its end to the report.
async fn latency() {
    let scene = Scene::new().await;
    let tap = Tap::open(scene.queue().address()).await;
    let stamps = scene.home().path().join("stamps");
    std::fs::create_dir(&stamps).unwrap();
    let mut tasks = Vec::new();
    for number in 0..TIMED {
        let file = stamps.join(number.to_string());
        let command = payload(&[&this_program(), STAMP, &file.to_string_lossy()]);
        tasks.push((scene.create_task(&command).await, file));
    }
    let mut worker = worker(&scene)
        .set("/taskcluster/rootUrl", json!(tap.root_url()))
        .task_limit(TIMED as u64)
        .start();
    assert_eq!(worker.ended().await, Some(0), "{}", worker.err());
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (task_id, file) in &tasks {
        let (begun, ended) = read_stamp(file);
        let holds = |answer: &[u8]| {
            answer
                .windows(task_id.len())
                .any(|window| window == task_id.as_bytes())
        };
        let claimed = tap
            .answered(|exchange| exchange.request.contains("/claim-work/") && holds(&exchange.answer))
            .unwrap();
        let report = format!("/task/{task_id}/runs/0/completed");
        let reported = tap
            .answered(|exchange| exchange.request.contains(&report))
            .unwrap();
        before.push(begun.saturating_sub(claimed));
        after.push(reported.saturating_sub(ended));
    }
    row(
        "from the claim's last byte to the command's first instruction",
        &percentiles(&Sample::new(before), 95),
        "p50 < 15 ms",
    );
    row(
        "from its exit to the accepted report",
        &percentiles(&Sample::new(after), 95),
        "p50 < 20 ms",
    );
}

/// Tasks that do nothing, beside processes that do nothing.
async fn throughput(concurrency: u32) {
    let scene = Scene::new().await;
    let mut tasks = Vec::new();
    for _ in 0..MANY {
        tasks.push(scene.create_task(&payload(&["true"])).await);
    }
    let mut worker = worker(&scene)
        .concurrency(concurrency)
        .task_limit(MANY as u64)
        .start();
    assert_eq!(worker.ended().await, Some(0), "{}", worker.err());
    let (mut started, mut resolved) = (Vec::new(), Vec::new());
    for task_id in &tasks {
        let run = scene.status(task_id).await.runs.remove(0);
        assert_eq!(run.reason_resolved.as_deref(), Some("completed"));
        started.push(run.started.unwrap());
        resolved.push(run.resolved.unwrap());
    }
    let took = *resolved.iter().max().unwrap() - *started.iter().min().unwrap();
    let rate = MANY as f64 / took.as_seconds_f64();
    row(
        &format!("tasks that do nothing, at concurrency {concurrency}"),
        &format!(
            "{rate:.0} tasks/s; fork and exec alone {:.0}/s (n = {MANY})",
            bare_processes(concurrency)
        ),
        "",
    );
}

/// Processes a second that so many threads start and wait for.
fn bare_processes(threads: u32) -> f64 {
    let each = MANY / threads as usize;
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..each {
                    assert!(Command::new("true").status().unwrap().success());
                }
            });
        }
    });
    (each * threads as usize) as f64 / begun.elapsed().as_secs_f64()
}

/// A command that prints as fast as it can, into the log of a task and through a bare pipe into a file.
async fn log() {
    let scene = Scene::new().await;
    let file = scene.home().path().join("stamp");
    let bytes = LOG.to_string();
    let command = payload(&[&this_program(), LINES, &bytes, &file.to_string_lossy()]);
    let task_id = scene.create_task(&command).await;
    let mut worker = worker(&scene)
        .set("/worker/maxLogBytes", json!(2 * LOG))
        .task_limit(1)
        .start();
    assert_eq!(worker.ended().await, Some(0), "{}", worker.err());
    assert_eq!(
        scene.status(&task_id).await.runs[0].reason_resolved.as_deref(),
        Some("completed")
    );
    let (begun, ended) = read_stamp(&file);
    let (log, bare) = (rate(ended - begun), rate(bare_pipe(scene.home().path())));
    row(
        "log of 1 GiB in lines of 100 bytes",
        &format!(
            "{log:.0} MiB/s; a bare pipe into a file {bare:.0} MiB/s: {:.2} of it",
            log / bare
        ),
        "0.5 of it",
    );
}

fn rate(took: Duration) -> f64 {
    (LOG >> 20) as f64 / took.as_secs_f64()
}

fn bare_pipe(folder: &Path) -> Duration {
    let stamp = folder.join("bare");
    let script = r#"exec 3>"$3.log"; "$1" "$2" "$4" "$3" | cat >&3"#;
    let status = Command::new("/bin/sh")
        .args(["-c", script, "sh", &this_program(), LINES])
        .arg(&stamp)
        .arg(LOG.to_string())
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let (begun, ended) = read_stamp(&stamp);
    ended - begun
}

/// What a worker takes that has nothing to do.
async fn memory() {
    let scene = Scene::new().await;
    let tap = Tap::open(scene.queue().address()).await;
    let worker = worker(&scene)
        .set("/taskcluster/rootUrl", json!(tap.root_url()))
        .start();
    // One long poll has come back empty: whatever it allocates at the start it has allocated.
    eventually("a claim is answered", async || {
        tap.answered(|exchange| exchange.request.contains("/claim-work/") && !exchange.answer.is_empty())
    })
    .await;
    let kib = pss_kib(worker.pid());
    row(
        "memory of an idle worker with five plugins (PSS)",
        &format!("{:.1} MiB", kib / 1024.0),
        "< 40 MiB",
    );
}
