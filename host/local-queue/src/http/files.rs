//! The bytes of artifacts and of objects: put and read at addresses that the queue has signed, as with S3.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{RawPathParams, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::App;
use crate::{
    artifact::Details,
    content::{Hashing, MAX_PUT, Place, Purpose, ReceiveError},
    error::{ApiError, Failure},
    objects,
    store::{Agreed, StoredBytes, StoredContent},
};

mod range;

use range::Range;

/// Files are sent in pieces of this size.
const PIECE: usize = 128 << 10;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/artifacts/{taskId}/{runId}/{*name}", get(read).put(put))
        .route("/objects/{*name}", get(read).put(put))
}

/// What is to be read, and how much of it.
struct Wanted {
    method: Method,
    range: Option<HeaderValue>,
    place: Place,
}

/// The place of an address that is good for this.
fn place(app: &App, purpose: Purpose, params: &RawPathParams, request: &Request) -> Result<Place, Refusal> {
    let param = |wanted: &str| {
        params
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value.to_owned())
    };
    let (mut expires, mut signature) = (0, String::new());
    for (name, value) in url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "expires" => expires = value.parse().unwrap_or(0),
            "signature" => signature = value.into_owned(),
            _ => {}
        }
    }
    let name = param("name").unwrap_or_default();
    let place = match param("taskId") {
        Some(task_id) => Place::Artifact {
            task_id,
            run_id: param("runId")
                .and_then(|run_id| run_id.parse().ok())
                .unwrap_or(u32::MAX),
            name,
        },
        None => Place::Object { name },
    };
    if app.addresses.check(purpose, &place, (expires, &signature)) {
        Ok(place)
    } else {
        Err(Refusal::new(StatusCode::FORBIDDEN, "AccessDenied"))
    }
}

/// Why bytes are not taken or given, in the manner of S3.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    /// How many bytes there are, for who asked for others.
    length: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str) -> Self {
        Self {
            status,
            code,
            length: None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code></Error>",
            self.code
        );
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/xml")], body).into_response();
        if let Some(length) = self.length {
            insert(&mut response, header::CONTENT_RANGE, &format!("bytes */{length}"));
        }
        response
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        // Logs what is not the caller's business.
        let _ = ApiError::from(failure);
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

async fn put(State(app): State<Arc<App>>, params: RawPathParams, request: Request) -> Response {
    match try_put(&app, &params, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn try_put(app: &App, params: &RawPathParams, request: Request) -> Result<Response, Refusal> {
    let place = place(app, Purpose::Put, params, &request)?;
    let length = text(request.headers(), header::CONTENT_LENGTH)
        .and_then(|length| length.parse::<u64>().ok())
        .ok_or_else(|| Refusal::new(StatusCode::LENGTH_REQUIRED, "MissingContentLength"))?;
    if length > MAX_PUT {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "EntityTooLarge"));
    }
    let content_type = text(request.headers(), header::CONTENT_TYPE);
    let content_encoding = text(request.headers(), header::CONTENT_ENCODING);
    let mut hashing = None;
    if let Place::Object { name } = &place {
        let agreed = Agreed {
            content_type: content_type.clone().unwrap_or_default(),
            content_length: length,
        };
        check_agreed(app, name.clone(), agreed).await?;
        hashing = Some(Hashing::default());
    }
    let body = request.into_body().into_data_stream().inspect(|piece| {
        if let (Some(hashing), Ok(piece)) = (&mut hashing, piece) {
            hashing.update(piece);
        }
    });
    let file = app.content.receive(body, length).await.map_err(not_received)?;
    let etag = etag(&file);
    let content = StoredContent {
        file: file.clone(),
        length,
        content_type,
        content_encoding,
    };
    let saved = app
        .store
        .run(move |db| match &place {
            Place::Artifact {
                task_id,
                run_id,
                name,
            } => {
                let artifact = db.artifact(task_id, *run_id, name)?;
                if artifact.is_none_or(|artifact| artifact.details != Details::S3) {
                    return Ok(None);
                }
                db.save_content(task_id, *run_id, name, &content).map(Some)
            }
            Place::Object { name } => {
                let hashes = hashing.unwrap_or_default().finish();
                objects::received(db, name, StoredBytes { content, hashes })
            }
        })
        .await;
    match saved {
        Ok(Some(former)) => {
            if let Some(former) = former {
                app.content.remove(&former).await;
            }
            Ok((StatusCode::OK, [(header::ETAG, etag)]).into_response())
        }
        Ok(None) => {
            app.content.remove(&file).await;
            Err(Refusal::new(StatusCode::NOT_FOUND, "NoSuchKey"))
        }
        // It may have been committed all the same: what is not referred to goes at the next start.
        Err(failure) => Err(failure.into()),
    }
}

/// Refuses a PUT of an object that is not as it was agreed: what storages sign of it.
async fn check_agreed(app: &App, name: String, agreed: Agreed) -> Result<(), Refusal> {
    let object = app.store.run(move |db| db.object(&name)).await?;
    match object {
        Some(object) if object.upload_id.is_some() && object.agreed == Some(agreed) => Ok(()),
        Some(object) if object.upload_id.is_some() => {
            Err(Refusal::new(StatusCode::FORBIDDEN, "SignatureDoesNotMatch"))
        }
        // What is finished never changes.
        Some(_) | None => Err(Refusal::new(StatusCode::NOT_FOUND, "NoSuchKey")),
    }
}

fn not_received(error: ReceiveError) -> Refusal {
    match error {
        ReceiveError::Incomplete => Refusal::new(StatusCode::BAD_REQUEST, "IncompleteBody"),
        ReceiveError::Stalled => Refusal::new(StatusCode::BAD_REQUEST, "RequestTimeout"),
        ReceiveError::Write(error) => Failure::from(error).into(),
    }
}

async fn read(State(app): State<Arc<App>>, params: RawPathParams, request: Request) -> Response {
    let wanted = Wanted {
        method: request.method().clone(),
        range: request.headers().get(header::RANGE).cloned(),
        place: match place(&app, Purpose::Get, &params, &request) {
            Ok(place) => place,
            Err(refusal) => return refusal.into_response(),
        },
    };
    match try_read(&app, wanted).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn try_read(app: &App, wanted: Wanted) -> Result<Response, Refusal> {
    let (stored, mut file) = open(app, wanted.place).await?;
    let range = Range::of(wanted.range.as_ref(), stored.length);
    let (status, from, length) = match range {
        Range::Whole => (StatusCode::OK, 0, stored.length),
        Range::Part { from, length } => (StatusCode::PARTIAL_CONTENT, from, length),
        Range::Unsatisfiable => {
            return Err(Refusal {
                length: Some(stored.length),
                ..Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange")
            });
        }
    };
    file.seek(std::io::SeekFrom::Start(from))
        .await
        .map_err(Failure::from)?;
    let body = if wanted.method == Method::HEAD {
        Body::empty()
    } else {
        Body::from_stream(ReaderStream::with_capacity(file.take(length), PIECE))
    };
    let mut response = (status, body).into_response();
    insert(&mut response, header::ACCEPT_RANGES, "bytes");
    insert(&mut response, header::ETAG, &etag(&stored.file));
    insert(&mut response, header::CONTENT_LENGTH, &length.to_string());
    let content_type = stored.content_type.as_deref().unwrap_or("binary/octet-stream");
    insert(&mut response, header::CONTENT_TYPE, content_type);
    if let Some(encoding) = &stored.content_encoding {
        insert(&mut response, header::CONTENT_ENCODING, encoding);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let last = from + length - 1;
        let range = format!("bytes {from}-{last}/{}", stored.length);
        insert(&mut response, header::CONTENT_RANGE, &range);
    }
    Ok(response)
}

/// Opens the bytes of a place. Put again in between, they are somewhere else: so it looks twice.
async fn open(app: &App, place: Place) -> Result<(StoredContent, tokio::fs::File), Refusal> {
    let place = Arc::new(place);
    let mut tries = 0;
    loop {
        tries += 1;
        let wanted = Arc::clone(&place);
        let stored = app
            .store
            .run(move |db| match &*wanted {
                Place::Artifact {
                    task_id,
                    run_id,
                    name,
                } => db.content(task_id, *run_id, name),
                Place::Object { name } => objects::finished_content(db, name),
            })
            .await
            .map_err(Refusal::from)?
            .ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "NoSuchKey"))?;
        match app.content.read(&stored.file).await {
            Ok(file) => return Ok((stored, file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && tries < 2 => {}
            Err(error) => return Err(Failure::from(error).into()),
        }
    }
}

fn etag(file: &str) -> String {
    format!("\"{file}\"")
}

/// Values come from headers, or are digits: they are fit for one.
fn insert(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
