//! Credentials, which never show themselves.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Taskcluster credentials, permanent or temporary. `Debug` shows the clientId alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The name of the client.
    pub client_id: String,
    /// The secret.
    pub access_token: String,
    /// Of temporary credentials: a JSON document as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
