//! The calls of the secrets service that a worker makes.

use crate::{
    CallError,
    deployment::{Service, paths::path},
    wire::SecretValue,
};

/// The secrets service of one deployment.
#[derive(Clone, Debug)]
pub struct Secrets(Service);

impl Secrets {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    /// A secret.
    ///
    /// # Errors
    /// 403 without the scope `secrets:get:<name>`, 404 where there is none, 410 where it has expired.
    pub async fn get(&self, name: &str) -> Result<SecretValue, CallError> {
        self.0.get(path(&["secret", name])).await
    }
}
