//! What a deployment does to a worker: every fault at every call. The task ends as it should, nothing is resolved twice, the
//! worker lives, and nothing of the task is left.
//!
//! When in a task's life a fault strikes, and how often in a row, follows from a seed, which is printed where a test fails.
//! `FAULT_SEED` sets another.

mod pair;

use std::{cell::Cell, panic::AssertUnwindSafe};

use futures_util::{FutureExt as _, future::join_all};
use queue::wire::TaskState;
use serde_json::json;

use crate::kit::{Call, Definition, Fault, Proxy, Scene, WorkerProcess};

use pair::{FINE, GIVEN_UP, LOST, Pair, Right, UNPUBLISHED};

/// Where nothing else is asked for.
const SEED: u64 = 3;
/// Long enough for a call to fail several times in what is left of a claim after its first third.
const CLAIMS: &str = "10s";

/// What is right for each fault at each call, where it is not that the task completes in its only run: see [`Right`].
///
/// | | claim | reclaim | status | createArtifact | PUT | finish | report |
#[rustfmt::skip]
const TABLE: [(Fault, [Right; 7]); 11] = [
    (Fault::Status(500),      [FINE, FINE,     FINE, FINE,        FINE, FINE,        FINE]),
    (Fault::Unavailable,      [FINE, FINE,     FINE, FINE,        FINE, FINE,        FINE]),
    (Fault::Hang,             [FINE, FINE,     FINE, FINE,        FINE, FINE,        FINE]),
    (Fault::Reset,            [FINE, FINE,     FINE, FINE,        FINE, FINE,        FINE]),
    (Fault::LoseAnswer,       [LOST, FINE,     FINE, FINE,        FINE, FINE,        FINE]),
    (Fault::Trickle,          [LOST, FINE,     FINE, FINE,        FINE, FINE,        FINE]),
    (Fault::Truncate,         [LOST, FINE,     FINE, FINE,        FINE, FINE,        FINE]),
    (Fault::Wrong("[["),      [LOST, FINE,     FINE, FINE,        FINE, FINE,        FINE]),
    (Fault::Stray(404),       [FINE, FINE,     FINE, FINE,        FINE, FINE,        FINE]),
    (Fault::Stray(409),       [FINE, FINE,     FINE, FINE,        FINE, FINE,        FINE]),
    (Fault::Expired,          [FINE, FINE,     FINE, UNPUBLISHED, FINE, UNPUBLISHED, GIVEN_UP]),
];

/// The calls of the table, in its order.
const CALLS: [Call; 7] = [
    Call::Claim,
    Call::Reclaim,
    Call::Statuses,
    Call::CreateArtifact,
    Call::Put,
    Call::Finish,
    Call::Report,
];

/// A scene for each fault, side by side; its pairs one after the other.
#[tokio::test]
async fn every_fault_at_every_call_ends_as_it_should() {
    let seed = std::env::var("FAULT_SEED").map_or(SEED, |text| text.parse().unwrap());
    let scenes = TABLE.into_iter().map(async |(fault, row)| {
        let at = Cell::new(None);
        let survived = AssertUnwindSafe(survive(seed, fault, row, &at)).catch_unwind();
        survived.await.err().map(|_| at.take())
    });
    let failed: Vec<_> = join_all(scenes).await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "with FAULT_SEED={seed}: {failed:#?}");
}

/// All pairs of one fault; `at` is the one that is under way.
async fn survive(seed: u64, fault: Fault, row: [Right; 7], at: &Cell<Option<Pair>>) {
    let scene = Scene::with_claims_of(CLAIMS).await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut pairs = Vec::new();
    for (call, right) in CALLS.into_iter().zip(row) {
        let pair = Pair::of(seed, fault, call, right);
        match call {
            Call::Claim => {
                at.set(Some(pair));
                pair.strikes_a_claim(&scene, &proxy).await;
            }
            // Only uploads to the object service are finished.
            Call::Finish => pairs.push((pair, "object")),
            Call::Reclaim
            | Call::Statuses
            | Call::CreateArtifact
            | Call::Put
            | Call::Report
            | Call::Other => {
                pairs.push((pair, "s3"));
            }
        }
    }
    for storage_type in ["s3", "object"] {
        let mut worker = start(&scene, &proxy, storage_type);
        // The former worker was killed. The claim that it had open may still be granted a task, which waits until that is over.
        let first = scene.create(&Definition::new(&pair::short()).retries(5)).await;
        assert_eq!(scene.resolved(&first).await.state, TaskState::Completed);
        for (pair, _) in pairs.iter().filter(|(_, of)| *of == storage_type) {
            at.set(Some(*pair));
            pair.strikes_a_run(&scene, &proxy, &mut worker).await;
        }
    }
}

/// A worker whose patience is short.
fn start(scene: &Scene, proxy: &Proxy, storage_type: &str) -> WorkerProcess {
    let queue = json!({"callTimeout": "2s", "claimTimeout": "25s", "statusInterval": "300ms"});
    scene
        .worker()
        .named(storage_type)
        .all_plugins()
        .through(proxy)
        .set("/queue", queue)
        .set(
            "/artifacts",
            json!({"storageType": storage_type, "stallTimeout": "2s"}),
        )
        .start()
}
