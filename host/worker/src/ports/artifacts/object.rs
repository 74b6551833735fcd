//! Artifacts that the object service keeps. The queue names the object and gives credentials for it; the service takes the
//! bytes with the call, where they are few, or names an address for them; it hears the hashes, and then the queue hears that
//! the artifact is there.
//!
//! The service keeps bytes as they are: it has no word for a content encoding, and makes the storage say `identity`. So
//! nothing is compressed here, or those who download would get something else than the file.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use engine_api::Content;
use http::{HeaderMap, HeaderName, HeaderValue};
use plugin_host::ports::{ArtifactError, Upload, Uploaded};
use queue::{
    CredentialsHandle,
    wire::{
        ArtifactContent, CreateArtifactRequest, CreateArtifactResponse, CreateUploadRequest, DataInline,
        FinishUploadRequest, Hashes, ObjectUpload, ProposedUploadMethods, PutUrl, PutUrlTarget, UploadMethod,
    },
};

use super::{
    QueueArtifacts,
    body::{Body, read},
    digest::{Digest, Digested},
    patience::{Failure, failed_call},
    put::{Target, put, unreadable},
    s3::another_kind,
};

/// The most bytes that the service takes with a call.
const MOST_INLINE: u64 = 8 << 10;

/// Bytes that become an object.
struct Source {
    content_type: String,
    content: Arc<dyn Content>,
    /// The bytes, where they are few.
    few: Option<Vec<u8>>,
}

impl Source {
    async fn of(upload: &Upload) -> Result<Self, ArtifactError> {
        let content = upload.content.clone();
        let few = if content.size() <= MOST_INLINE {
            let bytes = read(&*content).await;
            Some(bytes.map_err(|error| unreadable(&upload.name, &error))?)
        } else {
            None
        };
        Ok(Self {
            content_type: upload.content_type.clone(),
            content,
            few,
        })
    }

    /// The ways in which they can be uploaded.
    fn proposed(&self) -> ProposedUploadMethods {
        ProposedUploadMethods {
            data_inline: self.few.as_ref().map(|bytes| DataInline {
                content_type: self.content_type.clone(),
                object_data: BASE64_STANDARD.encode(bytes),
            }),
            put_url: Some(PutUrl {
                content_type: self.content_type.clone(),
                content_length: self.content.size(),
            }),
        }
    }
}

impl QueueArtifacts {
    /// Uploads a content.
    pub(super) async fn upload_object(&self, upload: Upload) -> Result<Uploaded, ArtifactError> {
        let source = Source::of(&upload).await?;
        let name = upload.name;
        let object = self.create_object(&name, upload.expires, &source).await?;
        let mut stored = None;
        let mut tries = self.tries(&name);
        let sha256 = loop {
            match self.try_object(&name, &object, &source, &mut stored).await {
                Ok(sha256) => break sha256,
                Err(failure) => tries.next(failure).await?,
            }
        };
        self.finish_artifact(&name, &object.upload_id).await?;
        Ok(Uploaded {
            size: source.content.size(),
            sha256,
        })
    }

    /// Creates the artifact, without its length: a queue of today that was told of it answers 500 to `finishArtifact`.
    ///
    /// That is done once and not for each try, as with a bucket: the queue makes a new uploadId each time, and the object
    /// service, which knows the object by the first, takes no other. (So an answer that is lost here is an artifact that is
    /// lost, where the queue is one of today.)
    async fn create_object(
        &self,
        name: &str,
        expires: Option<chrono::DateTime<chrono::Utc>>,
        source: &Source,
    ) -> Result<ObjectUpload, ArtifactError> {
        let request = CreateArtifactRequest::Object {
            expires: self.expires(expires),
            content_type: source.content_type.clone(),
            content_length: None,
        };
        match self.create(name, &request).await? {
            CreateArtifactResponse::Object(object) => Ok(object),
            CreateArtifactResponse::S3 { .. }
            | CreateArtifactResponse::Reference
            | CreateArtifactResponse::Link
            | CreateArtifactResponse::Error => Err(another_kind(name)),
        }
    }

    /// Asks how to upload the bytes, does it, and finishes the object, once. Answers the SHA-256. `stored` are the hashes of
    /// what an earlier try has stored.
    async fn try_object(
        &self,
        name: &str,
        object: &ObjectUpload,
        source: &Source,
        stored: &mut Option<Digested>,
    ) -> Result<String, Failure> {
        let credentials = CredentialsHandle::new(object.credentials.clone());
        let service = self.storage.objects.with_credentials(credentials);
        let service = service.tried_once(Duration::MAX);
        let request = CreateUploadRequest {
            project_id: object.project_id.clone(),
            upload_id: object.upload_id.clone(),
            expires: object.expires,
            hashes: Hashes::new(),
            proposed_upload_methods: source.proposed(),
        };
        let digested = match (service.create_upload(&object.name, &request).await, &*stored) {
            (Ok(answer), _) => self.store(name, answer.upload_method, source).await?,
            // It was finished already, if these are its hashes: the answer to that was lost.
            (Err(error), Some(stored)) if error.is_conflict() => stored.clone(),
            (Err(error), _) => return Err(failed_call(name, &error)),
        };
        *stored = Some(digested.clone());
        let sha256 = digested.sha256.clone().unwrap_or_default();
        let hashes = [("sha256", digested.sha256), ("sha512", digested.sha512)];
        let request = FinishUploadRequest {
            project_id: object.project_id.clone(),
            upload_id: object.upload_id.clone(),
            hashes: hashes
                .into_iter()
                .filter_map(|(algorithm, hash)| Some((algorithm.to_owned(), hash?)))
                .collect(),
        };
        match service.finish_upload(&object.name, &request).await {
            Ok(()) => Ok(sha256),
            Err(error) => Err(failed_call(name, &error)),
        }
    }

    /// Stores the bytes in the way that the service has taken.
    async fn store(&self, name: &str, method: UploadMethod, source: &Source) -> Result<Digested, Failure> {
        match (method, &source.few) {
            (
                UploadMethod {
                    data_inline: Some(true),
                    ..
                },
                Some(bytes),
            ) => {
                let mut digest = Digest::both();
                digest.update(bytes);
                Ok(digest.finish())
            }
            (
                UploadMethod {
                    put_url: Some(target),
                    ..
                },
                _,
            ) => {
                let headers = headers(&target).ok_or_else(|| {
                    let why =
                        format!("artifact {name}: the object service asks for a header that can't be sent");
                    Failure::Final(ArtifactError::Other(why))
                })?;
                let target = Target {
                    url: &target.url,
                    headers,
                    stall: self.storage.stall,
                };
                let body = Body::identity(source.content.clone());
                put(&self.storage.http, target, &body, Digest::both())
                    .await
                    .map_err(|error| error.of_artifact(name))
            }
            (UploadMethod { .. }, _) => Err(Failure::Final(ArtifactError::Other(format!(
                "artifact {name}: the object service takes bytes in none of the ways that this worker knows"
            )))),
        }
    }

    /// Tells the queue that the artifact is there. To do so twice does no harm.
    async fn finish_artifact(&self, name: &str, upload_id: &str) -> Result<(), ArtifactError> {
        let (task_id, run_id) = (&self.key.task_id, self.key.run_id);
        let mut tries = self.tries(name);
        loop {
            let finished = self.queue.finish_artifact(task_id, run_id, name, upload_id).await;
            let Err(error) = finished else {
                return Ok(());
            };
            // A queue of today that was told of the length answers 500 although it is done; and an answer may be lost.
            if error.may_have_been_done() && self.is_there(name).await {
                return Ok(());
            }
            tries.next(failed_call(name, &error)).await?;
        }
    }

    /// Whether the artifact can be had already. Where nobody may ask, it can't.
    async fn is_there(&self, name: &str) -> bool {
        let content = self
            .queue
            .artifact(&self.key.task_id, self.key.run_id, name)
            .await;
        matches!(content, Ok(ArtifactContent::Object { .. }))
    }
}

/// The headers that the service wants; none where one of them is none.
fn headers(target: &PutUrlTarget) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(target.headers.len());
    for (name, value) in &target.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.insert(name, HeaderValue::from_str(value).ok()?);
    }
    Some(headers)
}
