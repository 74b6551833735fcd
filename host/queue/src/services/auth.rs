//! The calls of the auth service that a worker makes.

use reqwest::Method;

use crate::{CallError, deployment::Service, wire::ScopeSet};

/// The auth service of one deployment.
#[derive(Clone, Debug)]
pub struct Auth(Service);

impl Auth {
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    /// What scopes amount to, once every role that they allow to assume is taken in.
    ///
    /// # Errors
    /// 403 without the scope `auth:expand-scopes`.
    pub async fn expand_scopes(&self, scopes: &[String]) -> Result<Vec<String>, CallError> {
        let request = ScopeSet {
            scopes: scopes.to_vec(),
        };
        // It is a POST in later versions, and has been a GET with a body before.
        let answer: ScopeSet = self
            .0
            .send(Method::POST, "scopes/expand".to_owned(), Some(&request))
            .await?;
        Ok(answer.scopes)
    }
}
