//! Who calls, and what they may do: Hawk signatures by permanent and temporary credentials, and scopes.

mod certificate;
mod hawk;
pub(crate) mod scopes;

pub(crate) use certificate::{TemporaryCredentials, issue};
pub(crate) use hawk::SignedRequest;

use std::{collections::HashMap, fmt};

use queue::wire::Credentials;

/// What everybody may do, signed or not: the part of the `anonymous` role that concerns a queue, as Taskcluster's own
/// deployment tool (`docker/tc-admin`) grants it. Artifacts whose names begin with `public/` are public, all others are not.
pub(crate) const ANONYMOUS: &[&str] = &[
    "assume:anonymous",
    "queue:get-artifact:public/*",
    "queue:get-task:*",
    "queue:list-artifacts:*",
    "queue:list-dependent-tasks:*",
    "queue:list-task-group:*",
    "queue:pending-count:*",
    "queue:status:*",
];

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

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The clientId; none for those who did not sign.
    pub(crate) client_id: Option<String>,
    /// What they may do, the anonymous role included.
    pub(crate) scopes: Vec<String>,
    /// The hash of the body that was signed with the header.
    pub(crate) payload_hash: Option<Vec<u8>>,
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

/// All permanent clients.
#[derive(Debug)]
pub(crate) struct Clients {
    root: Client,
    others: HashMap<String, Client>,
}

impl Clients {
    /// The root client, and those of the database. A client of the database that has root's name is passed over.
    pub(crate) fn new(root: &Credentials, others: Vec<Client>) -> Self {
        Self {
            root: Client {
                client_id: root.client_id.clone(),
                access_token: root.access_token.clone(),
                scopes: vec!["*".to_owned()],
            },
            others: others
                .into_iter()
                .map(|client| (client.client_id.clone(), client))
                .collect(),
        }
    }

    /// The client that may do everything, and signs for tasks.
    pub(crate) fn root(&self) -> &Client {
        &self.root
    }

    /// Finds out who signed a request. Without a signature it is anybody.
    ///
    /// # Errors
    /// For a signature that is not accepted, whatever the reason.
    pub(crate) fn authenticate(&self, request: &SignedRequest<'_>) -> Result<Caller, AuthFailure> {
        let mut caller = hawk::authenticate(self, request)?.unwrap_or_else(|| Caller {
            client_id: None,
            scopes: Vec::new(),
            payload_hash: None,
        });
        for scope in ANONYMOUS {
            if !caller.scopes.iter().any(|known| known == scope) {
                caller.scopes.push((*scope).to_owned());
            }
        }
        Ok(caller)
    }

    fn find(&self, client_id: &str) -> Result<&Client, AuthFailure> {
        if client_id == self.root.client_id {
            return Ok(&self.root);
        }
        self.others
            .get(client_id)
            .ok_or_else(|| AuthFailure::new(format!("Client with clientId '{client_id}' not found")))
    }
}

#[cfg(test)]
mod tests;
