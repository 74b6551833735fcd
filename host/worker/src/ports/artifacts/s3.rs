//! Artifacts in a bucket of the queue's: it names an address, and the bytes are put there. An artifact is there from the
//! first of the two on, so there is nothing to finish.

use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use plugin_host::ports::{ArtifactError, Encoding, Upload, Uploaded};
use queue::wire::{CreateArtifactRequest, CreateArtifactResponse};

use super::{
    QueueArtifacts,
    body::Body,
    patience::{Failure, failed_call},
    put::{Target, put, unreadable},
};

impl QueueArtifacts {
    /// Uploads a content. Each try has an address of its own.
    pub(super) async fn upload_to_s3(&self, upload: Upload) -> Result<Uploaded, ArtifactError> {
        let Upload {
            name,
            content,
            encoding,
            content_type,
            expires,
        } = upload;
        let body = match encoding {
            Encoding::Identity => Body::identity(content),
            Encoding::Gzip => Body::gzip(&*content, &self.storage.scratch)
                .await
                .map_err(|error| unreadable(&name, &error))?,
        };
        let request = CreateArtifactRequest::S3 {
            expires: self.expires(expires),
            content_type,
            content_length: Some(body.length()),
        };
        let mut tries = self.tries(&name);
        loop {
            match self.try_s3(&name, &request, &body).await {
                Ok(uploaded) => return Ok(uploaded),
                Err(failure) => tries.next(failure).await?,
            }
        }
    }

    /// Asks for an address and puts the bytes there, once.
    async fn try_s3(
        &self,
        name: &str,
        request: &CreateArtifactRequest,
        body: &Body,
    ) -> Result<Uploaded, Failure> {
        let created = self.create_once(name, request).await;
        let created = created.map_err(|error| failed_call(name, &error))?;
        let CreateArtifactResponse::S3 {
            put_url,
            content_type,
            ..
        } = created
        else {
            return Err(Failure::Final(another_kind(name)));
        };
        let content_type =
            HeaderValue::from_str(&content_type).map_err(|_| Failure::Final(another_kind(name)))?;
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
        if let Some(encoding) = body.content_encoding() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let target = Target {
            url: &put_url,
            headers,
            stall: self.storage.stall,
        };
        match put(&self.storage.http, target, body, body.digest()).await {
            Ok(digested) => Ok(body.uploaded(digested)),
            Err(error) => Err(error.of_artifact(name)),
        }
    }
}

/// The queue does not do what its schemas say.
pub(super) fn another_kind(name: &str) -> ArtifactError {
    ArtifactError::Other(format!(
        "the queue answers with another kind of artifact for {name}"
    ))
}
