//! The calls of the object service that a worker makes.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::{
    CallError, CredentialsHandle,
    deployment::{Service, paths::path},
    wire::{
        CreateUploadRequest, CreateUploadResponse, FinishUploadRequest, StartDownloadRequest,
        StartDownloadResponse,
    },
};

/// The object service of one deployment.
#[derive(Clone, Debug)]
pub struct Objects(Service);

impl Objects {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    /// The same service for somebody else: each upload has credentials of its own.
    #[must_use]
    pub fn with_credentials(&self, credentials: CredentialsHandle) -> Self {
        self.0.deployment.with_credentials(credentials).objects()
    }

    /// The same service for somebody who asks again by rules of their own: each call is tried once, and may take no longer
    /// than `within` and than the client's options say.
    #[must_use]
    pub fn tried_once(&self, within: Duration) -> Self {
        self.0.deployment.tried_once(within).objects()
    }

    /// Begins an upload, or asks again how to go on with it.
    ///
    /// # Errors
    /// 409 where another upload has the object's name.
    pub async fn create_upload(
        &self,
        name: &str,
        request: &CreateUploadRequest,
    ) -> Result<CreateUploadResponse, CallError> {
        self.0
            .send(Method::PUT, path(&["upload", name]), Some(request))
            .await
    }

    /// Ends an upload: from then on the object can be had.
    ///
    /// # Errors
    /// 400 where the hashes are not those of the bytes, 404 where there is no such upload.
    pub async fn finish_upload(&self, name: &str, request: &FinishUploadRequest) -> Result<(), CallError> {
        self.0
            .send::<Option<Value>>(Method::POST, path(&["finish-upload", name]), Some(request))
            .await
            .map(drop)
    }

    /// How to download an object.
    ///
    /// # Errors
    /// 404 where there is none, 406 where the service knows none of the ways that are asked for.
    pub async fn start_download(
        &self,
        name: &str,
        request: &StartDownloadRequest,
    ) -> Result<StartDownloadResponse, CallError> {
        self.0
            .send(Method::PUT, path(&["start-download", name]), Some(request))
            .await
    }
}
