//! Uploads to the object service, in both of its ways, and what becomes of them where calls fail.

use sha2::Sha512;

use super::*;

async fn setup(plan: impl IntoIterator<Item = (On, Vec<Do>)>) -> Setup {
    fake::setup(StorageType::Object, plan).await
}

fn sha512(bytes: &[u8]) -> String {
    let hash = Sha512::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn stores(setup: &Setup, bytes: &str, encoding: Encoding) {
    let uploaded = setup
        .store
        .upload(upload(BytesContent::new(bytes.to_owned()), encoding))
        .await;
    assert_eq!(
        uploaded.unwrap(),
        Uploaded {
            size: bytes.len() as u64,
            sha256: sha256(bytes.as_bytes()),
        }
    );
    let fake = setup.fake.lock().unwrap();
    assert!(fake.stored.last().unwrap().1 == bytes.as_bytes());
    let hashes = json!({"sha256": sha256(bytes.as_bytes()), "sha512": sha512(bytes.as_bytes())});
    assert_eq!(
        fake.finished_uploads.last().unwrap(),
        &json!({"projectId": "p", "uploadId": "upload-1", "hashes": hashes})
    );
    assert_eq!(fake.finished.last().unwrap(), &json!({"uploadId": "upload-1"}));
}

#[tokio::test]
async fn few_bytes_go_with_the_call_and_many_to_the_address_that_it_names() {
    for (size, inline) in [
        (0, true),
        (1, true),
        (8192, true),
        (8193, false),
        (300_000, false),
    ] {
        let setup = setup([]).await;
        stores(&setup, &"x".repeat(size), Encoding::Identity).await;
        let fake = setup.fake.lock().unwrap();
        // The length is what a queue of today chokes on.
        assert_eq!(
            fake.created,
            [
                json!({"storageType": "object", "expires": "2030-01-01T00:00:00.000Z", "contentType": "text/plain"})
            ]
        );
        let proposed = &fake.uploads[0]["proposedUploadMethods"];
        assert_eq!(proposed.get("dataInline").is_some(), inline, "{size}");
        assert_eq!(proposed["putUrl"]["contentLength"], size);
        let (headers, _) = &fake.stored[0];
        assert_eq!(headers.is_empty(), inline, "{size}");
        assert_eq!(fake.signers, ["old", "upload"]);
    }
}

#[tokio::test]
async fn a_service_that_takes_no_bytes_with_the_call_gets_them_at_its_address_with_its_headers() {
    let setup = setup([]).await;
    setup.fake.lock().unwrap().no_inline = true;
    stores(&setup, "few", Encoding::Identity).await;
    let (headers, _) = setup.fake.lock().unwrap().stored[0].clone();
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-length", "3"),
        ("content-encoding", "identity"),
        ("content-disposition", "attachment"),
    ] {
        assert_eq!(headers.get_all(name).iter().collect::<Vec<_>>(), [value]);
    }
    assert!(!headers.contains_key("transfer-encoding"));
}

#[tokio::test]
async fn nothing_is_compressed_and_the_task_is_told_so_once() {
    let setup = setup([]).await;
    stores(&setup, &text(), Encoding::Gzip).await;
    {
        let mut fake = setup.fake.lock().unwrap();
        fake.finished_uploads.clear();
        fake.uploads.clear();
    }
    let again = setup
        .store
        .upload(upload(BytesContent::new(text()), Encoding::Gzip))
        .await;
    again.unwrap();
    assert_eq!(*setup.log.0.lock().unwrap(), [NOT_COMPRESSED]);
}

#[tokio::test]
async fn every_call_is_tried_again_and_the_artifact_is_created_once() {
    let storage = [Do::Fail(400), Do::Fail(403), Do::Fail(503)].to_vec();
    for (on, faults) in [
        (On::Create, vec![Do::Fail(500), Do::Fail(502)]),
        (On::CreateUpload, vec![Do::Fail(500), Do::FailAfter]),
        (On::Put, storage),
        (On::FinishUpload, vec![Do::Fail(500), Do::FailAfter]),
        (On::Finish, vec![Do::Fail(500), Do::Fail(503)]),
    ] {
        let setup = setup([(on, faults)]).await;
        let stored = setup
            .store
            .upload(upload(BytesContent::new(text()), Encoding::Identity))
            .await;
        assert!(stored.is_ok(), "{on:?}: {stored:?}");
        let fake = setup.fake.lock().unwrap();
        let tried = if on == On::Create { 3 } else { 1 };
        assert_eq!(fake.created.len(), tried, "{on:?}");
        assert_eq!(fake.finished.len(), 1, "{on:?}");
    }
}

#[tokio::test]
async fn a_queue_that_says_500_although_the_artifact_is_there_is_not_asked_for_ever() {
    let setup = setup([(On::Finish, vec![Do::FailAfter; 9])]).await;
    stores(&setup, "x", Encoding::Identity).await;
    assert_eq!(setup.fake.lock().unwrap().finished.len(), 1);
}

#[tokio::test]
async fn an_object_that_somebody_else_has_uploaded_is_a_conflict() {
    let setup = setup([]).await;
    setup
        .fake
        .lock()
        .unwrap()
        .uploads
        .push(json!({"uploadId": "another"}));
    let error = setup
        .store
        .upload(upload(BytesContent::new("x"), Encoding::Identity))
        .await;
    assert!(matches!(error, Err(ArtifactError::Conflict(_))), "{error:?}");
    assert!(setup.fake.lock().unwrap().finished.is_empty());
}

#[tokio::test]
async fn refusals_of_the_services_end_the_upload() {
    for (on, status) in [
        (On::CreateUpload, 403),
        (On::FinishUpload, 400),
        (On::Finish, 400),
        (On::Finish, 409),
    ] {
        let setup = setup([(on, vec![Do::Fail(status)])]).await;
        let error = setup
            .store
            .upload(upload(BytesContent::new("x"), Encoding::Identity))
            .await
            .unwrap_err();
        let fits = match status {
            400 => matches!(error, ArtifactError::Invalid(_)),
            409 => matches!(error, ArtifactError::Conflict(_)),
            _ => matches!(error, ArtifactError::Other(_)),
        };
        assert!(fits, "{on:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_small_file_that_shrinks_before_it_is_read_is_an_error_and_no_artifact() {
    let setup = setup([]).await;
    let error = setup
        .store
        .upload(upload(Arc::new(Shrunk), Encoding::Identity))
        .await;
    let Err(ArtifactError::Other(message)) = error else {
        panic!("{error:?}")
    };
    assert!(message.ends_with("it changed while it was read"), "{message}");
    assert!(setup.fake.lock().unwrap().created.is_empty());
}
