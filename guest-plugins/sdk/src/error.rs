//! From what a host function refuses to what a hook answers.

use crate::{Error, HookError};

impl Error {
    /// What the host says of it.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::NotSupported(message)
            | Self::Invalid(message)
            | Self::Conflict(message)
            | Self::NotFound(message)
            | Self::Denied(message)
            | Self::Limit(message)
            | Self::Unavailable(message)
            | Self::Other(message) => message,
            Self::Closed => "a handle was used after its phase",
            Self::Cancelled => "the run was aborted",
        }
    }
}

/// The ordinary way: what the task's author can mend is theirs, what may be there later is a resource, the rest is ours.
/// A hook that knows better matches for itself.
impl From<Error> for HookError {
    fn from(error: Error) -> Self {
        let message = error.message().to_owned();
        match error {
            Error::Invalid(_) | Error::Conflict(_) | Error::NotSupported(_) => {
                Self::MalformedPayload(message)
            }
            Error::Unavailable(_) => Self::ResourceUnavailable(message),
            Error::NotFound(_)
            | Error::Denied(_)
            | Error::Limit(_)
            | Error::Other(_)
            | Error::Closed
            | Error::Cancelled => Self::Internal(message),
        }
    }
}
