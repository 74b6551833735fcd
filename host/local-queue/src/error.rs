//! The errors that the API answers, by Taskcluster's codes. The bodies are made in `http::errors`.

/// Taskcluster's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The body is no JSON.
    MalformedPayload,
    /// The path or the query is not what its pattern says.
    InvalidRequestArguments,
    /// The body is not what its schema says.
    InputValidationError,
    /// The body can't be accepted for another reason.
    InputError,
    /// The signature or the credentials are wrong.
    AuthenticationFailed,
    /// The caller may not do that.
    InsufficientScopes,
    /// There is no such thing.
    ResourceNotFound,
    /// None of the ways that the caller knows.
    NoMatchingMethod,
    /// It is not in the state that the call needs.
    RequestConflict,
    /// It was there, and is over.
    ResourceExpired,
    /// The body is larger than the API takes.
    InputTooLarge,
    /// The queue itself has failed.
    InternalServerError,
}

impl Code {
    /// As bodies have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MalformedPayload => "MalformedPayload",
            Self::InvalidRequestArguments => "InvalidRequestArguments",
            Self::InputValidationError => "InputValidationError",
            Self::InputError => "InputError",
            Self::AuthenticationFailed => "AuthenticationFailed",
            Self::InsufficientScopes => "InsufficientScopes",
            Self::ResourceNotFound => "ResourceNotFound",
            Self::NoMatchingMethod => "NoMatchingMethod",
            Self::RequestConflict => "RequestConflict",
            Self::ResourceExpired => "ResourceExpired",
            Self::InputTooLarge => "InputTooLarge",
            Self::InternalServerError => "InternalServerError",
        }
    }

    /// The HTTP status.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::MalformedPayload
            | Self::InvalidRequestArguments
            | Self::InputValidationError
            | Self::InputError => 400,
            Self::AuthenticationFailed => 401,
            Self::InsufficientScopes => 403,
            Self::ResourceNotFound => 404,
            Self::NoMatchingMethod => 406,
            Self::RequestConflict => 409,
            Self::ResourceExpired => 410,
            Self::InputTooLarge => 413,
            Self::InternalServerError => 500,
        }
    }
}

/// A refusal, as the caller sees it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub(crate) struct ApiError {
    /// What kind.
    pub(crate) code: Code,
    /// For people, in Markdown.
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// 400 for a body that can't be accepted.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(Code::InputError, message)
    }

    /// 404.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::ResourceNotFound, message)
    }

    /// 409.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(Code::RequestConflict, message)
    }
}

/// Why work on the database came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The rules say no; nothing was changed.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// SQLite says no.
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
    /// What the database holds, or what is to be put there, is not of our types.
    #[error("a record of the database is broken")]
    Record(#[from] serde_json::Error),
    /// The database could not be written; nothing of the batch was kept.
    #[error("the database could not be written: {0}")]
    Commit(String),
    /// A file of an artifact could not be read or written.
    #[error("a file could not be used")]
    File(#[from] std::io::Error),
    /// The queue is shutting down.
    #[error("the queue is shutting down")]
    Closed,
}
