//! The auth service, as far as a worker meets it (`/schemas/auth/v1/*.json`).

use serde::{Deserialize, Serialize};

/// `expandScopes`, `currentScopes`: what is asked for and what is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScopeSet {
    /// In no order that means anything.
    pub scopes: Vec<String>,
}
