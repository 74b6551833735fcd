//! Tasks, as those who create them and those who work for them meet them.

use anyhow::ensure;
use reqwest::StatusCode;
use serde_json::json;
use std::time::Duration;

use super::kit::{Claimed, Kit, at, list, pages, refused, text};

/// How long an address is signed for.
pub(super) const SIGNED_FOR: Duration = Duration::from_secs(600);

pub(super) async fn task_is_created_claimed_and_completed(kit: &Kit<'_>) -> anyhow::Result<()> {
    let queue = kit.queue()?;
    let task_id = kit.create(&json!({"tags": {"kind": "check"}})).await?;
    ensure!(at(&queue.task(&task_id).await?, "/tags/kind") == "check");
    ensure!(at(&queue.status(&task_id).await?, "/status/state") == "pending");
    let claimed = kit.claim(&task_id).await?;
    ensure!(at(&queue.status(&task_id).await?, "/status/state") == "running");
    kit.of(&claimed)?
        .reportCompleted(&task_id, &claimed.run_id)
        .await?;
    let status = kit.watch(&task_id).await?;
    ensure!(at(&status, "/state") == "completed", "{status}");
    ensure!(at(&status, "/runs/0/reasonResolved") == "completed", "{status}");
    Ok(())
}

pub(super) async fn claim_is_renewed_with_new_credentials(kit: &Kit<'_>) -> anyhow::Result<()> {
    let claimed = kit.claimed().await?;
    let (task_id, run_id) = (&claimed.task_id, &claimed.run_id);
    let answer = kit.of(&claimed)?.reclaimTask(task_id, run_id).await?;
    let renewed = Claimed::new(task_id, &answer)?;
    ensure!(
        renewed.taken_until.get(..19) >= claimed.taken_until.get(..19),
        "{answer}"
    );
    ensure!(renewed.credentials != claimed.credentials);
    kit.of(&renewed)?.reportFailed(task_id, run_id).await?;
    ensure!(at(&kit.watch(task_id).await?, "/state") == "failed");
    Ok(())
}

pub(super) async fn canceled_task_can_neither_be_reclaimed_nor_resolved(kit: &Kit<'_>) -> anyhow::Result<()> {
    let claimed = kit.claimed().await?;
    let (task_id, run_id) = (&claimed.task_id, &claimed.run_id);
    kit.queue()?.cancelTask(task_id).await?;
    let status = kit.watch(task_id).await?;
    ensure!(at(&status, "/runs/0/reasonResolved") == "canceled", "{status}");
    let queue = kit.of(&claimed)?;
    refused(queue.reclaimTask(task_id, run_id).await, StatusCode::CONFLICT)?;
    refused(queue.reportCompleted(task_id, run_id).await, StatusCode::CONFLICT)?;
    Ok(())
}

pub(super) async fn task_that_is_rerun_has_a_second_run(kit: &Kit<'_>) -> anyhow::Result<()> {
    let task_id = kit.create(&json!({})).await?;
    kit.complete(&task_id).await?;
    kit.queue()?.rerunTask(&task_id).await?;
    kit.complete(&task_id).await?;
    let status = kit.watch(&task_id).await?;
    ensure!(at(&status, "/runs/1/reasonCreated") == "rerun", "{status}");
    Ok(())
}

pub(super) async fn dependent_waits_for_what_it_depends_on(kit: &Kit<'_>) -> anyhow::Result<()> {
    let queue = kit.queue()?;
    let first = kit.create(&json!({})).await?;
    let second = kit
        .create(&json!({"taskGroupId": first, "dependencies": [first]}))
        .await?;
    ensure!(at(&queue.status(&second).await?, "/status/state") == "unscheduled");
    let dependents = queue.listDependentTasks(&first, None, None).await?;
    ensure!(
        at(&dependents, "/tasks/0/status/taskId") == second.as_str(),
        "{dependents}"
    );
    kit.complete(&first).await?;
    kit.complete(&second).await?;
    ensure!(list(&kit.watch(&second).await?, "runs")?.len() == 1);
    Ok(())
}

pub(super) async fn group_is_listed_page_by_page(kit: &Kit<'_>) -> anyhow::Result<()> {
    let queue = kit.queue()?;
    let first = kit.create(&json!({})).await?;
    let mut expected = vec![first.clone()];
    for _ in 0..2 {
        expected.push(kit.create(&json!({"taskGroupId": first})).await?);
    }
    let pages = pages("tasks", |token| {
        queue.listTaskGroup_signed_url(&first, token, Some("1"), SIGNED_FOR)
    })
    .await?;
    let mut listed = Vec::new();
    for task in pages.iter().flatten() {
        listed.push(text(at(task, "/status"), "taskId")?.to_owned());
    }
    for task_id in &expected {
        queue.cancelTask(task_id).await?;
    }
    listed.sort();
    expected.sort();
    ensure!(listed == expected, "{listed:?}");
    ensure!(pages.len() >= 3, "{} pages", pages.len());
    Ok(())
}
