//! Permanent clients: who they are, and what they may do.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::MethodFilter,
};
use chrono::{DateTime, TimeDelta, Utc};
use queue::wire::timestamp;
use serde_json::{Map, Value, json};

use super::{MAX_DESCRIPTION, refuse_two_stars};
use crate::{
    auth::{Access, Client, Enrolled, scopes::Expression},
    clock,
    error::{ApiError, Code, Failure},
    http::{
        App,
        call::{Answer, Call, call, queried},
        pages::{self, Page},
    },
    ids,
    store::Db,
    task::Fields,
};

/// How long a client that is created again just so is taken for a retry.
const RETRY: TimeDelta = TimeDelta::minutes(15);

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    let list_clients = || {
        let query = ("listClients", &["prefix", "continuationToken", "limit"][..]);
        queried(Method::GET, query, list)
    };
    Router::new()
        .route("/clients", list_clients())
        .route("/clients/", list_clients())
        .route(
            "/clients/{clientId}",
            call(Method::GET, "client", show)
                .merge(call(Method::PUT, "createClient", create))
                .merge(call(Method::POST, "updateClient", update))
                .merge(call(Method::DELETE, "deleteClient", remove)),
        )
        .route(
            "/clients/{clientId}/reset",
            call(Method::POST, "resetAccessToken", reset),
        )
        .route(
            "/clients/{clientId}/enable",
            call(Method::POST, "enableClient", enable),
        )
        .route(
            "/clients/{clientId}/disable",
            call(Method::POST, "disableClient", disable),
        )
}

/// What a client is to be.
struct Wanted {
    description: String,
    expires: DateTime<Utc>,
    delete_on_expiration: bool,
    scopes: Option<Vec<String>>,
}

impl Wanted {
    fn read(body: &Value) -> Result<Self, ApiError> {
        let known = &["description", "expires", "deleteOnExpiration", "scopes"];
        let mut fields = Fields::of_body(body, known)?;
        let wanted = Self {
            description: fields.required_text("description", MAX_DESCRIPTION),
            expires: fields.required_time("expires"),
            delete_on_expiration: fields.boolean("deleteOnExpiration").unwrap_or(false),
            scopes: fields.scopes("scopes"),
        };
        fields.check()?;
        Ok(wanted)
    }
}

fn to_json(access: &Access, enrolled: &Enrolled) -> Map<String, Value> {
    let Client {
        client_id, scopes, ..
    } = &enrolled.client;
    let time = |time| json!(timestamp::format(time));
    [
        ("clientId", json!(client_id)),
        ("description", json!(enrolled.description)),
        ("expires", time(&enrolled.expires)),
        ("deleteOnExpiration", json!(enrolled.delete_on_expiration)),
        ("created", time(&enrolled.created)),
        ("lastModified", time(&enrolled.last_modified)),
        ("lastDateUsed", time(&enrolled.last_date_used)),
        ("lastRotated", time(&enrolled.last_rotated)),
        ("scopes", json!(scopes)),
        ("expandedScopes", json!(access.expand(scopes))),
        ("disabled", json!(enrolled.disabled)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn answer(call: &Call, enrolled: &Enrolled) -> Response {
    Json(to_json(&call.app.clients.current(), enrolled)).into_response()
}

/// The only answers that have a client's secret.
fn answer_with_secret(call: &Call, enrolled: &Enrolled) -> Response {
    let mut body = to_json(&call.app.clients.current(), enrolled);
    body.insert("accessToken".to_owned(), json!(enrolled.client.access_token));
    Json(body).into_response()
}

fn new_secret() -> String {
    format!("{}{}", slugid::v4(), slugid::v4())
}

fn not_found() -> ApiError {
    ApiError::not_found("Client not found")
}

/// Refuses to change clients that are not kept in the database.
fn refuse_static(call: &Call) -> Result<(), ApiError> {
    let client_id = call.param("clientId");
    if client_id == call.app.clients.root().client_id {
        return Err(ApiError::input(format!(
            "clientId \"{client_id}\" is the root client, which is configured where the services are started."
        )));
    }
    if client_id.starts_with("static/") {
        return Err(ApiError::input(format!(
            "clientId \"{client_id}\" starts with \"static/\" which is reserved for statically configured clients. \
             Contact your administrator to change static clients."
        )));
    }
    Ok(())
}

async fn list(call: Arc<Call>) -> Answer {
    call.authorize_scope("auth:list-clients".to_owned())?;
    let prefix = call.query("prefix").unwrap_or_default().to_owned();
    if !prefix.is_empty() && !ids::is_client_id(&prefix) {
        return Err(ApiError::new(
            Code::InvalidRequestArguments,
            format!("Query-string parameter: prefix=\"{prefix}\" must be the beginning of a clientId"),
        ));
    }
    let Page { limit, after } = Page::of(&call)?;
    let root = call.app.clients.enrolled_root();
    let mut clients = call.app.store.run(|db| db.clients()).await?;
    clients.retain(|enrolled| enrolled.client.client_id != root.client.client_id);
    clients.push(root);
    clients
        .retain(|Enrolled { client, .. }| client.client_id > after && client.client_id.starts_with(&prefix));
    clients.sort_by(|a, b| a.client.client_id.cmp(&b.client.client_id));
    let access = call.app.clients.current();
    Ok(pages::answer("clients", limit, clients, |enrolled| {
        let shown = Value::Object(to_json(&access, &enrolled));
        (enrolled.client.client_id, shown)
    }))
}

async fn show(call: Arc<Call>) -> Answer {
    let client_id = call.param("clientId").to_owned();
    call.authorize_scope(format!("auth:get-client:{client_id}"))?;
    if client_id == call.app.clients.root().client_id {
        return Ok(answer(&call, &call.app.clients.enrolled_root()));
    }
    let found = call.app.store.run(move |db| db.client(&client_id)).await?;
    Ok(answer(&call, &found.ok_or_else(not_found)?))
}

async fn create(call: Arc<Call>) -> Answer {
    let wanted = Wanted::read(call.input()?)?;
    let client_id = call.param("clientId").to_owned();
    let scopes = wanted.scopes.unwrap_or_default();
    refuse_static(&call)?;
    refuse_two_stars(&scopes)?;
    let mut required = vec![format!("auth:create-client:{client_id}")];
    required.extend(scopes.iter().cloned());
    call.authorize(&Expression::all(required))?;
    let client = Client {
        client_id,
        access_token: new_secret(),
        scopes,
    };
    let enrolled = Enrolled {
        delete_on_expiration: wanted.delete_on_expiration,
        ..Enrolled::new(client, wanted.description, wanted.expires)
    };
    let enrolled = call.app.store.run(move |db| enroll(db, enrolled)).await?;
    Ok(answer_with_secret(&call, &enrolled))
}

/// Keeps a new client. The same one again, soon, is the one that is there.
fn enroll(db: &Db<'_>, enrolled: Enrolled) -> Result<Enrolled, Failure> {
    let Some(existing) = db.client(&enrolled.client.client_id)? else {
        db.save_client(&enrolled)?;
        return Ok(enrolled);
    };
    let same = existing.description == enrolled.description
        && existing.expires == enrolled.expires
        && existing.client.scopes == enrolled.client.scopes
        && !existing.disabled
        && existing.created >= enrolled.created - RETRY;
    if same {
        return Ok(existing);
    }
    Err(Failure::Refused(ApiError::conflict(
        "client with same clientId already exists, possibly an issue with retry logic or idempotency",
    )))
}

async fn update(call: Arc<Call>) -> Answer {
    let wanted = Wanted::read(call.input()?)?;
    refuse_static(&call)?;
    refuse_two_stars(wanted.scopes.as_deref().unwrap_or_default())?;
    change(&call, move |call, enrolled| {
        let client = &mut enrolled.client;
        let added = wanted.scopes.iter().flatten();
        let added = added.filter(|scope| !client.scopes.contains(scope)).cloned();
        let update = format!("auth:update-client:{}", client.client_id);
        call.authorize(&Expression::all(std::iter::once(update).chain(added)))?;
        if let Some(scopes) = wanted.scopes {
            client.scopes = scopes;
        }
        enrolled.description = wanted.description;
        enrolled.expires = wanted.expires;
        enrolled.delete_on_expiration = wanted.delete_on_expiration;
        enrolled.last_modified = clock::now();
        Ok(())
    })
    .await
    .map(|enrolled| answer(&call, &enrolled))
}

async fn reset(call: Arc<Call>) -> Answer {
    authorize_change(&call, "reset-access-token")?;
    change(&call, |_, enrolled| {
        enrolled.client.access_token = new_secret();
        enrolled.last_rotated = clock::now();
        Ok(())
    })
    .await
    .map(|enrolled| answer_with_secret(&call, &enrolled))
}

async fn enable(call: Arc<Call>) -> Answer {
    authorize_change(&call, "enable-client")?;
    change(&call, |_, enrolled| {
        enrolled.disabled = false;
        Ok(())
    })
    .await
    .map(|enrolled| answer(&call, &enrolled))
}

async fn disable(call: Arc<Call>) -> Answer {
    authorize_change(&call, "disable-client")?;
    change(&call, |_, enrolled| {
        enrolled.disabled = true;
        Ok(())
    })
    .await
    .map(|enrolled| answer(&call, &enrolled))
}

async fn remove(call: Arc<Call>) -> Answer {
    authorize_change(&call, "delete-client")?;
    let client_id = call.param("clientId").to_owned();
    call.app.store.run(move |db| db.remove_client(&client_id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn authorize_change(call: &Call, verb: &str) -> Result<(), ApiError> {
    refuse_static(call)?;
    call.authorize_scope(format!("auth:{verb}:{}", call.param("clientId")))
}

/// Changes a client that is there.
async fn change<F>(call: &Arc<Call>, changed: F) -> Result<Enrolled, ApiError>
where
    F: FnOnce(&Call, &mut Enrolled) -> Result<(), ApiError> + Send + 'static,
{
    let in_store = Arc::clone(call);
    let work = move |db: &Db<'_>| {
        let mut enrolled = db.client(in_store.param("clientId"))?.ok_or_else(not_found)?;
        changed(&in_store, &mut enrolled)?;
        db.save_client(&enrolled)?;
        Ok(enrolled)
    };
    Ok(call.app.store.run(work).await?)
}
