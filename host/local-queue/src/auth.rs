//! Who calls, and what they may do: Hawk signatures by permanent and temporary credentials, scopes, and roles.
//!
//! Nothing of it reads the database: [`Clients`] has all that a request is checked with, and the database's thread gives it
//! another [`Access`] whenever a client or a role has changed, before whoever changed it hears of it.

mod access;
mod certificate;
mod hawk;
mod roles;
pub(crate) mod scopes;

pub(crate) use access::Access;
pub(crate) use certificate::{TemporaryCredentials, issue};
pub(crate) use hawk::{SignedRequest, sign_address};
pub(crate) use roles::{Role, Roles};

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use chrono::{DateTime, Utc};
use queue::wire::Credentials;

use crate::clock;

/// The end of the year 3016, in milliseconds after 1970: when what does not expire expires.
pub(crate) const NEVER: i64 = 33_040_137_600_000;

/// A permanent client.
#[derive(Clone)]
pub(crate) struct Client {
    /// Its name.
    pub(crate) client_id: String,
    /// Its secret.
    pub(crate) access_token: String,
    /// What it may do.
    pub(crate) scopes: Vec<String>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// A permanent client, with all that is written down of it.
#[derive(Clone, Debug)]
pub(crate) struct Enrolled {
    /// What it signs with, and its scopes as they were given.
    pub(crate) client: Client,
    /// For people.
    pub(crate) description: String,
    /// From when on it can't sign any more.
    pub(crate) expires: DateTime<Utc>,
    /// Whether it is removed then.
    pub(crate) delete_on_expiration: bool,
    /// Whether it can't sign for now.
    pub(crate) disabled: bool,
    /// When it was made.
    pub(crate) created: DateTime<Utc>,
    /// When it was changed last.
    pub(crate) last_modified: DateTime<Utc>,
    /// When it signed last, or up to six hours before that.
    pub(crate) last_date_used: DateTime<Utc>,
    /// When it got its secret.
    pub(crate) last_rotated: DateTime<Utc>,
}

impl Enrolled {
    /// One that was made now, and is good until `expires`.
    pub(crate) fn new(client: Client, description: String, expires: DateTime<Utc>) -> Self {
        let now = clock::now();
        Self {
            client,
            description,
            expires,
            delete_on_expiration: false,
            disabled: false,
            created: now,
            last_modified: now,
            last_date_used: now,
            last_rotated: now,
        }
    }
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The clientId; none for those who did not sign.
    pub(crate) client_id: Option<String>,
    /// What they may do: expanded by roles, the anonymous one included.
    pub(crate) scopes: Arc<[String]>,
    /// The hash of the body that was signed with the header.
    pub(crate) payload_hash: Option<Vec<u8>>,
    /// Until when that holds.
    pub(crate) expires: DateTime<Utc>,
    /// The permanent client, if the time of its last use is to be written down.
    pub(crate) first_use: Option<String>,
}

/// Why a signature is not accepted; for the caller, never with a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct AuthFailure(pub(crate) String);

impl AuthFailure {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// All permanent clients and all roles, as they are now.
#[derive(Debug)]
pub(crate) struct Clients {
    root: Client,
    since: DateTime<Utc>,
    current: RwLock<Arc<Access>>,
}

impl Clients {
    /// The root client alone, and no roles.
    pub(crate) fn new(root: &Credentials) -> Self {
        let root = Client {
            client_id: root.client_id.clone(),
            access_token: root.access_token.clone(),
            scopes: vec!["*".to_owned()],
        };
        let since = clock::now();
        let enrolled = enrolled_root(&root, since);
        Self {
            root,
            since,
            current: RwLock::new(Arc::new(Access::new([enrolled], Roles::default()))),
        }
    }

    /// The client that may do everything, and signs for tasks.
    pub(crate) fn root(&self) -> &Client {
        &self.root
    }

    /// The same, as clients are listed.
    pub(crate) fn enrolled_root(&self) -> Enrolled {
        enrolled_root(&self.root, self.since)
    }

    /// From now on these are the clients, beside the root client, and these the roles. A client that has root's name is
    /// passed over.
    pub(crate) fn replace(&self, others: Vec<Enrolled>, roles: Roles) {
        let clients = others.into_iter().chain([self.enrolled_root()]);
        let access = Arc::new(Access::new(clients, roles));
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = access;
    }

    /// How things are now.
    pub(crate) fn current(&self) -> Arc<Access> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn enrolled_root(root: &Client, since: DateTime<Utc>) -> Enrolled {
    Enrolled {
        created: since,
        last_modified: since,
        last_date_used: since,
        last_rotated: since,
        ..Enrolled::new(
            root.clone(),
            "The root client, configured where the services are started.".to_owned(),
            clock::from_millis(NEVER),
        )
    }
}

#[cfg(test)]
mod tests;
