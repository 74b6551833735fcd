//! Credentials that may be swapped while requests that were signed with the former ones are still under way.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use crate::wire::Credentials;

/// Credentials in use. Clones share them: what one sets, all sign with from their next request on.
#[derive(Clone)]
pub struct CredentialsHandle(Arc<RwLock<Credentials>>);

impl CredentialsHandle {
    /// Takes credentials into use.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self(Arc::new(RwLock::new(credentials)))
    }

    /// The ones to sign with now.
    #[must_use]
    pub fn get(&self) -> Credentials {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces them.
    pub fn set(&self, credentials: Credentials) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = credentials;
    }
}

impl fmt::Debug for CredentialsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
