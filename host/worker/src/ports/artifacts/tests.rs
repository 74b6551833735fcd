//! Uploads against a queue and a storage that fail in the ways that real ones do.

use std::{io, sync::Arc};

use async_compression::tokio::bufread::GzipDecoder;
use engine_api::{BytesContent, Content, ContentReader};
use queue::wire::Credentials;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::*;

mod fake;
mod objects;

use fake::{Do, On, Setup, upload};

/// The artifacts of a run of a worker that stores them in a bucket; what is planned goes wrong with its PUTs.
async fn setup(plan: impl IntoIterator<Item = Do>) -> Setup {
    let plan = (On::Put, plan.into_iter().collect());
    fake::setup(StorageType::S3, [plan]).await
}

fn text() -> String {
    "a line of some log\n".repeat(20_000)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[tokio::test]
async fn bytes_are_put_as_they_are_with_their_exact_length() {
    let setup = setup([]).await;
    let content = BytesContent::new(text());
    let uploaded = setup
        .store
        .upload(upload(content, Encoding::Identity))
        .await
        .unwrap();
    assert_eq!(
        uploaded,
        Uploaded {
            size: text().len() as u64,
            sha256: sha256(text().as_bytes())
        }
    );
    let fake = setup.fake.lock().unwrap();
    let (headers, body) = &fake.stored[0];
    assert_eq!(*body, text().as_bytes());
    assert_eq!(headers["content-type"], "text/plain");
    assert_eq!(headers["content-length"], text().len().to_string());
    assert!(!headers.contains_key("transfer-encoding") && !headers.contains_key("content-encoding"));
    assert_eq!(fake.created[0]["contentLength"], text().len());
    assert_eq!(fake.created[0]["expires"], "2030-01-01T00:00:00.000Z");
}

#[tokio::test]
async fn compressed_bytes_are_hashed_before_and_counted_after() {
    let setup = setup([Do::Fail(500)]).await;
    let uploaded = setup
        .store
        .upload(upload(BytesContent::new(text()), Encoding::Gzip))
        .await
        .unwrap();
    assert_eq!(
        uploaded,
        Uploaded {
            size: text().len() as u64,
            sha256: sha256(text().as_bytes())
        }
    );
    let (headers, body) = setup.fake.lock().unwrap().stored[0].clone();
    assert_eq!(headers["content-encoding"], "gzip");
    assert_eq!(headers["content-length"], body.len().to_string());
    assert!(body.len() < text().len() / 10);
    let mut plain = String::new();
    GzipDecoder::new(&body[..])
        .read_to_string(&mut plain)
        .await
        .unwrap();
    assert!(plain == text());
}

#[tokio::test]
async fn an_empty_artifact_is_stored() {
    let setup = setup([]).await;
    for encoding in [Encoding::Identity, Encoding::Gzip] {
        let uploaded = setup
            .store
            .upload(upload(BytesContent::new(""), encoding))
            .await
            .unwrap();
        assert_eq!(
            uploaded,
            Uploaded {
                size: 0,
                sha256: sha256(b"")
            }
        );
    }
}

#[tokio::test]
async fn a_storage_that_fails_is_asked_again_at_a_new_address() {
    let setup = setup([Do::Fail(400), Do::Fail(403), Do::Fail(503)]).await;
    setup
        .store
        .upload(upload(BytesContent::new("x"), Encoding::Identity))
        .await
        .unwrap();
    let fake = setup.fake.lock().unwrap();
    assert_eq!((fake.created.len(), fake.stored.len()), (4, 1));
    assert_eq!(fake.created[0], fake.created[3]);
}

#[tokio::test]
async fn a_storage_that_keeps_failing_is_unavailable() {
    let setup = setup([Do::Fail(500); 9]).await;
    let error = setup
        .store
        .upload(upload(BytesContent::new("x"), Encoding::Identity))
        .await
        .unwrap_err();
    let ArtifactError::Unavailable(message) = error else {
        panic!("{error:?}")
    };
    assert!(
        message.contains("500") && !message.contains("s3cret"),
        "{message}"
    );
    assert_eq!(setup.fake.lock().unwrap().created.len(), 5);
}

#[tokio::test]
async fn a_storage_that_does_nothing_is_left() {
    let mut setup = setup([Do::Hang]).await;
    Arc::get_mut(&mut setup.store.storage).unwrap().stall = Duration::from_millis(50);
    setup
        .store
        .upload(upload(BytesContent::new("x"), Encoding::Identity))
        .await
        .unwrap();
    assert_eq!(setup.fake.lock().unwrap().created.len(), 2);
}

#[tokio::test]
async fn an_outage_of_the_queue_is_waited_for_and_a_refusal_is_not() {
    let setup = fake::setup(
        StorageType::S3,
        [(On::Create, vec![Do::Fail(503), Do::Fail(500), Do::Fail(429)])],
    )
    .await;
    setup
        .store
        .upload(upload(BytesContent::new("x"), Encoding::Identity))
        .await
        .unwrap();
    setup.fake.lock().unwrap().plan = vec![(On::Create, vec![Do::Fail(503)].into())];
    setup
        .store
        .reference("a", "https://example.com", "text/plain", None)
        .await
        .unwrap();
    setup.fake.lock().unwrap().plan = vec![(On::Create, vec![Do::Fail(404)].into())];
    let refused = setup.store.link("b", "a", "text/plain", None).await;
    assert!(matches!(refused, Err(ArtifactError::Other(_))), "{refused:?}");
}

#[tokio::test]
async fn an_upload_whose_credentials_are_swapped_while_it_runs_goes_on_with_the_new() {
    let setup = setup([Do::Fail(500)]).await;
    let new = Credentials {
        client_id: "new".to_owned(),
        access_token: "n".to_owned(),
        certificate: None,
    };
    setup.fake.lock().unwrap().swap = Some((setup.credentials.clone(), new));
    setup
        .store
        .upload(upload(BytesContent::new("x"), Encoding::Identity))
        .await
        .unwrap();
    let fake = setup.fake.lock().unwrap();
    assert_eq!(fake.signers, ["old", "new", "new"]);
    assert_eq!(fake.stored.len(), 1);
}

#[tokio::test]
async fn a_storage_that_does_not_take_so_much_is_not_asked_again() {
    let setup = setup([Do::Fail(413)]).await;
    let error = setup
        .store
        .upload(upload(BytesContent::new("x"), Encoding::Identity))
        .await
        .unwrap_err();
    assert!(matches!(error, ArtifactError::Invalid(_)), "{error:?}");
}

#[tokio::test]
async fn no_more_is_uploaded_at_a_time_than_the_worker_is_allowed_to() {
    let mut setup = setup([Do::Hang, Do::Hang]).await;
    Arc::get_mut(&mut setup.store.storage).unwrap().slots = UploadSlots::new(2, 1 << 20);
    let store = &setup.store;
    let waits = async || store.upload(upload(BytesContent::new("x"), Encoding::Gzip)).await;
    let mut third = Box::pin(waits());
    let mut hang = Box::pin(async { tokio::join!(waits(), waits()) });
    let looks = async {
        while !setup.fake.lock().unwrap().plan[0].1.is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(futures_util::poll!(&mut third).is_pending());
        // It has no place: it did not even compress.
        assert_eq!(std::fs::read_dir(&store.storage.scratch).unwrap().count(), 2);
    };
    tokio::select! {
        _ = &mut hang => panic!("it did not hang"),
        () = looks => {}
    }
    drop(hang);
    third.await.unwrap();
    assert_eq!(setup.fake.lock().unwrap().stored.len(), 1);
}

#[tokio::test]
async fn refusals_of_the_queue_are_told_apart() {
    let setup = setup([]).await;
    for (status, code) in [
        (409, "RequestConflict"),
        (400, "InputError"),
        (403, "InsufficientScopes"),
    ] {
        setup.fake.lock().unwrap().refuse = Some((status, json!({"code": code, "message": "because"})));
        let error = setup
            .store
            .upload(upload(BytesContent::new("x"), Encoding::Identity))
            .await
            .unwrap_err();
        let message = format!("artifact public/a b.txt: Taskcluster answers {status} {code}: because");
        let expected = match status {
            409 => ArtifactError::Conflict(message),
            400 => ArtifactError::Invalid(message),
            _ => ArtifactError::Other(message),
        };
        assert_eq!(error, expected);
    }
}

/// Says that it has more bytes than it gives.
#[derive(Debug)]
struct Shrunk;

#[async_trait]
impl Content for Shrunk {
    fn size(&self) -> u64 {
        10
    }

    async fn open(&self) -> io::Result<ContentReader> {
        Ok(Box::new(io::Cursor::new(b"short")))
    }
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_is_an_error_and_not_tried_again() {
    let setup = setup([]).await;
    for encoding in [Encoding::Identity, Encoding::Gzip] {
        let error = setup
            .store
            .upload(upload(Arc::new(Shrunk), encoding))
            .await
            .unwrap_err();
        let ArtifactError::Other(message) = error else {
            panic!("{error:?}")
        };
        assert!(message.ends_with("it changed while it was read"), "{message}");
    }
    assert!(setup.fake.lock().unwrap().stored.is_empty());
}

#[tokio::test]
async fn references_links_and_errors_are_created() {
    let setup = setup([]).await;
    let expires = Some("2029-01-01T00:00:00Z".parse().unwrap());
    setup
        .store
        .reference("a", "https://example.com", "text/plain", expires)
        .await
        .unwrap();
    setup.store.link("b", "a", "text/plain", None).await.unwrap();
    let long = "x".repeat(9000);
    setup
        .store
        .report_error("c", "file-missing-on-worker", &long, None)
        .await
        .unwrap();
    let bad = setup.store.report_error("d", "no-reason", "", None).await;
    assert!(matches!(bad, Err(ArtifactError::Invalid(_))));
    let fake = setup.fake.lock().unwrap();
    assert_eq!(
        fake.created[0],
        json!({"storageType": "reference", "expires": "2029-01-01T00:00:00.000Z", "contentType": "text/plain", "url": "https://example.com"})
    );
    assert_eq!(fake.created[1]["artifact"], "a");
    assert_eq!(fake.created[2]["message"].as_str().unwrap().len(), MAX_MESSAGE);
}
