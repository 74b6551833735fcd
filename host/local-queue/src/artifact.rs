//! An artifact's record, and the rules for making and remaking one. No I/O.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use queue::wire::{self, CreateArtifactRequest, RunState, RunStatus};
use serde::{Deserialize, Serialize};

use crate::{error::ApiError, task::Task};

/// How long after an exception artifacts may still be made.
const AFTER_EXCEPTION: TimeDelta = TimeDelta::minutes(25);
/// By how much the creator's clock may be off.
const DRIFT: TimeDelta = TimeDelta::minutes(15);
/// The content type of what has none.
const BINARY: &str = "application/binary";

/// An artifact, as the database has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Artifact {
    /// Unique in its run.
    pub(crate) name: String,
    /// When it may be forgotten.
    pub(crate) expires: DateTime<Utc>,
    /// A media type, as its creator said.
    pub(crate) content_type: String,
    /// In bytes, as its creator said.
    pub(crate) content_length: Option<u64>,
    /// What and where it is.
    pub(crate) details: Details,
}

/// What kinds there are, with what is particular to each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "storageType", rename_all = "lowercase")]
pub(crate) enum Details {
    /// Bytes, in a file of the queue.
    S3,
    /// Bytes, with the object service.
    Object(ObjectDetails),
    /// Somewhere else.
    Reference {
        /// There.
        url: String,
    },
    /// Another artifact of the same run.
    Link {
        /// The other's name.
        artifact: String,
    },
    /// There is none.
    Error {
        /// Why, in one word.
        reason: String,
        /// Why, for people.
        message: String,
    },
}

/// What the queue knows of an artifact whose bytes are with the object service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectDetails {
    /// Of the upload; chosen here.
    pub(crate) upload_id: String,
    /// Whether it is finished.
    pub(crate) present: bool,
}

impl Details {
    /// The word for it.
    pub(crate) fn storage_type(&self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Object(_) => "object",
            Self::Reference { .. } => "reference",
            Self::Link { .. } => "link",
            Self::Error { .. } => "error",
        }
    }
}

impl Artifact {
    /// What a request asks for, under `name`.
    pub(crate) fn from_request(name: String, request: CreateArtifactRequest) -> Self {
        let binary = || BINARY.to_owned();
        let (expires, content_type, content_length, details) = match request {
            CreateArtifactRequest::S3 {
                expires,
                content_type,
                content_length,
            } => (expires, content_type, content_length, Details::S3),
            CreateArtifactRequest::Object {
                expires,
                content_type,
                content_length,
            } => {
                let details = ObjectDetails {
                    upload_id: slugid::v4(),
                    present: false,
                };
                (expires, content_type, content_length, Details::Object(details))
            }
            CreateArtifactRequest::Reference {
                expires,
                content_type,
                url,
            } => (expires, content_type, None, Details::Reference { url }),
            CreateArtifactRequest::Link {
                expires,
                content_type,
                artifact,
            } => (
                expires,
                content_type.unwrap_or_else(binary),
                None,
                Details::Link { artifact },
            ),
            CreateArtifactRequest::Error {
                expires,
                reason,
                message,
            } => {
                let reason = reason_word(reason).to_owned();
                (expires, binary(), None, Details::Error { reason, message })
            }
        };
        Self {
            name,
            expires: expires.trunc_subsecs(3),
            // An empty one counts as none.
            content_type: if content_type.is_empty() {
                binary()
            } else {
                content_type
            },
            content_length,
            details,
        }
    }

    /// Whether it may be made for this run now. The caller's scopes are checked elsewhere.
    pub(crate) fn check(&self, task: &Task, run: &RunStatus, now: DateTime<Utc>) -> Result<(), ApiError> {
        if self.expires > task.definition.expires {
            return Err(ApiError::input(format!(
                "Artifact expires ({}) after the task expiration {} (task.expires < expires) - this is not allowed, \
                 artifacts may not expire after the task they belong to expires",
                wire::timestamp::format(&self.expires),
                wire::timestamp::format(&task.definition.expires),
            )));
        }
        let late = run.state == RunState::Exception
            && run
                .resolved
                .is_some_and(|resolved| resolved > now - AFTER_EXCEPTION);
        if run.state == RunState::Running || late {
            return Ok(());
        }
        Err(ApiError::conflict(
            "Artifacts cannot be created for a task after it is resolved, unless it is resolved 'exception', and even in \
             this case only up to 25 min past resolution. This is to ensure that artifacts have been uploaded before a \
             task is 'completed' and output is consumed by a dependent task",
        ))
    }

    /// Whether it is over already.
    pub(crate) fn check_expires(&self, now: DateTime<Utc>) -> Result<(), ApiError> {
        if self.expires < now - DRIFT {
            return Err(ApiError::input("Expires must be in the future"));
        }
        Ok(())
    }

    /// What becomes of this artifact when `new` is made under its name: the same again, one that lasts longer, or a
    /// reference that points elsewhere. Content type and length stay as they were.
    pub(crate) fn replaced_by(&self, new: Self) -> Result<Self, ApiError> {
        let same_type = matches!(new.details, Details::Link { .. }) || new.content_type == self.content_type;
        let details_allowed = match (&self.details, &new.details) {
            (Details::Reference { .. }, Details::Reference { .. } | Details::Link { .. })
            | (Details::Object(_), Details::Object(_)) => true,
            (old, new) => old == new,
        };
        if same_type && details_allowed && self.expires <= new.expires {
            let details = match &self.details {
                // The upload under way goes on.
                Details::Object(_) => self.details.clone(),
                _ => new.details,
            };
            return Ok(Self {
                expires: new.expires,
                details,
                ..self.clone()
            });
        }
        Err(ApiError::conflict(format!(
            "Artifact already exists with different properties, and none of the allowed exceptions apply: \
             storageType {}, contentType {}, expires {}",
            self.details.storage_type(),
            self.content_type,
            wire::timestamp::format(&self.expires),
        )))
    }

    /// Whether it can be had: all can, but for those whose upload is not finished.
    pub(crate) fn is_present(&self) -> bool {
        !matches!(&self.details, Details::Object(object) if !object.present)
    }

    /// As the lists have it.
    pub(crate) fn listed(&self) -> wire::Artifact {
        wire::Artifact {
            storage_type: self.details.storage_type().to_owned(),
            name: self.name.clone(),
            expires: self.expires,
            content_type: self.content_type.clone(),
            content_length: self.content_length,
        }
    }
}

fn reason_word(reason: wire::ArtifactErrorReason) -> &'static str {
    use wire::ArtifactErrorReason as Reason;
    match reason {
        Reason::FileMissingOnWorker => "file-missing-on-worker",
        Reason::InvalidResourceOnWorker => "invalid-resource-on-worker",
        Reason::TooLargeFileOnWorker => "too-large-file-on-worker",
        Reason::FileNotReadableOnWorker => "file-not-readable-on-worker",
    }
}

#[cfg(test)]
mod tests;
