//! A worker with the queue inside it: the same API, and the same worker, in one process.

use queue::wire::TaskState;
use serde_json::json;

use crate::kit::{Client, Definition, Scene, alive, eventually, listening_ports, written};

#[tokio::test]
async fn a_worker_with_a_queue_of_its_own_is_all_that_it_takes() {
    // Its own queue is not used: the worker has another.
    let scene = Scene::new().await;
    let directory = scene.home().path().join("embedded");
    let mut worker = scene
        .worker()
        .all_plugins()
        .set(
            "/taskcluster",
            json!({"embedded": {"directory": directory, "listen": "127.0.0.1:0"}}),
        )
        .start();
    worker.until_err("the embedded queue listens").await;
    let log = worker.err();
    let (_, rest) = log.split_once("root_url=\"").unwrap();
    let root_url = rest.split('"').next().unwrap().to_owned();
    let text = std::fs::read(directory.join("credentials.json")).unwrap();
    let client = Client::at(&root_url, serde_json::from_slice(&text).unwrap());
    let file = scene.home().path().join("pid");
    let script = format!("echo $$ > {}; exec sleep 100000", file.display());
    let payload = json!({"command": [["/bin/sh", "-c", script]], "maxRunTime": 600});
    let running = client.create(&Definition::new(&payload).retries(1)).await;
    let pid = written(&file).await.parse().unwrap();
    // Queue and live log.
    assert_eq!(listening_ports(worker.pid()).len(), 2);
    // The run is given back before the queue ends: both are told of it by the one process that they are.
    worker.stop(2).await;
    assert_eq!(worker.ended().await, Some(0));
    assert!(!alive(pid));
    worker.restart(scene.home());
    worker.until_err("the embedded queue listens").await;
    let log = worker.err();
    let (_, rest) = log.split_once("root_url=\"").unwrap();
    let root_url = rest.split('"').next().unwrap().to_owned();
    let client = Client::at(&root_url, serde_json::from_slice(&text).unwrap());
    let status = eventually("the second run runs", async || {
        let status = client.status(&running).await;
        (status.state == TaskState::Running).then_some(status)
    })
    .await;
    let reasons: Vec<_> = status
        .runs
        .iter()
        .map(|run| run.reason_resolved.as_deref())
        .collect();
    assert_eq!(reasons, [Some("worker-shutdown"), None]);
}
