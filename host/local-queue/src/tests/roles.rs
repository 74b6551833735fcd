//! Roles, and what they mean to callers of every service.

use chrono::TimeDelta;
use queue::wire::Credentials;
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::kit::{
    Fixture, QUEUE, Reply, Signature, definition_with, in_time, limited, refusal, refused, root,
};

fn denied() -> (u16, String) {
    refused(403, "InsufficientScopes")
}

async fn by_root(fixture: &Fixture, method: Method, path: &str, body: Option<&Value>) -> Reply {
    let path = format!("auth/v1/{path}");
    fixture.api(Some(&root()), method, &path, body).await
}

async fn put(fixture: &Fixture, role_id: &str, scopes: &[&str]) -> Reply {
    let body = json!({ "description": "d", "scopes": scopes });
    by_root(fixture, Method::PUT, &format!("roles/{role_id}"), Some(&body)).await
}

async fn expand(fixture: &Fixture, scopes: &[&str]) -> Value {
    let body = json!({ "scopes": scopes });
    let reply = fixture
        .api(None, Method::POST, "auth/v1/scopes/expand", Some(&body))
        .await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    reply.body["scopes"].clone()
}

#[tokio::test]
async fn scopes_expand_to_what_their_roles_grant() {
    let fixture = Fixture::start().await;
    assert_eq!(
        expand(&fixture, &["assume:a:x", "y"]).await,
        json!(["assume:a:x", "y"])
    );
    let reply = put(&fixture, "a:%2A", &["assume:b:<..>", "z:*"]).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    assert_eq!(reply.body["roleId"], "a:*");
    put(&fixture, "b:x", &["w"]).await;
    assert_eq!(
        expand(&fixture, &["assume:a:x", "y", "z:1"]).await,
        json!(["assume:a:x", "assume:b:x", "w", "y", "z:*"])
    );
    let shown = by_root(&fixture, Method::GET, "roles/a:%2A", None).await;
    assert_eq!(shown.body["scopes"], json!(["assume:b:<..>", "z:*"]));
    assert_eq!(
        shown.body["expandedScopes"],
        json!(["assume:a:*", "assume:b:*", "w", "z:*"])
    );
    for bad in [
        json!({ "scopes": ["ä"] }),
        json!({}),
        json!({ "scopes": [], "x": 1 }),
    ] {
        let reply = fixture
            .api(None, Method::POST, "auth/v1/scopes/expand", Some(&bad))
            .await;
        assert_eq!(reply.refusal(), refused(400, "InputValidationError"), "{bad}");
    }
}

#[tokio::test]
async fn what_a_role_grants_holds_in_every_service_at_once_and_no_longer_than_it_does() {
    let fixture = Fixture::start().await;
    let body = json!({
        "description": "d",
        "expires": in_time(TimeDelta::hours(1)),
        "scopes": ["assume:maker:ci"],
    });
    let made = by_root(&fixture, Method::PUT, "clients/maker", Some(&body)).await;
    let maker = Credentials {
        client_id: "maker".to_owned(),
        access_token: made.body["accessToken"].as_str().unwrap().to_owned(),
        certificate: None,
    };
    let create = async || {
        let definition = definition_with(QUEUE, json!({ "scopes": ["x:ci"] }));
        let client = fixture.client(maker.clone());
        client.create_task(&slugid::v4(), &definition).await.map(|_| ())
    };
    assert_eq!(refusal(create().await), denied());
    let grants = [
        "queue:create-task:*",
        "queue:scheduler-id:*",
        "x:<..>",
        "secrets:get:<..>",
    ];
    put(&fixture, "maker:%2A", &grants).await;
    create().await.unwrap();
    let secret = async |name: &str| {
        let path = format!("secrets/v1/secret/{name}");
        fixture
            .api(Some(&maker), Method::GET, &path, None)
            .await
            .refusal()
    };
    assert_eq!(secret("ci").await, refused(404, "ResourceNotFound"));
    assert_eq!(secret("other").await, denied());
    by_root(&fixture, Method::DELETE, "roles/maker:%2A", None).await;
    assert_eq!(refusal(create().await), denied());
}

#[tokio::test]
async fn temporary_and_narrowed_credentials_have_what_roles_grant() {
    let fixture = Fixture::start().await;
    put(&fixture, "reader", &["secrets:get:a"]).await;
    let get = async |credentials: &Credentials, scopes: Option<Vec<&'static str>>| {
        let url = fixture.url_of("secrets/v1/secret/a");
        let signature = Signature {
            authorized_scopes: scopes,
            ..Signature::default()
        };
        let value = signature.header(credentials, "GET", &url);
        let request = fixture.http.get(url).header(header::AUTHORIZATION, value);
        Reply::of(request).await.status
    };
    let reader = limited(&["assume:reader"]);
    assert_eq!(get(&reader, None).await, 404);
    assert_eq!(get(&limited(&["assume:reade"]), None).await, 403);
    // To what a role grants, to the role itself, to what everybody has; never to more.
    assert_eq!(get(&reader, Some(vec!["secrets:get:a"])).await, 404);
    assert_eq!(get(&root(), Some(vec!["assume:reader"])).await, 404);
    assert_eq!(get(&reader, Some(vec!["queue:status:x"])).await, 403);
    assert_eq!(get(&reader, Some(vec!["secrets:get:b"])).await, 401);
    assert_eq!(get(&reader, Some(vec!["assume:*"])).await, 401);
}

#[tokio::test]
async fn what_everybody_may_do_is_a_role_like_any_other() {
    let fixture = Fixture::start().await;
    let list = async |fixture: &Fixture, credentials: Option<&Credentials>| {
        let path = "queue/v1/pending/proj/ci";
        fixture.api(credentials, Method::GET, path, None).await.status
    };
    assert_eq!(list(&fixture, None).await, 200);
    let body = json!({ "description": "less", "scopes": ["auth:current-scopes"] });
    let reply = by_root(&fixture, Method::POST, "roles/anonymous", Some(&body)).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    assert_eq!(list(&fixture, None).await, 403);
    assert_eq!(list(&fixture, Some(&limited(&["x"]))).await, 403);
    assert_eq!(list(&fixture, Some(&root())).await, 200);
    let fixture = fixture.restart().await;
    assert_eq!(list(&fixture, None).await, 403);
    let scopes = fixture
        .api(None, Method::GET, "auth/v1/scopes/current", None)
        .await
        .body;
    assert_eq!(
        scopes["scopes"],
        json!(["assume:anonymous", "auth:current-scopes"])
    );
}

#[tokio::test]
async fn nobody_gives_a_role_what_they_do_not_have() {
    let fixture = Fixture::start().await;
    put(&fixture, "helper", &["y:*"]).await;
    put(&fixture, "r", &["assume:helper"]).await;
    let maker = limited(&["auth:create-role:*", "auth:update-role:r", "x:*"]);
    let call = async |method: Method, role_id: &str, scopes: &[&str]| {
        let body = json!({ "description": "d", "scopes": scopes });
        let path = format!("auth/v1/roles/{role_id}");
        fixture.api(Some(&maker), method, &path, Some(&body)).await
    };
    assert_eq!(call(Method::PUT, "a", &["x:y"]).await.status, 200);
    assert_eq!(call(Method::PUT, "b", &["z"]).await.refusal(), denied());
    // What the role leads to already is not new to it.
    assert_eq!(call(Method::POST, "r", &["y:y", "x:y"]).await.status, 200);
    assert_eq!(call(Method::POST, "r", &["y:y", "z"]).await.refusal(), denied());
    assert_eq!(call(Method::POST, "a", &["x:y"]).await.refusal(), denied());
    let missing = refused(404, "ResourceNotFound");
    assert_eq!(call(Method::POST, "none", &[]).await.refusal(), missing);
    assert_eq!(call(Method::DELETE, "a", &[]).await.refusal(), denied());
}

#[tokio::test]
async fn roles_that_make_no_sense_are_refused_and_change_nothing() {
    let fixture = Fixture::start().await;
    put(&fixture, "a", &["assume:b"]).await;
    let input = refused(400, "InputError");
    for (role_id, scopes) in [
        ("b", &["assume:a"][..]),
        ("a%2A", &["assume:a"]),
        ("c%2A", &["x<..>y<..>"]),
        ("c%2A", &["x*<..>"]),
        ("d", &["x**"]),
    ] {
        let reply = put(&fixture, role_id, scopes).await;
        assert_eq!(reply.refusal(), input, "{role_id}");
        let shown = by_root(&fixture, Method::GET, &format!("roles/{role_id}"), None).await;
        assert_eq!(shown.status, 404, "{role_id}");
    }
    let body = json!({ "description": "d", "scopes": ["assume:a*"] });
    let reply = by_root(&fixture, Method::POST, "roles/a", Some(&body)).await;
    assert_eq!(reply.refusal(), input);
    let message = reply.body["message"].as_str().unwrap();
    assert!(message.contains("'assume:a' -> 'assume:a'"), "{message}");
    assert_eq!(
        expand(&fixture, &["assume:a"]).await,
        json!(["assume:a", "assume:b"])
    );
}

#[tokio::test]
async fn a_role_created_again_is_the_same_or_a_conflict() {
    let fixture = Fixture::start().await;
    let first = put(&fixture, "a", &["y", "x"]).await;
    assert_eq!(first.body["scopes"], json!(["x", "y"]));
    let again = put(&fixture, "a", &["x", "y"]).await;
    assert_eq!(again.body, first.body);
    let other = put(&fixture, "a", &["x"]).await;
    assert_eq!(other.refusal(), refused(409, "RequestConflict"));
    for _ in 0..2 {
        let reply = by_root(&fixture, Method::DELETE, "roles/a", None).await;
        assert_eq!(reply.status, 204);
    }
    assert_eq!(put(&fixture, "a", &["x"]).await.status, 200);
}

#[tokio::test]
async fn roles_are_listed_at_once_or_page_by_page() {
    let fixture = Fixture::start().await;
    put(&fixture, "b", &["x"]).await;
    put(&fixture, "a", &[]).await;
    let get = async |path: &str| by_root(&fixture, Method::GET, path, None).await.body;
    let names = |roles: &Value| -> Vec<String> {
        let roles = roles.as_array().unwrap().iter();
        roles
            .map(|role| role["roleId"].as_str().unwrap().to_owned())
            .collect()
    };
    for path in ["roles/", "roles"] {
        assert_eq!(names(&get(path).await), ["a", "anonymous", "b"]);
    }
    let all = get("roles2/").await;
    assert_eq!(names(&all["roles"]), ["a", "anonymous", "b"]);
    assert_eq!(all.get("continuationToken"), None);
    assert_eq!(all["roles"][2]["expandedScopes"], json!(["assume:b", "x"]));
    let page = get("roleids/?limit=2").await;
    assert_eq!(page["roleIds"], json!(["a", "anonymous"]));
    let token = page["continuationToken"].as_str().unwrap();
    let page = get(&format!("roleids/?limit=2&continuationToken={token}")).await;
    assert_eq!(page, json!({ "roleIds": ["b"] }));
}
