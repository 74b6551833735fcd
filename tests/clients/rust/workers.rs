//! Workers and their pools. What makes or changes a pool is for the embedded services alone.

use anyhow::ensure;
use serde_json::{Value, json};
use taskcluster::{Credentials, WorkerManager};

use super::kit::{Kit, WORKER_GROUP, WORKER_ID, at, credentials, in_hours, pages, refused, set, text};
use super::tasks::SIGNED_FOR;

const STATIC_SECRET: &str = "ssssssssssssssssssssssssssssssssssssssssssss";

/// A pool of one static worker, and that worker's registration.
struct Registered {
    pool: String,
    who: Value,
    secret: String,
    credentials: Credentials,
}

async fn register(kit: &Kit<'_>) -> anyhow::Result<Registered> {
    let manager = WorkerManager::new(kit.client())?;
    let pool = format!("checks/p{}0", slugid::nice().to_lowercase().replace('_', "-"));
    let definition = json!({
        "providerId": "static",
        "description": "Made by a check.",
        "owner": "nobody@example.com",
        "emailOnError": false,
        "config": {"workerConfig": {"of": "the pool"}, "lifecycle": {"reregistrationTimeout": 3600}},
    });
    manager.createWorkerPool(&pool, &definition).await?;
    let worker =
        json!({"expires": in_hours(1), "capacity": 1, "providerInfo": {"staticSecret": STATIC_SECRET}});
    manager
        .createWorker(&pool, WORKER_GROUP, WORKER_ID, &worker)
        .await?;
    let who = json!({"workerPoolId": pool, "workerGroup": WORKER_GROUP, "workerId": WORKER_ID});
    let mut request = who.clone();
    let proof = json!({"providerId": "static", "workerIdentityProof": {"staticSecret": STATIC_SECRET}});
    set(&mut request, &proof);
    let answer = WorkerManager::new(kit.anonymous())?
        .registerWorker(&request)
        .await?;
    ensure!(
        *at(&answer, "/workerConfig") == json!({"of": "the pool"}),
        "{answer}"
    );
    Ok(Registered {
        pool,
        who,
        secret: text(&answer, "secret")?.to_owned(),
        credentials: credentials(at(&answer, "/credentials"))?,
    })
}

pub(super) async fn worker_registers_and_registers_again(kit: &Kit<'_>) -> anyhow::Result<()> {
    kit.embedded_only()?;
    let registered = register(kit).await?;
    let own = WorkerManager::new(kit.with(&registered.credentials))?;
    let pool = &registered.pool;
    let told = own.shouldWorkerTerminate(pool, WORKER_GROUP, WORKER_ID).await?;
    ensure!(at(&told, "/terminate") == false, "{told}");
    let mut request = registered.who.clone();
    set(&mut request, &json!({"secret": registered.secret}));
    let again = own.reregisterWorker(&request).await?;
    ensure!(at(&again, "/secret") != at(&request, "/secret"));
    refused(
        own.reregisterWorker(&request).await,
        reqwest::StatusCode::BAD_REQUEST,
    )?;
    own.removeWorker(pool, WORKER_GROUP, WORKER_ID).await?;
    let told = own.shouldWorkerTerminate(pool, WORKER_GROUP, WORKER_ID).await?;
    ensure!(at(&told, "/terminate") == true, "{told}");
    Ok(())
}

pub(super) async fn error_that_a_worker_reports_is_listed(kit: &Kit<'_>) -> anyhow::Result<()> {
    kit.embedded_only()?;
    let registered = register(kit).await?;
    let own = WorkerManager::new(kit.with(&registered.credentials))?;
    let report = json!({
        "workerGroup": WORKER_GROUP,
        "workerId": WORKER_ID,
        "kind": "check",
        "title": "A check",
        "description": "reports an error.",
        "extra": {},
    });
    own.reportWorkerError(&registered.pool, &report).await?;
    let manager = WorkerManager::new(kit.client())?;
    let errors = manager
        .listWorkerPoolErrors(&registered.pool, None, None, None, None)
        .await?;
    ensure!(at(&errors, "/workerPoolErrors/0/title") == "A check", "{errors}");
    let workers = manager
        .listWorkersForWorkerGroup(&registered.pool, WORKER_GROUP, None, None)
        .await?;
    ensure!(at(&workers, "/workers/0/workerId") == WORKER_ID, "{workers}");
    Ok(())
}

pub(super) async fn quarantined_worker_is_listed_as_such(kit: &Kit<'_>) -> anyhow::Result<()> {
    kit.embedded_only()?;
    let (queue, worker_id) = (kit.queue()?, kit.tag());
    let (provisioner, worker_type) = ("checks", "quarantine-rust");
    let declared = json!({"expires": in_hours(1)});
    queue
        .declareWorker(provisioner, worker_type, WORKER_GROUP, worker_id, &declared)
        .await?;
    let quarantine = json!({"quarantineUntil": in_hours(1), "quarantineInfo": "a check"});
    queue
        .quarantineWorker(provisioner, worker_type, WORKER_GROUP, worker_id, &quarantine)
        .await?;
    let worker = queue
        .getWorker(provisioner, worker_type, WORKER_GROUP, worker_id)
        .await?;
    ensure!(
        at(&worker, "/quarantineUntil") == at(&quarantine, "/quarantineUntil"),
        "{worker}"
    );
    for (quarantined, count) in [("true", 1), ("false", 0)] {
        let pages = pages("workers", |token| {
            queue.listWorkers_signed_url(
                provisioner,
                worker_type,
                token,
                None,
                Some(quarantined),
                SIGNED_FOR,
            )
        })
        .await?;
        ensure!(
            pages.iter().flatten().count() == count,
            "{quarantined}: {pages:?}"
        );
    }
    Ok(())
}
