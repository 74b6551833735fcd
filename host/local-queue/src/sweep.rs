//! The sweep: what has expired is forgotten, now and then: tasks, artifacts, clients, secrets, and what is in the index.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    content::ContentFiles,
    error::Failure,
    store::{Db, Store},
};

/// How often.
const EVERY: Duration = Duration::from_secs(3600);
/// How many at a time, so that nobody waits long.
const GROUP: u32 = 50;

/// Sweeps at once, and every hour, until `stopping`.
pub(crate) async fn run(store: Arc<Store>, content: ContentFiles, stopping: CancellationToken) {
    loop {
        if let Err(error) = sweep(&store, &content, &stopping).await {
            tracing::error!(%error, "what has expired can't be removed");
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn sweep(store: &Store, content: &ContentFiles, stopping: &CancellationToken) -> Result<(), Failure> {
    while !stopping.is_cancelled() {
        let (removed, files) = store.run(|db: &Db<'_>| db.expire(clock::now(), GROUP)).await?;
        for file in &files {
            content.remove(file).await;
        }
        if removed == 0 {
            return Ok(());
        }
    }
    Ok(())
}
