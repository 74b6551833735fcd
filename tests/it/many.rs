//! Many tasks, and what is left of them: nothing.

use std::fs;

use queue::wire::TaskState;
use serde_json::json;

use crate::kit::{Scene, cgroup_name, cgroups_of, eventually, files_below, listening_ports, mounts_below};

const TASKS: usize = 100;

#[tokio::test]
async fn a_hundred_tasks_complete_eight_at_a_time_and_leave_nothing() {
    let scene = Scene::new().await;
    let mut worker = scene
        .worker()
        .all_plugins()
        .concurrency(8)
        .task_limit(TASKS as u64 + 1)
        .start();
    let payload = json!({"command": [["true"]], "maxRunTime": 600});
    let mut tasks = Vec::new();
    for _ in 0..TASKS {
        tasks.push(scene.create_task(&payload).await);
    }
    for task_id in &tasks {
        let status = scene.resolved(task_id).await;
        assert_eq!(
            (status.state, status.runs.len()),
            (TaskState::Completed, 1),
            "{task_id}"
        );
    }
    // While the worker still runs: a run is over a little after it is resolved.
    eventually("every run is over", async || {
        (worker.err().matches("run over").count() == TASKS).then_some(())
    })
    .await;
    let processes = scene.home().processes();
    assert_eq!(processes.len(), 2, "more than queue and worker: {processes:#?}");
    assert_eq!(
        listening_ports(worker.pid()).len(),
        1,
        "only live logs are served"
    );
    assert_eq!(files_below(&worker.directory().join("tasks")), [""; 0]);
    let open = open_files(worker.pid());
    let ours = |path: &&String| tasks.iter().any(|task_id| path.contains(&**task_id));
    assert_eq!(open.iter().filter(ours).collect::<Vec<_>>(), [&""; 0]);
    // The last task ends the worker.
    let last = scene.create_task(&payload).await;
    assert_eq!(worker.ended().await, Some(0));
    assert_eq!(scene.status(&last).await.state, TaskState::Completed);
    assert_eq!(
        cgroups_of(&cgroup_name(&worker.directory().join("tasks"))),
        Vec::<std::path::PathBuf>::new()
    );
    for task_id in tasks.iter().chain([&last]) {
        assert_eq!(cgroups_of(task_id), Vec::<std::path::PathBuf>::new());
    }
    assert_eq!(mounts_below(scene.home().path()), [""; 0]);
    assert_eq!(files_below(&scene.home().temporary()), [""; 0]);
    let left = files_below(worker.directory());
    let ours = |path: &&String| tasks.iter().any(|task_id| path.contains(&**task_id));
    assert_eq!(left.iter().filter(ours).collect::<Vec<_>>(), [&""; 0]);
    // What a worker knows of its plugins is for the next one.
    let kept = [
        "plugin-faults.json",
        "plugin-releases",
        "tasks",
        "temporary",
        "temporary/.taskcluster-worker.lock",
    ];
    assert_eq!(left, kept);
    assert_eq!(scene.home().processes().len(), 1, "only the queue");
}

/// What a process has open.
fn open_files(pid: i32) -> Vec<String> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    descriptors
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}
