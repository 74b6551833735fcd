//! Why a call of a service failed.

/// A call that failed, after the retries that its rules allow. Holds no secret.
#[derive(Debug, thiserror::Error)]
#[error("{method} {path}: {kind}")]
pub struct CallError {
    /// The HTTP method.
    pub method: &'static str,
    /// Path and query under the root URL.
    pub path: String,
    /// What went wrong.
    pub kind: CallErrorKind,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What went wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallErrorKind {
    /// The request could not be made or signed.
    #[error("the request can't be made")]
    Request,
    /// Nobody to send it to: refused, name not found, no agreement on TLS, …
    #[error("Taskcluster can't be reached")]
    NotConnected,
    /// The connection broke before the answer was whole.
    #[error("the connection to Taskcluster broke")]
    Network,
    /// No answer in time.
    #[error("Taskcluster does not answer")]
    TimedOut,
    /// An answer that is an error.
    #[error("Taskcluster answers {status} {code}: {message}")]
    Http {
        /// The HTTP status.
        status: u16,
        /// Taskcluster's code; empty where the answer came from something else, such as a proxy.
        code: String,
        /// For people, the first line.
        message: String,
    },
    /// An answer that can't be read.
    #[error("Taskcluster's answer is not what its schema says")]
    BadAnswer,
}

impl CallError {
    pub(crate) fn new(method: &'static str, path: &str, kind: CallErrorKind) -> Self {
        Self {
            method,
            path: path.to_owned(),
            kind,
            source: None,
        }
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The HTTP status, where there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            CallErrorKind::Http { status, .. } => Some(status),
            CallErrorKind::Request
            | CallErrorKind::NotConnected
            | CallErrorKind::Network
            | CallErrorKind::TimedOut
            | CallErrorKind::BadAnswer => None,
        }
    }

    /// 409: the run or the name is not in the state that the call needs.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.refused_with() == Some(409)
    }

    /// 404: there is no such task, run or artifact.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.refused_with() == Some(404)
    }

    /// Whether the same call can't succeed later: the service has understood and refused it, or it can't be made.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.kind == CallErrorKind::Request || self.refused_with().is_some()
    }

    /// The HTTP status with which the service has refused the call. What stands between may answer 404 or 403 too, while a
    /// deployment is being mended, and knows nothing of the call: it does not answer with one of Taskcluster's codes.
    #[must_use]
    pub fn refused_with(&self) -> Option<u16> {
        match &self.kind {
            CallErrorKind::Http { status, code, .. } => {
                let refuses = (400..500).contains(status) && !matches!(status, 408 | 425 | 429);
                (refuses && !code.is_empty()).then_some(*status)
            }
            CallErrorKind::Request
            | CallErrorKind::NotConnected
            | CallErrorKind::Network
            | CallErrorKind::TimedOut
            | CallErrorKind::BadAnswer => None,
        }
    }

    /// Whether the service may have done what was asked, and its answer was lost. (A proxy in between may also have answered
    /// 502 or 504 for a service that did.)
    #[must_use]
    pub fn may_have_been_done(&self) -> bool {
        match self.kind {
            CallErrorKind::Http { status, .. } => status >= 500,
            CallErrorKind::Network | CallErrorKind::TimedOut | CallErrorKind::BadAnswer => true,
            CallErrorKind::Request | CallErrorKind::NotConnected => false,
        }
    }
}
