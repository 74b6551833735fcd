//! Artifacts, uploaded by the worker and by `curl -T`: the same bytes, to the same queue.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use queue::wire::{ClaimWorkRequest, CreateArtifactRequest, CreateArtifactResponse};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    kit::{Definition, Scene, WorkerOptions, eventually},
    table::{row, show},
};

/// The bytes of the large file.
const LARGE: u64 = 4 << 30;
/// How many small files there are, and the bytes of each.
const SMALL: (usize, usize) = (10_000, 10 << 10);
/// How often each is measured; the shortest counts, for the worker and for curl alike.
const ROUNDS: usize = 3;

/// What one upload by the worker took.
struct Upload {
    /// From the claim to the accepted report.
    took: Duration,
    /// The most memory that the worker had, in KiB.
    peak: u64,
}

/// One file of 4 GiB, and ten thousand of 10 KiB.
pub(crate) async fn run() {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.bin");
    File::create(&large).unwrap().set_len(LARGE).unwrap();
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    for number in 0..SMALL.0 {
        let mut file = File::create(small.join(format!("{number}.bin"))).unwrap();
        file.write_all(&vec![b'x'; SMALL.1]).unwrap();
    }
    // From here on the file is in memory, for the worker and for curl alike.
    hash(&large);
    let alone = (0..ROUNDS).map(|_| hash(&large)).min().unwrap();
    row(
        "read one file of 4 GiB and hash it (SHA-256), on one core",
        &show(alone),
        "",
    );
    compare(
        "one file of 4 GiB",
        LARGE,
        &json!({"type": "file", "path": large, "name": "public/large.bin", "contentEncoding": "identity"}),
        std::slice::from_ref(&large),
        "0.9 of curl",
    )
    .await;
    let mut both = Duration::MAX;
    for _ in 0..ROUNDS {
        both = both.min(by_curl(std::slice::from_ref(&large), Some(&large)).await);
    }
    row(
        "the same file by `curl -T`, while another thread hashes it as the worker does",
        &format!("{} until both are done (n = {ROUNDS}, the best)", show(both)),
        "",
    );
    let files: Vec<_> = (0..SMALL.0)
        .map(|number| small.join(format!("{number}.bin")))
        .collect();
    compare(
        "10,000 files of 10 KiB",
        (SMALL.0 * SMALL.1) as u64,
        &json!({"type": "directory", "path": small, "name": "public/small", "contentEncoding": "identity"}),
        &files,
        "",
    )
    .await;
}

/// Uploads files by turns, and prints the shortest time of each side.
async fn compare(what: &str, bytes: u64, artifact: &Value, files: &[impl AsRef<Path>], aim: &str) {
    let (mut ours, mut curls, mut peak) = (Duration::MAX, Duration::MAX, 0);
    for _ in 0..ROUNDS {
        let upload = by_worker(artifact).await;
        ours = ours.min(upload.took);
        peak = peak.max(upload.peak);
        curls = curls.min(by_curl(files, None).await);
    }
    let rate = |took: Duration| (bytes >> 20) as f64 / took.as_secs_f64();
    row(
        &format!("upload of {what}, by a task of the worker"),
        &format!(
            "{} ({:.0} MiB/s); `curl -T` {} ({:.0} MiB/s): {:.2} of its rate; the worker's peak is {:.0} MiB (n = {ROUNDS}, the best)",
            show(ours),
            rate(ours),
            show(curls),
            rate(curls),
            curls.as_secs_f64() / ours.as_secs_f64(),
            peak as f64 / 1024.0
        ),
        aim,
    );
}

fn worker(scene: &Scene) -> WorkerOptions<'_> {
    scene
        .worker()
        .all_plugins()
        .variable("RUST_LOG", "warn")
        // The files are made once, outside of any task.
        .set("/engines/native/extractRoots", json!(["/"]))
        .set("/plugins/defaultLimits", json!({"artifacts": 2 * SMALL.0}))
}

/// A task that does nothing but publish.
async fn by_worker(artifact: &Value) -> Upload {
    let scene = Scene::new().await;
    let payload = json!({"command": [["true"]], "maxRunTime": 600, "artifacts": [artifact]});
    let worker = worker(&scene).start();
    let task_id = scene.create_task(&payload).await;
    let run = scene.run_resolved(&task_id, 0).await;
    assert_eq!(
        run.reason_resolved.as_deref(),
        Some("completed"),
        "{}",
        worker.err()
    );
    Upload {
        took: (run.resolved.unwrap() - run.started.unwrap()).to_std().unwrap(),
        peak: peak(worker.pid()),
    }
}

/// The most memory that a process has had, in KiB.
fn peak(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB"));
    kib.unwrap().trim().parse().unwrap()
}

/// curl, one process with as many transfers at a time as the worker has. The addresses are made before. Beside it one file may
/// be hashed, which curl does not do: then it takes until both are done.
async fn by_curl(files: &[impl AsRef<Path>], hashed: Option<&Path>) -> Duration {
    let scene = Scene::new().await;
    let definition = Definition::new(&json!({}));
    let task_id = scene.create(&definition).await;
    let request = ClaimWorkRequest {
        tasks: 1,
        worker_group: "bench".to_owned(),
        worker_id: "curl".to_owned(),
    };
    eventually("a claim is granted", async || {
        let claims = scene.queue.claim_work("test/it", &request).await.unwrap().tasks;
        (!claims.is_empty()).then_some(())
    })
    .await;
    let mut config = String::new();
    for (number, file) in files.iter().enumerate() {
        let request = CreateArtifactRequest::S3 {
            expires: definition.time("expires"),
            content_type: "application/octet-stream".to_owned(),
            content_length: Some(file.as_ref().metadata().unwrap().len()),
        };
        let name = format!("public/{number}.bin");
        let created = scene
            .queue
            .create_artifact(&task_id, 0, &name, &request)
            .await
            .unwrap();
        let CreateArtifactResponse::S3 { put_url, .. } = created else {
            panic!("{created:?}");
        };
        config.push_str(&format!(
            "upload-file = \"{}\"\nurl = \"{put_url}\"\noutput = /dev/null\n",
            file.as_ref().display()
        ));
    }
    let list = scene.home().path().join("curl.conf");
    fs::write(&list, config).unwrap();
    let begun = Instant::now();
    let hashed = hashed.map(ToOwned::to_owned);
    let hashing = std::thread::spawn(move || hashed.map(|file| hash(&file)));
    // What it says is kept: with several transfers it draws its progress whatever it is told.
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--fail",
            "--parallel",
            "--parallel-max",
            "10",
        ])
        .args(["--header", "Content-Type: application/octet-stream", "--config"])
        .arg(&list)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    hashing.join().unwrap();
    let took = begun.elapsed();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    took
}

/// Reads a file and hashes it, on one thread: what the worker does beside what curl does.
fn hash(file: &Path) -> Duration {
    let begun = Instant::now();
    let mut file = File::open(file).unwrap();
    let mut hash = Sha256::new();
    let mut piece = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut piece).unwrap();
        if read == 0 {
            hash.finalize();
            return begun.elapsed();
        }
        hash.update(&piece[..read]);
    }
}
