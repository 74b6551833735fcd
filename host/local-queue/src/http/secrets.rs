//! The secrets service: small JSON objects that only some may read, until they expire.

use std::sync::Arc;

use axum::{Json, Router, http::header, response::IntoResponse as _, routing::MethodFilter};
use queue::wire::timestamp;
use serde_json::{Value, json};

use super::{
    App,
    call::{self, Answer, Call, call, paged},
    pages::{self, Page},
};
use crate::{
    clock,
    error::{ApiError, Code},
    store::{Db, StoredSecret},
    task::Fields,
};

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    Router::new()
        .route(
            "/secret/{*name}",
            call(Method::GET, "get", get)
                .merge(call::secret(Method::PUT, ("set", "secret"), set))
                .merge(call(Method::DELETE, "remove", remove)),
        )
        .route("/secrets", paged(Method::GET, "list", list))
}

async fn get(call: Arc<Call>) -> Answer {
    let name = call.param("name").to_owned();
    call.authorize_scope(format!("secrets:get:{name}"))?;
    let found = call.app.store.run(move |db| db.secret(&name)).await?;
    let stored = found.ok_or_else(|| ApiError::not_found("Secret not found"))?;
    if stored.expires < clock::now() {
        return Err(ApiError::new(
            Code::ResourceExpired,
            "The requested resource has expired.",
        ));
    }
    // The value is JSON already, and goes through no one's hands.
    let expires = json!(timestamp::format(&stored.expires));
    let body = format!("{{\"secret\":{},\"expires\":{expires}}}", stored.secret);
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

async fn set(call: Arc<Call>) -> Answer {
    let name = call.param("name").to_owned();
    call.authorize_scope(format!("secrets:set:{name}"))?;
    let mut fields = Fields::of_body(call.input()?, &["secret", "expires"])?;
    let secret = fields.required_object("secret");
    let expires = fields.required_time("expires");
    fields.check()?;
    let stored = StoredSecret {
        secret: Value::Object(secret).to_string(),
        expires,
    };
    call.app
        .store
        .run(move |db| db.save_secret(&name, &stored))
        .await?;
    Ok(Json(json!({})).into_response())
}

async fn remove(call: Arc<Call>) -> Answer {
    let name = call.param("name").to_owned();
    call.authorize_scope(format!("secrets:set:{name}"))?;
    call.app.store.run(move |db| db.remove_secret(&name)).await?;
    Ok(Json(json!({})).into_response())
}

async fn list(call: Arc<Call>) -> Answer {
    call.authorize_scope("secrets:list-secrets".to_owned())?;
    let Page { limit, after } = Page::of(&call)?;
    let work = move |db: &Db<'_>| db.secrets_after(&after, limit, clock::now());
    let names = call.app.store.run(work).await?;
    Ok(pages::answer("secrets", limit, names, |name| {
        let shown = json!(name);
        (name, shown)
    }))
}
