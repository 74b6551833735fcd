//! Who may do what: scopes, temporary credentials, and what the crate says of a refusal.

use std::time::Duration;

use anyhow::ensure;
use reqwest::StatusCode;
use serde_json::json;
use taskcluster::{Auth, Queue, Secrets};

use super::kit::{Kit, PROJECT, at, list, refused};

pub(super) async fn scopes_are_those_of_the_credentials(kit: &Kit<'_>) -> anyhow::Result<()> {
    let auth = Auth::new(kit.client())?;
    let scopes = auth.currentScopes().await?;
    ensure!(!list(&scopes, "scopes")?.is_empty(), "{scopes}");
    let scope = format!("{PROJECT}:{}", kit.tag());
    let expanded = auth.expandScopes(&json!({"scopes": [scope]})).await?;
    ensure!(list(&expanded, "scopes")?.contains(&json!(scope)), "{expanded}");
    Ok(())
}

pub(super) async fn temporary_credentials_may_do_what_they_were_made_for(
    kit: &Kit<'_>,
) -> anyhow::Result<()> {
    kit.permanent_only()?;
    let scopes = ["auth:current-scopes"];
    let own = kit
        .credentials()
        .create_temp_creds(Duration::from_secs(600), scopes)?;
    let answer = Auth::new(kit.with(&own))?.currentScopes().await?;
    ensure!(
        list(&answer, "scopes")?.contains(&json!("auth:current-scopes")),
        "{answer}"
    );
    let secrets = Secrets::new(kit.with(&own))?;
    let name = format!("project/{PROJECT}/{}", kit.tag());
    refused(secrets.get(&name).await, StatusCode::FORBIDDEN)?;
    Ok(())
}

pub(super) async fn authorized_scopes_narrow_what_a_client_may_do(kit: &Kit<'_>) -> anyhow::Result<()> {
    let task_id = kit.create(&json!({})).await?;
    let narrowed = Queue::new(kit.client().authorized_scopes(["queue:get-task:*"]))?;
    ensure!(at(&narrowed.task(&task_id).await?, "/schedulerId") == PROJECT);
    let message = refused(narrowed.cancelTask(&task_id).await, StatusCode::FORBIDDEN)?;
    ensure!(message.contains("queue:cancel-task"), "{message}");
    kit.queue()?.cancelTask(&task_id).await?;
    Ok(())
}

pub(super) async fn unknown_task_is_not_found(kit: &Kit<'_>) -> anyhow::Result<()> {
    let task_id = slugid::nice();
    let message = refused(kit.queue()?.status(&task_id).await, StatusCode::NOT_FOUND)?;
    ensure!(message.contains(&task_id), "{message}");
    Ok(())
}

pub(super) async fn another_task_of_the_same_id_is_a_conflict(kit: &Kit<'_>) -> anyhow::Result<()> {
    let (queue, task_id) = (kit.queue()?, slugid::nice());
    let task = kit.definition(&json!({}));
    let first = queue.createTask(&task_id, &task).await?;
    ensure!(queue.createTask(&task_id, &task).await? == first);
    let other = kit.definition(&json!({"retries": 3}));
    refused(queue.createTask(&task_id, &other).await, StatusCode::CONFLICT)?;
    queue.cancelTask(&task_id).await?;
    Ok(())
}

/// Once this fails the crate is mended, and lists can be read by its ordinary calls.
pub(super) async fn signed_call_with_a_query_is_refused_for_the_crate_leaves_the_query_out(
    kit: &Kit<'_>,
) -> anyhow::Result<()> {
    let task_id = kit.create(&json!({})).await?;
    let queue = kit.queue()?;
    queue.listTaskGroup(&task_id, None, None).await?;
    let with_query = queue.listTaskGroup(&task_id, None, Some("1")).await;
    queue.cancelTask(&task_id).await?;
    refused(with_query, StatusCode::UNAUTHORIZED)?;
    Ok(())
}
