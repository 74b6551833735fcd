//! The scopes of a task as plugins see them: where they allow to assume a role, the auth service is asked what that amounts to.

use std::{error::Error, time::Duration};

use queue::{Auth, CallError};
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;

/// What scopes that need to be expanded begin with.
const ASSUME: &str = "assume:";
/// The scope that the call takes.
const EXPAND: &str = "auth:expand-scopes";
/// The bounds of the pause between two times that the service is asked; the client asks a few times at each.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long an outage may last: as for uploads.
const OUTAGE: Duration = Duration::from_secs(15 * 60);

/// Scopes, and what a task's author should know of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scopes {
    pub(super) scopes: Vec<String>,
    pub(super) warning: Option<String>,
}

/// Nobody knows what the scopes of a task amount to.
#[derive(Debug, thiserror::Error)]
#[error("the scopes of the task could not be expanded: {}", .0.kind)]
pub(super) struct NotExpanded(#[source] CallError);

impl Scopes {
    /// As they are.
    pub(super) fn plain(scopes: &[String]) -> Self {
        Self {
            scopes: scopes.to_vec(),
            warning: None,
        }
    }
}

/// Expands scopes, where there is something to expand. `auth` has the worker's own credentials.
///
/// # Errors
/// When the auth service can't be reached for a long time, or refuses for another reason than that the worker may not ask.
///
/// # Cancel safety
/// May be dropped.
pub(super) async fn expand(auth: &Auth, scopes: &[String]) -> Result<Scopes, NotExpanded> {
    if !scopes.iter().any(|scope| scope.starts_with(ASSUME)) {
        return Ok(Scopes::plain(scopes));
    }
    let begun = Instant::now();
    let mut pauses = Backoff::new(PAUSE);
    loop {
        let error = match auth.expand_scopes(scopes).await {
            Ok(expanded) => {
                return Ok(Scopes {
                    scopes: expanded,
                    warning: None,
                });
            }
            Err(error) => error,
        };
        if error.refused_with() == Some(403) {
            return Ok(Scopes {
                warning: Some(format!(
                    "The roles among the scopes of the task are not expanded: the worker lacks the scope {EXPAND}"
                )),
                ..Scopes::plain(scopes)
            });
        }
        if error.is_final() || begun.elapsed() >= OUTAGE {
            return Err(NotExpanded(error));
        }
        tracing::warn!(
            error = &error as &dyn Error,
            "the scopes of a task could not be expanded, trying again"
        );
        sleep(pauses.pause()).await;
    }
}

#[cfg(test)]
mod tests {
    use queue::{ClientOptions, Deployment};

    use super::*;

    /// An auth service that nobody can reach.
    fn unreachable() -> Auth {
        // Only the first of the process counts.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = queue::http_client().unwrap();
        let deployment = Deployment::anonymous(http, "http://127.0.0.1:1", ClientOptions::default());
        deployment.unwrap().auth()
    }

    #[tokio::test(start_paused = true)]
    async fn an_auth_service_that_is_gone_is_waited_for_but_not_for_ever() {
        let begun = Instant::now();
        let scopes = ["assume:x".to_owned()];
        assert!(expand(&unreachable(), &scopes).await.is_err());
        assert!(begun.elapsed() >= OUTAGE && begun.elapsed() < OUTAGE + Duration::from_secs(300));
    }

    #[tokio::test]
    async fn nobody_is_asked_where_no_role_is_assumed() {
        let scopes = ["assum".to_owned(), "queue:assume:x".to_owned()];
        let expanded = expand(&unreachable(), &scopes).await.unwrap();
        assert_eq!(expanded, Scopes::plain(&scopes));
    }
}
