//! Who there is and what they may do, at one moment: the permanent clients and the roles, ready to check requests with.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};

use super::{AuthFailure, Caller, Client, Enrolled, Roles, SignedRequest, hawk};
use crate::clock;

/// What everybody has, signed or not.
const EVERYBODY: &str = "assume:anonymous";
/// By how much the time of a client's last use may be too early.
const USE_PRECISION: TimeDelta = TimeDelta::hours(6);
/// How long an answer about nobody in particular may be relied on.
const ANSWER: TimeDelta = TimeDelta::minutes(15);

/// Clients and roles. Never changes: what follows a change is another one.
#[derive(Debug)]
pub(crate) struct Access {
    clients: HashMap<String, Known>,
    roles: Roles,
    /// What everybody may do.
    anonymous: Arc<[String]>,
}

/// A permanent client, its scopes expanded.
#[derive(Debug)]
pub(crate) struct Known {
    /// It.
    pub(crate) client: Client,
    pub(super) expires: DateTime<Utc>,
    disabled: bool,
    last_used: AtomicI64,
}

impl Access {
    /// Of clients and roles. Of two clients with one name the latter counts.
    pub(crate) fn new(clients: impl IntoIterator<Item = Enrolled>, roles: Roles) -> Self {
        let known = |enrolled: Enrolled| Known {
            client: Client {
                scopes: roles.expand(&enrolled.client.scopes),
                ..enrolled.client
            },
            expires: enrolled.expires,
            disabled: enrolled.disabled,
            last_used: AtomicI64::new(enrolled.last_date_used.timestamp_millis()),
        };
        Self {
            clients: clients
                .into_iter()
                .map(|enrolled| (enrolled.client.client_id.clone(), known(enrolled)))
                .collect(),
            anonymous: roles.expand(&[EVERYBODY.to_owned()]).into(),
            roles,
        }
    }

    /// Finds out who signed a request. Without a signature it is anybody.
    ///
    /// # Errors
    /// For a signature that is not accepted, whatever the reason.
    pub(crate) fn authenticate(&self, request: &SignedRequest<'_>) -> Result<Caller, AuthFailure> {
        Ok(hawk::authenticate(self, request)?.unwrap_or_else(|| Caller {
            client_id: None,
            scopes: Arc::clone(&self.anonymous),
            payload_hash: None,
            expires: clock::now() + ANSWER,
            first_use: None,
        }))
    }

    /// The scopes and all that they lead to.
    pub(crate) fn expand(&self, scopes: &[String]) -> Vec<String> {
        self.roles.expand(scopes)
    }

    /// What everybody may do.
    pub(crate) fn anonymous(&self) -> &[String] {
        &self.anonymous
    }

    /// The same with what everybody may do.
    pub(super) fn expand_for_caller(&self, scopes: &[String]) -> Vec<String> {
        self.roles.expand_beside(scopes, &self.anonymous)
    }

    /// A client that may sign now.
    pub(crate) fn find(&self, client_id: &str, now: DateTime<Utc>) -> Result<&Known, AuthFailure> {
        let refuse = |why| {
            Err(AuthFailure::new(format!(
                "Client with clientId '{client_id}' {why}"
            )))
        };
        match self.clients.get(client_id) {
            None => refuse("not found"),
            Some(known) if known.disabled => refuse("is disabled"),
            Some(known) if known.expires < now => refuse("has expired"),
            Some(known) => Ok(known),
        }
    }
}

impl Known {
    /// Notes that the client is used. Answers whether that is news worth writing down.
    pub(super) fn note_use(&self, now: DateTime<Utc>) -> bool {
        let (now, before) = (now.timestamp_millis(), self.last_used.load(Ordering::Relaxed));
        now.saturating_sub(before) > USE_PRECISION.num_milliseconds()
            && self
                .last_used
                .compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}
