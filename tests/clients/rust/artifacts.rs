//! Artifacts and objects, put and fetched by the crates' own helpers.

use anyhow::{Context as _, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};
use taskcluster::{Object, Queue, retry::Retry};
use taskcluster_download::{download_artifact_to_vec, download_to_vec};
use taskcluster_upload::upload_from_buf;

use super::{
    kit::{Claimed, Kit, PROJECT, at, credentials, hours_from_now, in_hours, pages, set, text},
    tasks::SIGNED_FOR,
};

const TEXT: &[u8] = b"What a task has made.\n";
const CONTENT_TYPE: &str = "application/x-check";

/// From 8 KiB on the crate puts an object's bytes to an address, and does not send them with the call.
fn contents() -> [(&'static str, Vec<u8>); 2] {
    [("small", TEXT.to_vec()), ("large", TEXT.repeat(10_000))]
}

/// A task that is being worked on.
struct Work {
    claimed: Claimed,
    queue: Queue,
}

impl Work {
    async fn begin(kit: &Kit<'_>) -> anyhow::Result<Self> {
        let claimed = kit.claimed().await?;
        Ok(Self {
            queue: kit.of(&claimed)?,
            claimed,
        })
    }

    async fn add(&self, name: &str, fields: Value) -> anyhow::Result<Value> {
        let mut request = fields;
        set(&mut request, &json!({"expires": in_hours(20)}));
        let (task_id, run_id) = (&self.claimed.task_id, &self.claimed.run_id);
        self.queue.createArtifact(task_id, run_id, name, &request).await
    }

    async fn add_s3(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        let fields =
            json!({"storageType": "s3", "contentType": "text/plain", "contentLength": content.len()});
        let place = self.add(name, fields).await?;
        let put = reqwest::Client::new()
            .put(text(&place, "putUrl")?)
            .header("content-type", text(&place, "contentType")?)
            .body(content.to_vec());
        put.send().await?.error_for_status()?;
        Ok(())
    }

    async fn add_object(&self, kit: &Kit<'_>, name: &str, content: &[u8]) -> anyhow::Result<()> {
        let fields = json!({"storageType": "object", "contentType": CONTENT_TYPE});
        let place = self.add(name, fields).await?;
        let upload_id = text(&place, "uploadId")?;
        upload_from_buf(
            text(&place, "projectId")?,
            text(&place, "name")?,
            CONTENT_TYPE,
            &text(&place, "expires")?.parse().context("expires")?,
            content,
            &Retry::default(),
            &Object::new(kit.with(&credentials(at(&place, "/credentials"))?))?,
            upload_id,
        )
        .await?;
        let (task_id, run_id) = (&self.claimed.task_id, &self.claimed.run_id);
        let finished = json!({"uploadId": upload_id});
        self.queue.finishArtifact(task_id, run_id, name, &finished).await
    }

    async fn fetch(&self, kit: &Kit<'_>, name: &str) -> anyhow::Result<(Vec<u8>, String)> {
        let queue = kit.queue()?;
        download_artifact_to_vec(&self.claimed.task_id, None, name, &Retry::default(), &queue).await
    }

    async fn end(self) -> anyhow::Result<()> {
        let (task_id, run_id) = (&self.claimed.task_id, &self.claimed.run_id);
        self.queue.reportCompleted(task_id, run_id).await?;
        Ok(())
    }
}

pub(super) async fn s3_artifact_is_fetched_as_it_was_put(kit: &Kit<'_>) -> anyhow::Result<()> {
    let work = Work::begin(kit).await?;
    work.add_s3("public/text.txt", TEXT).await?;
    let (content, content_type) = work.fetch(kit, "public/text.txt").await?;
    ensure!(content == TEXT && content_type == "text/plain", "{content_type}");
    work.end().await
}

pub(super) async fn object_artifact_is_fetched_as_it_was_put(kit: &Kit<'_>) -> anyhow::Result<()> {
    let work = Work::begin(kit).await?;
    for (name, content) in contents() {
        let name = format!("public/{name}");
        work.add_object(kit, &name, &content).await?;
        let place = kit.queue()?.latestArtifact(&work.claimed.task_id, &name).await?;
        let object = Object::new(kit.with(&credentials(at(&place, "/credentials"))?))?;
        let (fetched, content_type) =
            download_to_vec(text(&place, "name")?, &Retry::default(), &object).await?;
        ensure!(
            fetched == content && content_type == CONTENT_TYPE,
            "{name}: {content_type}"
        );
    }
    work.end().await
}

/// Once this fails the crate is mended, and the check above can do without looking for the object by itself.
pub(super) async fn object_artifact_is_not_found_by_its_name_for_the_crate_misspells_credentials(
    kit: &Kit<'_>,
) -> anyhow::Result<()> {
    let work = Work::begin(kit).await?;
    work.add_object(kit, "public/object", TEXT).await?;
    let error = work.fetch(kit, "public/object").await;
    let error = error.err().context("it was fetched")?;
    ensure!(format!("{error:#}").contains("client_id"), "{error:#}");
    work.end().await
}

pub(super) async fn object_is_downloaded_as_it_was_uploaded(kit: &Kit<'_>) -> anyhow::Result<()> {
    let object = Object::new(kit.client())?;
    for (name, content) in contents() {
        let name = format!("{PROJECT}/{}/{name}", kit.tag());
        let (expires, upload_id) = (hours_from_now(20), slugid::nice());
        let retry = Retry::default();
        upload_from_buf(
            PROJECT,
            &name,
            CONTENT_TYPE,
            &expires,
            &content,
            &retry,
            &object,
            &upload_id,
        )
        .await?;
        let (fetched, content_type) = download_to_vec(&name, &retry, &object).await?;
        ensure!(
            fetched == content && content_type == CONTENT_TYPE,
            "{name}: {content_type}"
        );
    }
    Ok(())
}

pub(super) async fn error_artifact_tells_its_reason(kit: &Kit<'_>) -> anyhow::Result<()> {
    let work = Work::begin(kit).await?;
    let fields = json!({"storageType": "error", "reason": "file-missing-on-worker", "message": "There is no such file."});
    work.add("public/error", fields).await?;
    let error = work
        .fetch(kit, "public/error")
        .await
        .err()
        .context("it was fetched")?;
    ensure!(
        format!("{error:#}").contains("There is no such file."),
        "{error:#}"
    );
    work.end().await
}

pub(super) async fn artifacts_are_listed_page_by_page(kit: &Kit<'_>) -> anyhow::Result<()> {
    let work = Work::begin(kit).await?;
    for number in 0..3 {
        let fields = json!({"storageType": "error", "reason": "file-missing-on-worker", "message": ""});
        work.add(&format!("public/{number}.txt"), fields).await?;
    }
    let queue = kit.queue()?;
    let task_id = &work.claimed.task_id;
    let pages = pages("artifacts", |token| {
        queue.listLatestArtifacts_signed_url(task_id, token, Some("1"), SIGNED_FOR)
    })
    .await?;
    let names: Vec<&Value> = pages
        .iter()
        .flatten()
        .map(|artifact| at(artifact, "/name"))
        .collect();
    ensure!(
        names == ["public/0.txt", "public/1.txt", "public/2.txt"],
        "{names:?}"
    );
    ensure!(pages.len() >= 3, "{} pages", pages.len());
    work.end().await
}

pub(super) async fn signed_address_opens_a_private_artifact(kit: &Kit<'_>) -> anyhow::Result<()> {
    let work = Work::begin(kit).await?;
    work.add_s3("private/text.txt", TEXT).await?;
    let (queue, task_id) = (kit.queue()?, &work.claimed.task_id);
    let plain = reqwest::get(queue.getLatestArtifact_url(task_id, "private/text.txt")?).await?;
    ensure!(plain.status() == StatusCode::FORBIDDEN, "{}", plain.status());
    let signed = queue.getLatestArtifact_signed_url(task_id, "private/text.txt", SIGNED_FOR)?;
    ensure!(reqwest::get(&signed).await?.error_for_status()?.bytes().await? == TEXT);
    let other = reqwest::get(signed.replace("text.txt", "text2.txt")).await?;
    ensure!(other.status() == StatusCode::UNAUTHORIZED, "{}", other.status());
    work.end().await
}
