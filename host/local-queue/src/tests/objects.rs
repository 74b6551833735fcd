//! The object service, and artifacts whose bytes it keeps.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::TimeDelta;
use queue::wire::{
    ArtifactContent, CreateArtifactRequest, CreateArtifactResponse, Credentials, ObjectUpload,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::kit::{Fixture, Reply, expires, in_time, limited, refusal, refused, root};

const BYTES: &[u8] = b"some bytes";
const SHA256: &str = "5164d05f4e4f2fa6a5d5a4aee0a9a8a1e4f2b1c8b1d9bf3f1ef3b4a2e8d7c6b5";

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a caller says of an upload.
fn upload(upload_id: &str, expires: &str, methods: Value) -> Value {
    json!({"projectId": "proj", "uploadId": upload_id, "expires": expires, "proposedUploadMethods": methods})
}

fn inline(bytes: &[u8]) -> Value {
    json!({"dataInline": {"contentType": "text/plain", "objectData": STANDARD.encode(bytes)}})
}

fn put_url(length: usize) -> Value {
    json!({"putUrl": {"contentType": "text/plain", "contentLength": length}})
}

async fn by(who: &Credentials, fixture: &Fixture, method: Method, path: &str, body: Value) -> Reply {
    let path = format!("object/v1/{path}");
    fixture.api(Some(who), method, &path, Some(&body)).await
}

async fn create(fixture: &Fixture, name: &str, body: Value) -> Reply {
    by(&root(), fixture, Method::PUT, &format!("upload/{name}"), body).await
}

async fn finish(fixture: &Fixture, name: &str, upload_id: &str, hashes: Value) -> Reply {
    let body = json!({"projectId": "proj", "uploadId": upload_id, "hashes": hashes});
    by(
        &root(),
        fixture,
        Method::POST,
        &format!("finish-upload/{name}"),
        body,
    )
    .await
}

async fn start_download(fixture: &Fixture, name: &str, methods: Value) -> Reply {
    let body = json!({"acceptDownloadMethods": methods});
    by(
        &root(),
        fixture,
        Method::PUT,
        &format!("start-download/{name}"),
        body,
    )
    .await
}

/// PUTs bytes with the headers that were given, and answers the status.
async fn put(fixture: &Fixture, target: &Value, headers: &[(&str, &str)], bytes: &[u8]) -> u16 {
    let mut request = fixture.http.put(target["url"].as_str().unwrap());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .body(bytes.to_vec())
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

async fn text(fixture: &Fixture, url: &str) -> String {
    fixture.http.get(url).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn an_object_is_uploaded_and_downloaded_by_every_method() {
    let fixture = Fixture::start().await;
    let hour = in_time(TimeDelta::hours(1));
    let hashes = json!({"sha256": sha256(BYTES)});
    for (name, methods) in [("a/inline", inline(BYTES)), ("a/put it", put_url(BYTES.len()))] {
        let upload_id = slugid::v4();
        let created = create(&fixture, name, upload(&upload_id, &hour, methods)).await;
        assert_eq!(created.status, 200, "{created:?}");
        let method = &created.body["uploadMethod"];
        if name.ends_with("inline") {
            assert_eq!(*method, json!({"dataInline": true}));
        } else {
            let target = &method["putUrl"];
            let length = BYTES.len().to_string();
            assert_eq!(
                target["headers"],
                json!({"content-type": "text/plain", "content-length": length})
            );
            assert_eq!(
                put(&fixture, target, &[("content-type", "text/plain")], BYTES).await,
                200
            );
        }
        let early = start_download(&fixture, name, json!({"simple": true})).await;
        assert_eq!(
            early.refusal(),
            refused(404, "ResourceNotFound"),
            "not before it is finished"
        );
        for _ in 0..2 {
            let finished = finish(&fixture, name, &upload_id, hashes.clone()).await;
            assert_eq!((finished.status, finished.body), (200, json!({})));
        }
        let simple = start_download(&fixture, name, json!({"simple": true})).await;
        assert_eq!(simple.body["method"], "simple");
        assert_eq!(
            text(&fixture, simple.body["url"].as_str().unwrap()).await,
            "some bytes"
        );
        let by_url = start_download(&fixture, name, json!({"getUrl": true})).await;
        assert_eq!(
            (&by_url.body["method"], &by_url.body["hashes"]),
            (&json!("getUrl"), &hashes)
        );
        let none = start_download(&fixture, name, json!({})).await;
        assert_eq!(none.refusal(), refused(406, "NoMatchingMethod"));
        let path = format!("metadata/{name}");
        let metadata = fixture
            .api(Some(&root()), Method::GET, &format!("object/v1/{path}"), None)
            .await;
        assert_eq!(
            metadata.body,
            json!({"projectId": "proj", "expires": hour, "hashes": hashes})
        );
        let download = fixture
            .api(
                Some(&root()),
                Method::GET,
                &format!("object/v1/download/{name}"),
                None,
            )
            .await;
        assert_eq!(download.status, 303);
        assert_eq!(text(&fixture, download.header("location")).await, "some bytes");
    }
    let fixture = fixture.restart().await;
    let kept = start_download(&fixture, "a/inline", json!({"simple": true})).await;
    assert_eq!(
        text(&fixture, kept.body["url"].as_str().unwrap()).await,
        "some bytes"
    );
}

#[tokio::test]
async fn only_bytes_that_are_what_was_told_become_an_object() {
    let fixture = Fixture::start().await;
    let (upload_id, hour) = (slugid::v4(), in_time(TimeDelta::hours(1)));
    create(&fixture, "x", upload(&upload_id, &hour, json!({}))).await;
    let nothing = finish(&fixture, "x", &upload_id, json!({})).await;
    assert_eq!(
        nothing.refusal(),
        refused(400, "InputError"),
        "there are no bytes"
    );
    create(&fixture, "x", upload(&upload_id, &hour, inline(BYTES))).await;
    let wrong = finish(&fixture, "x", &upload_id, json!({"sha256": SHA256})).await;
    assert_eq!(
        wrong.refusal(),
        refused(400, "InputError"),
        "they have another hash"
    );
    let odd = finish(&fixture, "x", &upload_id, json!({"md5": "x"})).await;
    assert_eq!(odd.refusal(), refused(400, "InputValidationError"));
    let right = finish(&fixture, "x", &upload_id, json!({"sha256": sha256(BYTES)})).await;
    assert_eq!(right.status, 200, "{right:?}");
    let other = finish(&fixture, "x", &upload_id, json!({"sha256": SHA256})).await;
    assert_eq!(other.refusal(), refused(409, "RequestConflict"));
    for again in [upload_id, slugid::v4()] {
        let again = create(&fixture, "x", upload(&again, &hour, inline(b"others"))).await;
        assert_eq!(
            again.refusal(),
            refused(409, "RequestConflict"),
            "it never changes"
        );
    }
    let bad = json!({"dataInline": {"contentType": "text/plain", "objectData": "*"}});
    let bad = create(&fixture, "y", upload(&slugid::v4(), &hour, bad)).await;
    assert_eq!(bad.refusal(), refused(400, "InputError"));
}

#[tokio::test]
async fn a_put_must_be_what_was_agreed_and_comes_before_the_end() {
    let fixture = Fixture::start().await;
    let (upload_id, hour) = (slugid::v4(), in_time(TimeDelta::hours(1)));
    let created = create(&fixture, "x", upload(&upload_id, &hour, put_url(BYTES.len()))).await;
    let target = &created.body["uploadMethod"]["putUrl"];
    for (headers, bytes) in [
        (&[("content-type", "text/html")][..], BYTES),
        (&[][..], BYTES),
        (
            &[("content-type", "text/plain")][..],
            &b"more bytes than agreed"[..],
        ),
    ] {
        assert_eq!(put(&fixture, target, headers, bytes).await, 403, "{headers:?}");
    }
    let plain = &[("content-type", "text/plain")][..];
    assert_eq!(put(&fixture, target, plain, b"0123456789").await, 200);
    assert_eq!(
        put(&fixture, target, plain, BYTES).await,
        200,
        "once more, as after a lost answer"
    );
    finish(&fixture, "x", &upload_id, json!({})).await;
    assert_eq!(put(&fixture, target, plain, b"too late!!").await, 404);
    let url = start_download(&fixture, "x", json!({"simple": true})).await;
    assert_eq!(
        text(&fixture, url.body["url"].as_str().unwrap()).await,
        "some bytes"
    );
    let elsewhere = target["url"]
        .as_str()
        .unwrap()
        .replace("/objects/x", "/objects/y");
    let elsewhere = json!({"url": elsewhere});
    assert_eq!(put(&fixture, &elsewhere, plain, BYTES).await, 403);
}

#[tokio::test]
async fn objects_are_for_those_who_have_their_scopes() {
    let fixture = Fixture::start().await;
    let hour = in_time(TimeDelta::hours(1));
    let uploader = limited(&["object:upload:proj:a/*"]);
    let body = || upload(&slugid::v4(), &hour, inline(BYTES));
    let allowed = by(&uploader, &fixture, Method::PUT, "upload/a/x", body()).await;
    assert_eq!(allowed.status, 200);
    let refusal = refused(403, "InsufficientScopes");
    let other_name = by(&uploader, &fixture, Method::PUT, "upload/b", body()).await;
    assert_eq!(other_name.refusal(), refusal);
    let mut other_project = body();
    other_project["projectId"] = json!("other");
    let other_project = by(&uploader, &fixture, Method::PUT, "upload/a/y", other_project).await;
    assert_eq!(other_project.refusal(), refusal);
    let download = json!({"acceptDownloadMethods": {"simple": true}});
    let download = by(&uploader, &fixture, Method::PUT, "start-download/a/x", download).await;
    assert_eq!(download.refusal(), refusal);
}

/// An object artifact that has just been created.
async fn object_artifact(fixture: &Fixture) -> (String, queue::Queue, ObjectUpload) {
    let (claim, worker) = fixture.running().await;
    let request = CreateArtifactRequest::Object {
        expires: expires(),
        content_type: "text/plain".to_owned(),
        content_length: None,
    };
    let task_id = claim.status.task_id;
    let created = worker
        .create_artifact(&task_id, 0, "public/x", &request)
        .await
        .unwrap();
    let CreateArtifactResponse::Object(upload) = created else {
        panic!("{created:?}");
    };
    let again = worker
        .create_artifact(&task_id, 0, "public/x", &request)
        .await
        .unwrap();
    let CreateArtifactResponse::Object(again) = again else {
        panic!("{again:?}");
    };
    assert_eq!(again.upload_id, upload.upload_id, "the same upload goes on");
    (task_id, worker, upload)
}

#[tokio::test]
async fn an_object_artifact_is_there_once_its_upload_is_finished() {
    let fixture = Fixture::start().await;
    let (task_id, worker, artifact) = object_artifact(&fixture).await;
    assert_eq!(artifact.name, format!("t/{task_id}/0/public/x"));
    let finish = async |upload_id: &str| worker.finish_artifact(&task_id, 0, "public/x", upload_id).await;
    assert_eq!(
        refusal(finish(&artifact.upload_id).await),
        refused(400, "InputError"),
        "no object yet"
    );
    let path = format!("upload/{}", artifact.name);
    let body = json!({"projectId": artifact.project_id, "uploadId": artifact.upload_id,
        "expires": artifact.expires, "proposedUploadMethods": inline(BYTES)});
    let created = by(&artifact.credentials, &fixture, Method::PUT, &path, body).await;
    assert_eq!(created.status, 200, "{created:?}");
    let body = json!({"projectId": artifact.project_id, "uploadId": artifact.upload_id});
    let path = format!("finish-upload/{}", artifact.name);
    let finished = by(&artifact.credentials, &fixture, Method::POST, &path, body).await;
    assert_eq!(finished.status, 200, "{finished:?}");

    let early = fixture.root().artifact(&task_id, 0, "public/x").await;
    assert_eq!(
        refusal(early),
        refused(404, "ResourceNotFound"),
        "the queue does not know yet"
    );
    let listed = fixture
        .root()
        .list_artifacts(&task_id, 0, None)
        .await
        .unwrap()
        .artifacts;
    assert_eq!(listed[0].storage_type, "object", "the list has it all the same");
    assert_eq!(refusal(finish(&slugid::v4()).await), refused(400, "InputError"));
    for _ in 0..2 {
        finish(&artifact.upload_id).await.unwrap();
    }
    let content = fixture.root().artifact(&task_id, 0, "public/x").await.unwrap();
    let ArtifactContent::Object { name, .. } = &content else {
        panic!("{content:?}");
    };
    assert_eq!(*name, artifact.name);
    let url = fixture.root().address_of(content).await.unwrap().unwrap();
    assert_eq!(text(&fixture, &url).await, "some bytes");
    // Whoever follows a redirect needs to know nothing of objects.
    let redirect = fixture
        .api(
            None,
            Method::GET,
            &format!("queue/v1/task/{task_id}/artifacts/public/x"),
            None,
        )
        .await;
    assert_eq!(
        (
            redirect.status,
            redirect.header("x-taskcluster-artifact-storage-type")
        ),
        (303, "object")
    );
    assert_eq!(text(&fixture, redirect.header("location")).await, "some bytes");
}

#[tokio::test]
async fn only_object_artifacts_are_finished() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let task_id = claim.status.task_id;
    let request = CreateArtifactRequest::Reference {
        expires: expires(),
        content_type: "text/plain".to_owned(),
        url: "https://example.com/".to_owned(),
    };
    worker.create_artifact(&task_id, 0, "x", &request).await.unwrap();
    let finished = worker.finish_artifact(&task_id, 0, "x", &slugid::v4()).await;
    assert_eq!(refusal(finished), refused(400, "InputError"));
    let finished = worker.finish_artifact(&task_id, 0, "y", &slugid::v4()).await;
    assert_eq!(refusal(finished), refused(404, "ResourceNotFound"));
}
