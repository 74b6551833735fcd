//! A queue, an object service and a storage in one process, which do what a test tells them to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use engine_api::{Content, LogLevel, RunKey};
use plugin_host::ports::{Encoding, TaskLog, Upload};
use queue::{ClientOptions, CredentialsHandle, Deployment, wire::Credentials};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::{ArtifactStorage, Patience, QueueArtifacts, UploadSlots};
use crate::config::StorageType;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Do {
    /// It is answered with this status, and has no effect.
    Fail(u16),
    /// It has its effect, and is answered with 500.
    FailAfter,
    Hang,
}

/// The calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    Create,
    CreateUpload,
    Put,
    FinishUpload,
    Finish,
}

#[derive(Debug, Default)]
pub(super) struct Fake {
    base: String,
    /// What goes wrong, in this order.
    pub(super) plan: Vec<(On, VecDeque<Do>)>,
    /// What `createArtifact` answers with instead of success.
    pub(super) refuse: Option<(u16, Value)>,
    /// Takes the place of the credentials at the first `createArtifact`, which is answered with 401.
    pub(super) swap: Option<(CredentialsHandle, Credentials)>,
    /// Whether the object service takes bytes with the call.
    pub(super) no_inline: bool,
    /// The requests, but for those that `refuse` or `swap` have answered.
    pub(super) created: Vec<Value>,
    pub(super) uploads: Vec<Value>,
    pub(super) stored: Vec<(HeaderMap, Bytes)>,
    pub(super) finished_uploads: Vec<Value>,
    pub(super) finished: Vec<Value>,
    /// Who has signed the calls of the queue and of the object service.
    pub(super) signers: Vec<String>,
}

pub(super) type Shared = Arc<Mutex<Fake>>;

pub(super) struct Setup {
    pub(super) fake: Shared,
    pub(super) store: QueueArtifacts,
    pub(super) log: Arc<Lines>,
    pub(super) credentials: CredentialsHandle,
    _scratch: tempfile::TempDir,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Setup {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The lines of a task's log.
#[derive(Debug, Default)]
pub(super) struct Lines(pub(super) Mutex<Vec<String>>);

impl TaskLog for Lines {
    fn line(&self, _level: LogLevel, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }

    fn content(&self) -> Option<Arc<dyn Content>> {
        None
    }

    fn live_url(&self) -> Option<String> {
        None
    }
}

/// How a call that goes wrong ends; none where it goes well.
async fn fault(fake: &Shared, on: On) -> Option<Do> {
    let step = {
        let mut fake = fake.lock().unwrap();
        let planned = fake.plan.iter_mut().find(|(planned, _)| *planned == on);
        planned.and_then(|(_, steps)| steps.pop_front())
    };
    if let Some(Do::Hang) = step {
        std::future::pending::<()>().await;
    }
    step
}

/// Answers, unless something else was planned.
fn answer(step: Option<Do>, body: Value) -> Response {
    match step {
        Some(Do::Fail(status)) => failure(status),
        Some(Do::FailAfter) => failure(500),
        Some(Do::Hang) | None => (StatusCode::OK, Json(body)).into_response(),
    }
}

fn failure(status: u16) -> Response {
    let body = json!({"code": "Planned", "message": "as the test asks"});
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

/// Whether a call has its effect.
fn takes_effect(step: Option<Do>) -> bool {
    !matches!(step, Some(Do::Fail(_)))
}

fn sign(fake: &mut Fake, headers: &HeaderMap) {
    let header = headers["authorization"].to_str().unwrap();
    let id = header.split("id=\"").nth(1).unwrap();
    fake.signers.push(id.split('"').next().unwrap().to_owned());
}

async fn create(State(fake): State<Shared>, headers: HeaderMap, Json(request): Json<Value>) -> Response {
    let step = fault(&fake, On::Create).await;
    let mut fake = fake.lock().unwrap();
    sign(&mut fake, &headers);
    if let Some((handle, new)) = fake.swap.take() {
        handle.set(new);
        return failure(401);
    }
    fake.created.push(request.clone());
    if let Some((status, body)) = &fake.refuse {
        return (StatusCode::from_u16(*status).unwrap(), Json(body.clone())).into_response();
    }
    let number = fake.created.len();
    let body = match request["storageType"].as_str().unwrap() {
        "s3" => json!({
            "storageType": "s3",
            "putUrl": format!("{}/storage/{number}?signature=s3cret", fake.base),
            "expires": "2030-01-01T00:00:00Z",
            "contentType": request["contentType"],
        }),
        "object" => json!({
            "storageType": "object",
            "name": "t/VDvsBbLxTUmpZTOSlI4nMA/0/public/a b.txt",
            "projectId": "p",
            // Another each time, as the queue has it.
            "uploadId": format!("upload-{number}"),
            "expires": request["expires"],
            "credentials": {"clientId": "upload", "accessToken": "u"},
        }),
        other => json!({ "storageType": other }),
    };
    answer(step, body)
}

async fn create_upload(
    State(fake): State<Shared>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let step = fault(&fake, On::CreateUpload).await;
    let mut fake = fake.lock().unwrap();
    sign(&mut fake, &headers);
    let other = fake
        .uploads
        .first()
        .is_some_and(|first| first["uploadId"] != request["uploadId"]);
    if other || !fake.finished_uploads.is_empty() {
        return failure(409);
    }
    fake.uploads.push(request.clone());
    let proposed = &request["proposedUploadMethods"];
    let method = match proposed["dataInline"]["objectData"].as_str() {
        Some(data) if !fake.no_inline => {
            let bytes = BASE64_STANDARD.decode(data).unwrap();
            fake.stored.push((HeaderMap::new(), bytes.into()));
            json!({"dataInline": true})
        }
        _ => {
            let url = format!("{}/storage/{}?signature=s3cret", fake.base, fake.uploads.len());
            let headers = json!({
                "Content-Type": proposed["putUrl"]["contentType"],
                "Content-Length": proposed["putUrl"]["contentLength"].to_string(),
                "Content-Encoding": "identity",
                "Content-Disposition": "attachment",
            });
            json!({"putUrl": {"url": url, "expires": "2030-01-01T00:00:00Z", "headers": headers}})
        }
    };
    let body = json!({
        "projectId": request["projectId"], "uploadId": request["uploadId"], "expires": request["expires"],
        "uploadMethod": method,
    });
    answer(step, body)
}

async fn finish_upload(State(fake): State<Shared>, Json(request): Json<Value>) -> Response {
    let step = fault(&fake, On::FinishUpload).await;
    let mut fake = fake.lock().unwrap();
    if takes_effect(step) {
        fake.finished_uploads.push(request);
    }
    answer(step, json!({}))
}

async fn finish(State(fake): State<Shared>, Json(request): Json<Value>) -> Response {
    let step = fault(&fake, On::Finish).await;
    if takes_effect(step) {
        fake.lock().unwrap().finished.push(request);
    }
    match step {
        None => StatusCode::NO_CONTENT.into_response(),
        step => answer(step, json!({})),
    }
}

/// Where an artifact's content is: nowhere before it is finished.
async fn content(State(fake): State<Shared>, Path(_): Path<(String, String, String)>) -> Response {
    if fake.lock().unwrap().finished.is_empty() {
        return failure(404);
    }
    let credentials = json!({"clientId": "download", "accessToken": "d"});
    answer(
        None,
        json!({"storageType": "object", "name": "n", "credentials": credentials}),
    )
}

async fn store(State(fake): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    match fault(&fake, On::Put).await {
        Some(Do::Fail(status)) => StatusCode::from_u16(status).unwrap(),
        Some(Do::FailAfter | Do::Hang) | None => {
            fake.lock().unwrap().stored.push((headers, body));
            StatusCode::OK
        }
    }
}

fn routes(fake: Shared) -> Router {
    let run = "/api/queue/v1/task/{task}/runs/{run}";
    Router::new()
        .route(&format!("{run}/artifacts/{{name}}"), post(create).put(finish))
        .route(&format!("{run}/artifact-content/{{name}}"), get(content))
        .route("/api/object/v1/upload/{name}", put(create_upload))
        .route("/api/object/v1/finish-upload/{name}", post(finish_upload))
        .route("/storage/{number}", put(store))
        .with_state(fake)
}

/// The artifacts of a run of a worker that stores them in one of the two ways, with little patience.
pub(super) async fn setup(storage_type: StorageType, plan: impl IntoIterator<Item = (On, Vec<Do>)>) -> Setup {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let fake = Shared::default();
    fake.lock().unwrap().base.clone_from(&base);
    fake.lock().unwrap().plan = plan.into_iter().map(|(on, steps)| (on, steps.into())).collect();
    let router = routes(fake.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let http = queue::http_client().unwrap();
    let credentials = CredentialsHandle::new(Credentials {
        client_id: "old".to_owned(),
        access_token: "t".to_owned(),
        certificate: None,
    });
    let deployment =
        Deployment::new(http.clone(), &base, credentials.clone(), ClientOptions::default()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let storage = ArtifactStorage {
        storage_type,
        objects: deployment.objects(),
        http,
        scratch: scratch.path().to_owned(),
        slots: UploadSlots::new(8, 1 << 20),
        stall: Duration::from_secs(60),
    };
    let log = Arc::new(Lines::default());
    let store = QueueArtifacts {
        key: RunKey {
            task_id: "VDvsBbLxTUmpZTOSlI4nMA".to_owned(),
            run_id: 0,
        },
        task_expires: "2030-01-01T00:00:00Z".parse().unwrap(),
        queue: deployment.queue().tried_once(Duration::MAX),
        storage: Arc::new(storage),
        log: log.clone(),
        resolved: CancellationToken::new(),
        patience: Patience {
            pause: Duration::from_millis(1),
            tries: 5,
            outage: Duration::ZERO,
        },
        told: false.into(),
    };
    Setup {
        fake,
        store,
        log,
        credentials,
        _scratch: scratch,
        server,
    }
}

/// An upload of a content.
pub(super) fn upload(content: Arc<dyn Content>, encoding: Encoding) -> Upload {
    Upload {
        name: "public/a b.txt".to_owned(),
        content,
        encoding,
        content_type: "text/plain".to_owned(),
        expires: None,
    }
}
