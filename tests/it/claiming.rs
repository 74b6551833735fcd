//! The claim loop with queues that are not as they should be.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Json, Router, routing::post};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::kit::{Call, Definition, Expected, Fault, Proxy, Scene, check};

/// A queue that never holds a claim, and has nothing. Ends when it is dropped.
struct HastyQueue {
    root_url: String,
    claims: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl HastyQueue {
    async fn start() -> Self {
        let claims = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&claims);
        let claim = post(async move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Json(json!({"tasks": []}))
        });
        let routes = Router::new().route("/api/queue/v1/claim-work/{task_queue_id}", claim);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            root_url: format!("http://{}", listener.local_addr().unwrap()),
            claims,
            server: tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() }),
        }
    }
}

impl Drop for HastyQueue {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tokio::test]
async fn a_queue_that_answers_with_nothing_at_once_is_asked_at_ever_longer_intervals() {
    let scene = Scene::new().await;
    let queue = HastyQueue::start().await;
    let mut worker = scene
        .worker()
        .mock()
        .set("/taskcluster/rootUrl", json!(queue.root_url))
        .start();
    for pause in ["1s", "2s", "4s"] {
        worker
            .until_err(&format!("the queue answers with nothing at once pause={pause}"))
            .await;
    }
    assert_eq!(queue.claims.load(Ordering::Relaxed), 3);
    worker.stop(1).await;
    assert_eq!(worker.ended().await, Some(0));
}

#[tokio::test]
async fn claims_whose_answers_were_lost_are_told_and_counted() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    proxy.fault(Call::Claim, Fault::LoseAnswer, 2);
    let mut worker = scene.worker().mock().through(&proxy).start();
    // The queue answers an open claim as soon as there is a task.
    for _ in 0..2 {
        scene.create_task(&json!({"steps": []})).await;
    }
    worker.until_err("the answer to a claim was lost").await;
    worker.until_err("lost_claims=2").await;
    worker.stop(1).await;
    assert_eq!(worker.ended().await, Some(0));
    let said = worker.err();
    let last = said.lines().find(|line| line.contains("claiming no more tasks"));
    assert!(last.unwrap().contains("lost_claims=2"), "{said}");
}

#[tokio::test]
async fn a_claim_that_can_not_be_read_is_resolved_and_does_not_lose_the_others_of_the_same_answer() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let steps = json!({"steps": []});
    let unreadable = scene.create(&Definition::new(&steps).retries(3)).await;
    let other = scene.create(&Definition::new(&steps).retries(1)).await;
    proxy.fault(Call::Claim, Fault::Garble("\"retries\":3", "\"retired\":3"), 1);
    let mut worker = scene.worker().mock().concurrency(2).through(&proxy).start();
    check(&scene, &other, "a claim that can be read", &Expected::completed()).await;
    let status = scene.resolved(&unreadable).await;
    // It would be as unreadable in every other run.
    let reasons: Vec<_> = status
        .runs
        .iter()
        .map(|run| run.reason_resolved.as_deref())
        .collect();
    assert_eq!(reasons, [Some("internal-error")]);
    assert_eq!(scene.status(&other).await.runs.len(), 1);
    let said = worker.err();
    assert!(
        said.contains("a claim can't be read") && said.contains(&unreadable),
        "{said}"
    );
    worker.stop(1).await;
    assert_eq!(worker.ended().await, Some(0));
}
