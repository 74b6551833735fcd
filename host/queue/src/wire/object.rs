//! The object service: how bytes get to where they are kept, and how they are had from there
//! (`/schemas/object/v1/*.json`).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Credentials, timestamp};

/// Hashes of an object's bytes, hexadecimal, by algorithm: `sha256` and `sha512`.
pub type Hashes = BTreeMap<String, String>;

/// `createUpload`. Asked again with the same uploadId it answers anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateUploadRequest {
    /// Decides who may upload what.
    pub project_id: String,
    /// Chosen by the uploader, or by the queue for artifacts; the same through all calls of one upload.
    pub upload_id: String,
    /// When the object may be forgotten.
    #[serde(with = "timestamp")]
    pub expires: DateTime<Utc>,
    /// As far as they are known before.
    #[serde(default, skip_serializing_if = "Hashes::is_empty")]
    pub hashes: Hashes,
    /// The ways that the uploader knows.
    pub proposed_upload_methods: ProposedUploadMethods,
}

/// The ways of uploading that an uploader knows; the service takes one of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProposedUploadMethods {
    /// The bytes, right here: for those that are few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_inline: Option<DataInline>,
    /// An address to put them to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_url: Option<PutUrl>,
}

/// Bytes that are sent with the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataInline {
    /// A media type.
    pub content_type: String,
    /// In standard base64.
    pub object_data: String,
}

/// Bytes that will be put to an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutUrl {
    /// A media type.
    pub content_type: String,
    /// Exactly how many there will be.
    pub content_length: u64,
}

/// The answer of `createUpload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateUploadResponse {
    /// As asked for.
    pub project_id: String,
    /// As asked for.
    pub upload_id: String,
    /// As asked for.
    #[serde(with = "timestamp")]
    pub expires: DateTime<Utc>,
    /// The way that the service has taken. None of its members is there where it takes none of those that were proposed.
    pub upload_method: UploadMethod,
}

/// The way of uploading that the service has taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadMethod {
    /// True: the bytes that came with the call are stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_inline: Option<bool>,
    /// Where to put them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_url: Option<PutUrlTarget>,
}

/// An address that takes one PUT.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutUrlTarget {
    /// The address. Whoever knows it may put: it belongs in no log.
    pub url: String,
    /// Until when it may be used.
    #[serde(with = "timestamp")]
    pub expires: DateTime<Utc>,
    /// To be sent exactly like this.
    pub headers: BTreeMap<String, String>,
}

/// `finishUpload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FinishUploadRequest {
    /// As given to `createUpload`.
    pub project_id: String,
    /// As given to `createUpload`.
    pub upload_id: String,
    /// Of the bytes as they were put.
    #[serde(default, skip_serializing_if = "Hashes::is_empty")]
    pub hashes: Hashes,
}

/// `startDownload`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartDownloadRequest {
    /// The ways that the downloader knows.
    pub accept_download_methods: AcceptDownloadMethods,
}

/// The ways of downloading that a downloader knows: `true` for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcceptDownloadMethods {
    /// GET a public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simple: Option<bool>,
    /// GET an address that is good for a while, and check the hashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub get_url: Option<bool>,
}

/// The answer of `startDownload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum StartDownloadResponse {
    /// A public address.
    Simple {
        /// Of the bytes.
        url: String,
    },
    /// An address that is good for a while.
    GetUrl {
        /// Of the bytes. Whoever knows it may read them.
        url: String,
        /// Until when it may be used; ask again then.
        #[serde(with = "timestamp")]
        expires: DateTime<Utc>,
        /// Of the bytes.
        #[serde(default, skip_serializing_if = "Hashes::is_empty")]
        hashes: Hashes,
    },
}

/// `object`: what is known of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMetadata {
    /// Whose it is.
    pub project_id: String,
    /// When it may be forgotten.
    #[serde(with = "timestamp")]
    pub expires: DateTime<Utc>,
    /// As far as the uploader told them.
    #[serde(default)]
    pub hashes: Hashes,
}

/// What the queue says of an artifact whose bytes go to the object service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectUpload {
    /// The object's name.
    pub name: String,
    /// For the calls of the object service.
    pub project_id: String,
    /// For the calls of the object service, and for `finishArtifact`.
    pub upload_id: String,
    /// As asked for.
    #[serde(with = "timestamp")]
    pub expires: DateTime<Utc>,
    /// Allow the upload, and nothing else.
    pub credentials: Credentials,
}

/// `finishArtifact`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FinishArtifactRequest {
    /// As `createArtifact` answered it.
    pub upload_id: String,
}
