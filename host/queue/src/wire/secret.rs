//! The secrets service (`/schemas/secrets/v1/*.json`).

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::timestamp;

/// `get` and `set`: a secret, and until when it is kept. Never shows itself.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretValue {
    /// Any object.
    pub secret: Map<String, Value>,
    /// When it is forgotten.
    #[serde(with = "timestamp")]
    pub expires: DateTime<Utc>,
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretValue")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
