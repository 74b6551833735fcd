//! Uploads against a queue and a storage that fail in the ways that real ones do.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
};

use async_compression::tokio::bufread::GzipDecoder;
use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{post, put},
};
use engine_api::{BytesContent, Content, ContentReader};
use queue::CredentialsHandle;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::*;

/// What the storage does with the next PUT.
#[derive(Clone, Copy, Debug)]
enum Do {
    Fail(u16),
    Hang,
}

#[derive(Debug, Default)]
struct Fake {
    base: String,
    /// What `createArtifact` answers with instead of success.
    refuse: Option<(u16, Value)>,
    plan: VecDeque<Do>,
    created: Vec<Value>,
    stored: Vec<(HeaderMap, Bytes)>,
}

type Shared = Arc<Mutex<Fake>>;

struct Setup {
    fake: Shared,
    store: QueueArtifacts,
    _scratch: tempfile::TempDir,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Setup {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn create(State(fake): State<Shared>, Json(request): Json<Value>) -> impl IntoResponse {
    let mut fake = fake.lock().unwrap();
    fake.created.push(request.clone());
    if let Some((status, body)) = &fake.refuse {
        return (StatusCode::from_u16(*status).unwrap(), Json(body.clone()));
    }
    let number = fake.created.len();
    let answer = match request["storageType"].as_str().unwrap() {
        "s3" => json!({
            "storageType": "s3",
            "putUrl": format!("{}/storage/{number}?signature=s3cret", fake.base),
            "expires": "2030-01-01T00:00:00Z",
            "contentType": request["contentType"],
        }),
        other => json!({ "storageType": other }),
    };
    (StatusCode::OK, Json(answer))
}

async fn store(State(fake): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let step = fake.lock().unwrap().plan.pop_front();
    match step {
        Some(Do::Fail(status)) => StatusCode::from_u16(status).unwrap(),
        Some(Do::Hang) => std::future::pending().await,
        None => {
            fake.lock().unwrap().stored.push((headers, body));
            StatusCode::OK
        }
    }
}

async fn setup(plan: impl IntoIterator<Item = Do>) -> Setup {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let fake = Shared::default();
    fake.lock().unwrap().base.clone_from(&base);
    fake.lock().unwrap().plan.extend(plan);
    let router = Router::new()
        .route(
            "/api/queue/v1/task/{task}/runs/{run}/artifacts/{name}",
            post(create),
        )
        .route("/storage/{number}", put(store))
        .with_state(fake.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let http = queue::http_client().unwrap();
    let credentials = queue::wire::Credentials {
        client_id: "c".to_owned(),
        access_token: "t".to_owned(),
        certificate: None,
    };
    let queue = queue::Deployment::new(
        http.clone(),
        &base,
        CredentialsHandle::new(credentials),
        queue::ClientOptions::default(),
    )
    .unwrap()
    .queue();
    let scratch = tempfile::tempdir().unwrap();
    let key = RunKey {
        task_id: "VDvsBbLxTUmpZTOSlI4nMA".to_owned(),
        run_id: 0,
    };
    let expires = "2030-01-01T00:00:00Z".parse().unwrap();
    let store = QueueArtifacts {
        pause: Duration::from_millis(1),
        ..QueueArtifacts::new(key, expires, queue, http, scratch.path().to_owned())
    };
    Setup {
        fake,
        store,
        _scratch: scratch,
        server,
    }
}

fn upload(content: Arc<dyn Content>, encoding: Encoding) -> Upload {
    Upload {
        name: "public/a b.txt".to_owned(),
        content,
        encoding,
        content_type: "text/plain".to_owned(),
        expires: None,
    }
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
    assert_eq!(setup.fake.lock().unwrap().created.len(), TRIES as usize);
}

#[tokio::test]
async fn a_storage_that_does_nothing_is_left() {
    let mut setup = setup([Do::Hang]).await;
    setup.store.stall = Duration::from_millis(50);
    setup
        .store
        .upload(upload(BytesContent::new("x"), Encoding::Identity))
        .await
        .unwrap();
    assert_eq!(setup.fake.lock().unwrap().created.len(), 2);
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
