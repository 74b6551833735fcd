//! What scopes expand to, and who signs what: the calls that other services and libraries ask.

use std::sync::Arc;

use axum::{Json, Router, response::IntoResponse as _, routing::MethodFilter};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use queue::wire::{ScopeSet, timestamp};
use serde_json::{Map, Value, json};

use crate::{
    auth::{Access, Caller, Client, Enrolled, NEVER, Roles, SignedRequest, scopes::Expression},
    clock,
    error::ApiError,
    http::{
        App,
        call::{Answer, Call, call},
    },
    task::{self, Fields},
};

/// The methods of HTTP that a request may have that is to be authenticated.
const METHODS: &[&str] = &[
    "get",
    "post",
    "put",
    "head",
    "delete",
    "options",
    "trace",
    "copy",
    "lock",
    "mkcol",
    "move",
    "purge",
    "propfind",
    "proppatch",
    "unlock",
    "report",
    "mkactivity",
    "checkout",
    "merge",
    "m-search",
    "notify",
    "subscribe",
    "unsubscribe",
    "patch",
    "search",
    "connect",
];

/// The client that tests of other clients may be, and its secret that is none.
const TESTER: &str = "tester";
const NO_SECRET: &str = "no-secret";

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    Router::new()
        .route("/scopes/expand", call(Method::POST, "expandScopes", expand))
        .route("/scopes/current", call(Method::GET, "currentScopes", current))
        .route(
            "/authenticate-hawk",
            call(Method::POST, "authenticateHawk", authenticate),
        )
        .route(
            "/test-authenticate",
            call(Method::POST, "testAuthenticate", test_post),
        )
        .route(
            "/test-authenticate-get/",
            call(Method::GET, "testAuthenticateGet", test_get),
        )
        .route(
            "/test-authenticate-get",
            call(Method::GET, "testAuthenticateGet", test_get),
        )
}

async fn expand(call: Arc<Call>) -> Answer {
    call.authorize_scope("auth:expand-scopes".to_owned())?;
    let mut fields = Fields::of_body(call.input()?, &["scopes"])?;
    let scopes = fields.required_scopes("scopes");
    fields.check()?;
    let scopes = call.app.clients.current().expand(&scopes);
    Ok(Json(ScopeSet { scopes }).into_response())
}

async fn current(call: Arc<Call>) -> Answer {
    call.authorize_scope("auth:current-scopes".to_owned())?;
    let scopes = call.caller()?.scopes.to_vec();
    Ok(Json(ScopeSet { scopes }).into_response())
}

/// A request that another service has got.
struct Received {
    method: String,
    resource: String,
    host: String,
    port: u16,
    authorization: Option<String>,
}

impl Received {
    fn read(body: &Value) -> Result<Self, ApiError> {
        let known = &["method", "resource", "host", "port", "authorization", "sourceIp"];
        let mut fields = Fields::of_body(body, known)?;
        let is_host = |host: &str| {
            let byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            (1..=253).contains(&host.len()) && host.bytes().all(byte)
        };
        let is_address = |text: &str| text.parse::<std::net::IpAddr>().is_ok();
        let port = fields.integer("port", 0, u32::from(u16::MAX));
        let received = Self {
            method: fields
                .required("method", "a method of HTTP in small letters", |method| {
                    METHODS.contains(&method)
                })
                .to_ascii_uppercase(),
            resource: fields.required("resource", "a string", |_| true),
            host: fields.required("host", "a hostname", is_host),
            port: port.and_then(|port| port.try_into().ok()).unwrap_or_default(),
            authorization: fields.text("authorization", "a string", |_| true),
        };
        fields.text("sourceIp", "an IP address", is_address);
        fields.check()?;
        match port {
            Some(_) => Ok(received),
            None => Err(task::schema_error(&[
                "data must have required property 'port'".to_owned()
            ])),
        }
    }
}

async fn authenticate(call: Arc<Call>) -> Answer {
    let received = Received::read(call.input()?)?;
    let access = call.app.clients.current();
    let caller = access.authenticate(&SignedRequest {
        method: &received.method,
        path_and_query: &received.resource,
        host: &received.host,
        port: received.port,
        authorization: received.authorization.as_deref(),
    });
    let caller = match caller {
        Ok(caller) => caller,
        Err(failure) => {
            let body = json!({ "status": "auth-failed", "message": failure.to_string() });
            return Ok(Json(body).into_response());
        }
    };
    let mut body = Map::new();
    let (status, scheme) = match &caller.client_id {
        Some(client_id) => {
            body.insert("clientId".to_owned(), json!(client_id));
            ("auth-success", "hawk")
        }
        None => ("no-auth", "none"),
    };
    body.insert("status".to_owned(), json!(status));
    body.insert("scheme".to_owned(), json!(scheme));
    body.insert("scopes".to_owned(), json!(caller.scopes.as_ref()));
    body.insert("expires".to_owned(), json!(timestamp::format(&caller.expires)));
    if let Some(hash) = &caller.payload_hash {
        body.insert("hash".to_owned(), json!(STANDARD.encode(hash)));
    }
    if let Some(client_id) = caller.first_use {
        let work = move |db: &crate::store::Db<'_>| db.save_client_use(&client_id, clock::now());
        call.app.store.run(work).await?;
    }
    Ok(Json(body).into_response())
}

async fn test_post(call: Arc<Call>) -> Answer {
    let mut fields = Fields::of_body(call.input()?, &["clientScopes", "requiredScopes"])?;
    let client = fields.required_scopes("clientScopes");
    let required = fields.required_scopes("requiredScopes");
    fields.check()?;
    test(&call, client, required)
}

async fn test_get(call: Arc<Call>) -> Answer {
    let client = ["test:*", "auth:create-client:test:*"];
    test(
        &call,
        client.map(str::to_owned).to_vec(),
        vec!["test:authenticate-get".to_owned()],
    )
}

/// As if the tester were the only client, and there were no roles.
fn test(call: &Call, scopes: Vec<String>, required: Vec<String>) -> Answer {
    let tester = Client {
        client_id: TESTER.to_owned(),
        access_token: NO_SECRET.to_owned(),
        scopes,
    };
    let enrolled = Enrolled::new(tester, String::new(), clock::from_millis(NEVER));
    let access = Access::new([enrolled], Roles::default());
    let Caller {
        client_id, scopes, ..
    } = call.caller_among(&access, &Expression::all(required))?;
    let client_id = client_id.unwrap_or_else(|| "auth-failed:no-auth".to_owned());
    Ok(Json(json!({ "clientId": client_id, "scopes": scopes.as_ref() })).into_response())
}
