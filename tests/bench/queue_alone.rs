//! The embedded queue by itself, asked by clients that do nothing else: does it get slower with what it stores?

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use queue::wire::ClaimWorkRequest;
use serde_json::json;

use super::{
    kit::{Definition, Scene},
    table::{Sample, percentiles, row},
};

/// Claims that are timed one after the other.
const TIMED: usize = 500;
/// Tasks of a throughput.
const MANY: usize = 4000;
/// Clients at a time.
const CLIENTS: usize = 32;

/// With so many tasks pending in the task queue that is claimed from.
pub(crate) async fn run(stored: usize) {
    let scene = Scene::new().await;
    let definition = Definition::new(&json!({"command": [["true"]], "maxRunTime": 600}));
    let begun = Instant::now();
    at_once(stored, async |_| drop(scene.create(&definition).await)).await;
    let created = stored as f64 / begun.elapsed().as_secs_f64();
    let mut claims = Vec::new();
    for _ in 0..TIMED {
        claims.push(claim_and_complete(&scene).await);
    }
    let begun = Instant::now();
    at_once(MANY, async |_| {
        claim_and_complete(&scene).await;
    })
    .await;
    let rate = MANY as f64 / begun.elapsed().as_secs_f64();
    row(
        &format!("embedded queue with {stored} stored tasks: one claim"),
        &percentiles(&Sample::new(claims), 95),
        "does not grow",
    );
    row(
        &format!("embedded queue with {stored} stored tasks: throughput of {CLIENTS} clients"),
        &format!("{created:.0} tasks/s created, {rate:.0} tasks/s claimed and resolved"),
        "",
    );
}

/// Does something so often, by as many clients as there are.
async fn at_once(times: usize, work: impl AsyncFn(usize)) {
    stream::iter(0..times)
        .for_each_concurrent(CLIENTS, async |number| work(number).await)
        .await;
}

/// Answers how long the claim took.
async fn claim_and_complete(scene: &Scene) -> Duration {
    let request = ClaimWorkRequest {
        tasks: 1,
        worker_group: "bench".to_owned(),
        worker_id: "client".to_owned(),
    };
    let begun = Instant::now();
    let claims = scene.queue.claim_work("test/it", &request).await.unwrap().tasks;
    let took = begun.elapsed();
    let claim = claims.first().unwrap();
    let queue = &scene.queue;
    queue
        .report_completed(&claim.status.task_id, claim.run_id)
        .await
        .unwrap();
    took
}
