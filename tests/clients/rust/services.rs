//! The services beside the queue that tasks use: secrets, index, purge-cache.

use anyhow::ensure;
use reqwest::StatusCode;
use serde_json::json;
use taskcluster::{Index, PurgeCache, Secrets};

use super::kit::{Kit, PROJECT, at, eventually, in_hours, list, refused};

pub(super) async fn secret_is_set_listed_got_and_removed(kit: &Kit<'_>) -> anyhow::Result<()> {
    let secrets = Secrets::new(kit.client())?;
    let name = format!("project/{PROJECT}/{}", kit.tag());
    let secret = json!({"secret": {"password": "hunter2"}, "expires": in_hours(1)});
    secrets.set(&name, &secret).await?;
    ensure!(at(&secrets.get(&name).await?, "/secret") == at(&secret, "/secret"));
    let names = secrets.list(None, None).await?;
    ensure!(!list(&names, "secrets")?.is_empty(), "{names}");
    secrets.remove(&name).await?;
    refused(secrets.get(&name).await, StatusCode::NOT_FOUND)?;
    Ok(())
}

pub(super) async fn task_of_the_highest_rank_is_found(kit: &Kit<'_>) -> anyhow::Result<()> {
    let index = Index::new(kit.client())?;
    let namespace = format!("project.{PROJECT}.{}.ranks", kit.tag());
    let (old, new) = (slugid::nice(), slugid::nice());
    for (task_id, rank) in [(&new, 2), (&old, 1)] {
        let entry = json!({"taskId": task_id, "rank": rank, "data": {}, "expires": in_hours(20)});
        index.insertTask(&format!("{namespace}.latest"), &entry).await?;
    }
    let found = index.findTask(&format!("{namespace}.latest")).await?;
    ensure!(
        at(&found, "/taskId") == new.as_str() && at(&found, "/rank") == 2,
        "{found}"
    );
    let listed = index.listTasks(&namespace, None, None).await?;
    ensure!(list(&listed, "tasks")?.len() == 1, "{listed}");
    let nothing = index.findTask(&format!("{namespace}.nothing")).await;
    refused(nothing, StatusCode::NOT_FOUND)?;
    Ok(())
}

pub(super) async fn artifact_is_found_by_the_task_s_place_in_the_index(kit: &Kit<'_>) -> anyhow::Result<()> {
    let claimed = kit.claimed().await?;
    let (queue, index) = (kit.of(&claimed)?, Index::new(kit.client())?);
    let artifact = json!({
        "storageType": "reference",
        "contentType": "text/plain",
        "url": "https://example.com/",
        "expires": in_hours(20),
    });
    let (task_id, run_id) = (&claimed.task_id, &claimed.run_id);
    queue
        .createArtifact(task_id, run_id, "public/link", &artifact)
        .await?;
    queue.reportCompleted(task_id, run_id).await?;
    let namespace = format!("project.{PROJECT}.{}.artifact", kit.tag());
    let entry = json!({"taskId": task_id, "rank": 1, "data": {}, "expires": in_hours(20)});
    index.insertTask(&namespace, &entry).await?;
    // The answer leads to the queue, which leads to the address.
    let following = reqwest::redirect::Policy::custom(|attempt| {
        if attempt.url().host_str() == Some("example.com") {
            attempt.stop()
        } else {
            attempt.follow()
        }
    });
    let http = reqwest::Client::builder().redirect(following).build()?;
    let answer = http
        .get(index.findArtifactFromTask_url(&namespace, "public/link")?)
        .send()
        .await?;
    let location = answer.headers().get("location").cloned();
    ensure!(location.is_some_and(|location| location == "https://example.com/"));
    Ok(())
}

pub(super) async fn request_to_purge_is_there_for_workers(kit: &Kit<'_>) -> anyhow::Result<()> {
    let purge_cache = PurgeCache::new(kit.client())?;
    let request = json!({"cacheName": kit.tag()});
    purge_cache.purgeCache(kit.task_queue_id(), &request).await?;
    // A deployment may answer from a cache.
    eventually("the request to purge is there", async || {
        let answer = purge_cache.purgeRequests(kit.task_queue_id(), None).await?;
        let mut requests = list(&answer, "requests")?.iter();
        Ok(requests
            .any(|request| at(request, "/cacheName") == kit.tag())
            .then_some(()))
    })
    .await
}
