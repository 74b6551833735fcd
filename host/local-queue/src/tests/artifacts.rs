//! Artifacts: made, made again, listed, found.

use chrono::{DateTime, TimeDelta, Utc};
use queue::{
    Queue,
    wire::{ArtifactContent, ArtifactErrorReason, CreateArtifactRequest, CreateArtifactResponse},
};
use reqwest::Method;
use serde_json::json;

use super::kit::{Fixture, QUEUE, definition, expires, in_time, limited, refusal, refused};
use crate::clock;

pub(super) fn s3(content_type: &str, expires: DateTime<Utc>) -> CreateArtifactRequest {
    CreateArtifactRequest::S3 {
        expires,
        content_type: content_type.to_owned(),
        content_length: Some(5),
    }
}

fn reference(url: &str) -> CreateArtifactRequest {
    CreateArtifactRequest::Reference {
        expires: expires(),
        content_type: "text/plain".to_owned(),
        url: url.to_owned(),
    }
}

fn link(target: &str) -> CreateArtifactRequest {
    CreateArtifactRequest::Link {
        expires: expires(),
        content_type: None,
        artifact: target.to_owned(),
    }
}

fn missing() -> CreateArtifactRequest {
    CreateArtifactRequest::Error {
        expires: expires(),
        reason: ArtifactErrorReason::FileMissingOnWorker,
        message: "it is not there".to_owned(),
    }
}

async fn create(
    worker: &Queue,
    id: &str,
    name: &str,
    request: &CreateArtifactRequest,
) -> CreateArtifactResponse {
    worker.create_artifact(id, 0, name, request).await.unwrap()
}

#[tokio::test]
async fn every_kind_is_found_in_its_own_way() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    let made = create(&worker, id, "public/ref", &reference("https://example.com/ä b")).await;
    assert_eq!(made, CreateArtifactResponse::Reference);
    assert_eq!(
        create(&worker, id, "public/link", &link("public/ref")).await,
        CreateArtifactResponse::Link
    );
    assert_eq!(
        create(&worker, id, "public/none", &missing()).await,
        CreateArtifactResponse::Error
    );
    create(&worker, id, "public/a b/c%2Fd", &s3("text/plain", expires())).await;

    let root = fixture.root();
    let there = ArtifactContent::Reference {
        url: "https://example.com/ä b".to_owned(),
    };
    for name in ["public/ref", "public/link"] {
        assert_eq!(root.artifact(id, 0, name).await.unwrap(), there);
        assert_eq!(root.latest_artifact(id, name).await.unwrap(), there);
    }
    let none = root.artifact(id, 0, "public/none").await.unwrap();
    assert!(matches!(none, ArtifactContent::Error { reason, .. } if reason == "file-missing-on-worker"));
    assert!(matches!(
        root.artifact(id, 0, "public/a b/c%2Fd").await.unwrap(),
        ArtifactContent::S3 { .. }
    ));

    for prefix in [
        format!("task/{id}/runs/0/artifacts"),
        format!("task/{id}/artifacts"),
    ] {
        let reply = fixture.get(&format!("{prefix}/public/link")).await;
        assert_eq!(reply.status, 303);
        assert_eq!(reply.header("location"), "https://example.com/%C3%A4%20b");
        assert_eq!(reply.header("x-taskcluster-artifact-storage-type"), "reference");
        assert_eq!(
            reply.body,
            json!({ "storageType": "reference", "url": "https://example.com/ä b" })
        );
        let reply = fixture.get(&format!("{prefix}/public%2Fnone")).await;
        assert_eq!(reply.status, 424);
        assert_eq!(
            reply.body,
            json!({ "reason": "file-missing-on-worker", "message": "it is not there" })
        );
        assert_eq!(
            fixture.get(&format!("{prefix}/public/x")).await.refusal(),
            refused(404, "ResourceNotFound")
        );
    }
}

#[tokio::test]
async fn artifacts_are_listed_and_described() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    create(&worker, id, "public/c", &s3("text/html", expires())).await;
    create(&worker, id, "public/a", &missing()).await;
    create(&worker, id, "public/b", &link("public/c")).await;
    let listed = fixture.root().list_artifacts(id, 0, None).await.unwrap();
    let shown: Vec<(&str, &str, &str, Option<u64>)> = listed
        .artifacts
        .iter()
        .map(|a| {
            (
                a.name.as_str(),
                a.storage_type.as_str(),
                a.content_type.as_str(),
                a.content_length,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("public/a", "error", "application/binary", None),
            ("public/b", "link", "application/binary", None),
            ("public/c", "s3", "text/html", Some(5)),
        ]
    );
    let latest = fixture.root().list_latest_artifacts(id, None).await.unwrap();
    assert_eq!(latest.artifacts, listed.artifacts);

    for path in [
        format!("task/{id}/runs/0/artifacts"),
        format!("task/{id}/artifacts"),
    ] {
        let first = fixture.get(&format!("{path}?limit=2")).await.body;
        assert_eq!(first["artifacts"].as_array().unwrap().len(), 2);
        let token = first["continuationToken"].as_str().unwrap();
        let second = fixture
            .get(&format!("{path}?limit=2&continuationToken={token}"))
            .await
            .body;
        assert_eq!(second["artifacts"][0]["name"], "public/c");
        assert!(second.get("continuationToken").is_none());
    }
    for path in [
        format!("task/{id}/runs/0/artifact-info/public/c"),
        format!("task/{id}/artifact-info/public/c"),
    ] {
        let info = fixture.get(&path).await.body;
        assert_eq!(info["contentLength"], 5);
        assert_eq!(info["storageType"], "s3");
    }
    let absent = fixture
        .get(&format!("task/{id}/runs/0/artifact-info/public/x"))
        .await;
    assert_eq!(absent.refusal(), refused(404, "ResourceNotFound"));
    let absent = fixture.get(&format!("task/{id}/runs/1/artifacts")).await;
    assert_eq!(absent.refusal(), refused(404, "ResourceNotFound"));
}

#[tokio::test]
async fn the_same_artifact_may_be_made_again_and_no_other_under_its_name() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    let until = expires();
    let conflict = refused(409, "RequestConflict");
    create(&worker, id, "public/a", &s3("text/plain", until)).await;
    create(&worker, id, "public/a", &s3("text/plain", until)).await;
    create(
        &worker,
        id,
        "public/a",
        &s3("text/plain", until + TimeDelta::hours(1)),
    )
    .await;
    for other in [
        s3("text/plain", until),
        s3("text/html", until + TimeDelta::hours(1)),
        reference("http://a/"),
        missing(),
    ] {
        assert_eq!(
            refusal(worker.create_artifact(id, 0, "public/a", &other).await),
            conflict
        );
    }
    create(&worker, id, "public/live", &reference("http://a/")).await;
    create(&worker, id, "public/live", &reference("http://b/")).await;
    create(&worker, id, "public/live", &link("public/a")).await;
    assert!(matches!(
        fixture.root().artifact(id, 0, "public/live").await.unwrap(),
        ArtifactContent::S3 { .. }
    ));
    let back = worker
        .create_artifact(id, 0, "public/live", &reference("http://c/"))
        .await;
    assert_eq!(refusal(back), conflict);
}

#[tokio::test]
async fn artifacts_are_made_while_a_run_runs_and_for_a_while_after_an_exception() {
    let fixture = Fixture::start().await;
    let conflict = refused(409, "RequestConflict");
    for report in ["completed", "failed"] {
        let (claim, worker) = fixture.running().await;
        let id = &claim.status.task_id;
        match report {
            "completed" => worker.report_completed(id, 0).await.unwrap(),
            _ => worker.report_failed(id, 0).await.unwrap(),
        };
        assert_eq!(
            refusal(worker.create_artifact(id, 0, "public/a", &missing()).await),
            conflict,
            "{report}"
        );
    }
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    fixture.root().cancel_task(id).await.unwrap();
    create(&worker, id, "public/a", &missing()).await;
}

#[tokio::test]
async fn artifacts_that_can_not_be_are_refused() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    let input = refused(400, "InputError");
    let pending = fixture.create(&definition(QUEUE)).await;
    for (task_id, run_id) in [(slugid::v4(), 0), (id.clone(), 1), (pending, 0)] {
        let made = fixture
            .root()
            .create_artifact(&task_id, run_id, "public/a", &missing())
            .await;
        assert_eq!(refusal(made), input);
    }
    let too_late = s3("text/plain", clock::now() + TimeDelta::days(400));
    assert_eq!(
        refusal(worker.create_artifact(id, 0, "public/a", &too_late).await),
        input
    );
    let over = s3("text/plain", clock::now() - TimeDelta::minutes(16));
    assert_eq!(
        refusal(worker.create_artifact(id, 0, "public/a", &over).await),
        input
    );
    let reader = fixture.client(limited(&["queue:create-artifact:other/0"]));
    let made = reader.create_artifact(id, 0, "public/a", &missing()).await;
    assert_eq!(refusal(made), refused(403, "InsufficientScopes"));

    let names = refused(400, "InvalidRequestArguments");
    for name in ["public/ä", "public/\u{7}", &"x".repeat(1025)] {
        assert_eq!(
            refusal(worker.create_artifact(id, 0, name, &missing()).await),
            names,
            "{name}"
        );
    }
    create(&worker, id, &"x".repeat(1024), &missing()).await;

    let schema = refused(400, "InputValidationError");
    let until = in_time(TimeDelta::hours(1));
    let path = format!("task/{id}/runs/0/artifacts/public/a");
    for body in [
        json!({}),
        json!({ "storageType": "s3", "expires": until }),
        json!({ "storageType": "s3", "expires": "soon", "contentType": "a/b" }),
        json!({ "storageType": "s3", "expires": until, "contentType": "x".repeat(256) }),
        json!({ "storageType": "s3", "expires": until, "contentType": "a/b", "more": 1 }),
        json!({ "storageType": "s3", "expires": until, "contentType": "a/b", "contentLength": -1 }),
        json!({ "storageType": "s3", "expires": until, "contentType": "a/b", "contentLength": u64::MAX }),
        json!({ "storageType": "reference", "expires": until, "contentType": "a/b", "url": "nowhere" }),
        json!({ "storageType": "error", "expires": until, "reason": "x", "message": "y" }),
        json!({ "storageType": "error", "expires": until, "reason": "file-missing-on-worker", "message": "x".repeat(4097) }),
        json!({ "storageType": "magic", "expires": until }),
    ] {
        let reply = fixture
            .raw(Some(&claim.credentials), Method::POST, &path, Some(&body))
            .await;
        assert_eq!(reply.refusal(), schema, "{body}");
    }
    assert_eq!(
        fixture
            .root()
            .list_artifacts(id, 0, None)
            .await
            .unwrap()
            .artifacts
            .len(),
        1
    );
}

#[tokio::test]
async fn links_lead_only_where_the_caller_may_go() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    create(&worker, id, "private/x", &reference("http://a/")).await;
    create(&worker, id, "public/x", &link("private/x")).await;
    create(&worker, id, "public/dead", &link("public/nothing")).await;
    create(&worker, id, "public/1", &link("public/2")).await;
    create(&worker, id, "public/2", &link("public/1")).await;
    let find =
        async |scopes: &[&str], name: &str| fixture.client(limited(scopes)).artifact(id, 0, name).await;
    let denied = refused(403, "InsufficientScopes");
    assert_eq!(refusal(find(&[], "private/x").await), denied);
    assert_eq!(refusal(find(&[], "public/x").await), denied);
    assert!(find(&["queue:get-artifact:private/*"], "public/x").await.is_ok());
    assert_eq!(
        refusal(find(&[], "public/dead").await),
        refused(404, "ResourceNotFound")
    );
    assert_eq!(refusal(find(&[], "public/1").await), refused(400, "InputError"));
}

#[tokio::test]
async fn an_artifact_that_has_expired_is_gone_and_swept_away_in_time() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    // The creator's clock may be off by so much.
    let request = s3("text/plain", clock::now() - TimeDelta::minutes(10));
    let CreateArtifactResponse::S3 { put_url, .. } = create(&worker, id, "public/a", &request).await else {
        panic!("no address")
    };
    let put = fixture.http.put(put_url).body("hello").send().await.unwrap();
    assert_eq!(put.status(), 200);
    create(&worker, id, "public/b", &missing()).await;
    let gone = fixture.root().artifact(id, 0, "public/a").await;
    assert_eq!(refusal(gone), refused(410, "ResourceExpired"));

    let files = |fixture: &Fixture| {
        std::fs::read_dir(fixture.path().join("artifacts"))
            .unwrap()
            .count()
    };
    assert_eq!(files(&fixture), 1);
    let fixture = fixture.restart().await;
    // The sweep begins with the queue; how long it takes is up to the machine.
    while files(&fixture) > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let left = fixture
        .root()
        .list_artifacts(id, 0, None)
        .await
        .unwrap()
        .artifacts;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].name, "public/b");
}
