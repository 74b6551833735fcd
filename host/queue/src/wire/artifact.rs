//! Artifacts: how they are created, listed, and where their content is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Credentials, ObjectUpload, timestamp};

/// `createArtifact` (`post-artifact-request.yml`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "storageType",
    rename_all = "lowercase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum CreateArtifactRequest {
    /// Bytes, to be put to the address in the answer.
    S3 {
        #[expect(missing_docs, reason = "when it may be forgotten; at most the task's own")]
        #[serde(with = "timestamp")]
        expires: DateTime<Utc>,
        /// A media type, at most 255 characters.
        content_type: String,
        /// Exactly how many bytes are put.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_length: Option<u64>,
    },
    /// Bytes, for the object service.
    Object {
        #[expect(missing_docs, reason = "as above")]
        #[serde(with = "timestamp")]
        expires: DateTime<Utc>,
        /// A media type, at most 255 characters.
        content_type: String,
        /// Exactly how many bytes are uploaded. Leave it out: with it a queue of today answers 500 to `finishArtifact`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_length: Option<u64>,
    },
    /// An address elsewhere.
    Reference {
        #[expect(missing_docs, reason = "as above")]
        #[serde(with = "timestamp")]
        expires: DateTime<Utc>,
        /// What is to be found there.
        content_type: String,
        /// The address.
        url: String,
    },
    /// Another artifact of the same run.
    Link {
        #[expect(missing_docs, reason = "as above")]
        #[serde(with = "timestamp")]
        expires: DateTime<Utc>,
        /// What is to be found there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        /// The other's name.
        artifact: String,
    },
    /// Why there is none.
    Error {
        #[expect(missing_docs, reason = "as above")]
        #[serde(with = "timestamp")]
        expires: DateTime<Utc>,
        /// Why, in one word.
        reason: ArtifactErrorReason,
        /// Why, for people; at most 4096 characters.
        message: String,
    },
}

/// Why an artifact could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactErrorReason {
    /// There is no such file.
    FileMissingOnWorker,
    /// A folder where a file is expected, or the other way round.
    InvalidResourceOnWorker,
    /// The worker does not upload that much.
    TooLargeFileOnWorker,
    /// The file can't be read.
    FileNotReadableOnWorker,
}

/// The answer of `createArtifact`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "storageType",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub enum CreateArtifactResponse {
    /// Where to put the bytes.
    S3 {
        /// Takes one PUT with the content type given; asking again gives a new one.
        put_url: String,
        #[expect(missing_docs, reason = "until when that address may be used")]
        #[serde(with = "timestamp")]
        expires: DateTime<Utc>,
        /// To be sent with the PUT as it is.
        content_type: String,
    },
    /// Who takes the bytes.
    Object(ObjectUpload),
    /// Done.
    Reference,
    /// Done.
    Link,
    /// Done.
    Error,
}

/// An artifact, as the lists have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// `s3`, `object`, `reference`, `link` or `error`.
    pub storage_type: String,
    /// Unique in its run.
    pub name: String,
    /// When it may be forgotten.
    #[serde(with = "timestamp")]
    pub expires: DateTime<Utc>,
    /// `application/binary` where there is none.
    pub content_type: String,
    /// In bytes, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<u64>,
}

/// A page of `listArtifacts`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListArtifactsResponse {
    /// This page's artifacts, by name.
    pub artifacts: Vec<Artifact>,
    /// Asks for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation_token: Option<String>,
}

/// Where the content of an artifact is, links followed (`artifact`, `latestArtifact`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "storageType", rename_all = "lowercase")]
pub enum ArtifactContent {
    /// To be had there.
    S3 {
        /// Good for a while.
        url: String,
    },
    /// To be had there.
    Reference {
        /// As its creator gave it.
        url: String,
    },
    /// To be had from the object service.
    Object {
        /// The object's name.
        name: String,
        /// Allow the download, and nothing else.
        credentials: Credentials,
    },
    /// There is none.
    Error {
        /// Why, in one word.
        reason: String,
        /// Why, for people.
        message: String,
    },
}
