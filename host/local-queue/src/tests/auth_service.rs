//! The auth service: permanent clients. And what is in none of the services.

use chrono::TimeDelta;
use queue::wire::Credentials;
use reqwest::Method;
use serde_json::{Value, json};

use super::kit::{Fixture, Reply, in_time, limited, refused, root};

/// A call by the root client.
async fn by_root(fixture: &Fixture, method: Method, path: &str, body: Option<&Value>) -> Reply {
    let path = format!("auth/v1/{path}");
    fixture.api(Some(&root()), method, &path, body).await
}

fn client(scopes: &[&str]) -> Value {
    json!({ "description": "d", "expires": in_time(TimeDelta::hours(1)), "scopes": scopes })
}

/// Creates a client, whose credentials are answered.
async fn create(fixture: &Fixture, client_id: &str, body: &Value) -> Credentials {
    let path = format!("clients/{}", client_id.replace('/', "%2F"));
    let reply = by_root(fixture, Method::PUT, &path, Some(body)).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    Credentials {
        client_id: client_id.to_owned(),
        access_token: reply.body["accessToken"].as_str().unwrap().to_owned(),
        certificate: None,
    }
}

/// What somebody may do, or why that is not said.
async fn scopes_of(fixture: &Fixture, credentials: &Credentials) -> Result<Vec<String>, (u16, String)> {
    let reply = fixture
        .api(Some(credentials), Method::GET, "auth/v1/scopes/current", None)
        .await;
    if reply.status != 200 {
        return Err(reply.refusal());
    }
    Ok(serde_json::from_value(reply.body["scopes"].clone()).unwrap())
}

fn unknown() -> (u16, String) {
    refused(401, "AuthenticationFailed")
}

#[tokio::test]
async fn a_client_may_what_it_was_given_until_it_is_disabled_or_has_another_secret_or_is_gone() {
    let fixture = Fixture::start().await;
    let ci = create(&fixture, "proj/ci", &client(&["x:y"])).await;
    assert!(
        scopes_of(&fixture, &ci)
            .await
            .unwrap()
            .contains(&"x:y".to_owned())
    );

    let reply = by_root(&fixture, Method::POST, "clients/proj%2Fci/disable", None).await;
    assert_eq!(reply.body["disabled"], json!(true));
    assert_eq!(scopes_of(&fixture, &ci).await, Err(unknown()));
    by_root(&fixture, Method::POST, "clients/proj%2Fci/enable", None).await;
    assert!(scopes_of(&fixture, &ci).await.is_ok());

    let reply = by_root(&fixture, Method::POST, "clients/proj%2Fci/reset", None).await;
    assert_eq!(scopes_of(&fixture, &ci).await, Err(unknown()));
    let ci = Credentials {
        access_token: reply.body["accessToken"].as_str().unwrap().to_owned(),
        ..ci
    };
    let fixture = fixture.restart().await;
    assert!(scopes_of(&fixture, &ci).await.is_ok());

    for _ in 0..2 {
        let reply = by_root(&fixture, Method::DELETE, "clients/proj%2Fci", None).await;
        assert_eq!(reply.status, 204);
    }
    assert_eq!(scopes_of(&fixture, &ci).await, Err(unknown()));
    let gone = by_root(&fixture, Method::GET, "clients/proj%2Fci", None).await;
    assert_eq!(gone.refusal(), refused(404, "ResourceNotFound"));
}

#[tokio::test]
async fn a_client_is_shown_as_it_was_made_and_without_its_secret() {
    let fixture = Fixture::start().await;
    let body = client(&["assume:anonymous", "x"]);
    let credentials = create(&fixture, "ci", &body).await;
    assert_eq!(credentials.access_token.len(), 44);
    let shown = fixture
        .api(None, Method::GET, "auth/v1/clients/ci", None)
        .await
        .body;
    for name in ["description", "expires", "scopes"] {
        assert_eq!(shown[name], body[name], "{name}");
    }
    assert_eq!(shown["clientId"], "ci");
    assert_eq!(shown["deleteOnExpiration"], json!(false));
    for time in ["created", "lastModified", "lastDateUsed", "lastRotated"] {
        assert!(shown[time].as_str().unwrap().ends_with('Z'), "{time}");
    }
    let expanded = shown["expandedScopes"].as_array().unwrap();
    assert!(expanded.contains(&json!("queue:status:*")), "{expanded:?}");
    assert!(!shown.to_string().contains(&credentials.access_token));
}

#[tokio::test]
async fn nobody_gives_a_client_what_they_do_not_have() {
    let fixture = Fixture::start().await;
    let denied = refused(403, "InsufficientScopes");
    let maker = limited(&["auth:create-client:ci/*", "auth:update-client:ci/*", "x:*"]);
    let put = async |client_id: &str, scopes: &[&str]| {
        let path = format!("auth/v1/clients/{client_id}");
        fixture
            .api(Some(&maker), Method::PUT, &path, Some(&client(scopes)))
            .await
    };
    assert_eq!(put("ci%2Fa", &["x:y"]).await.status, 200);
    assert_eq!(put("ci%2Fb", &["y:z"]).await.refusal(), denied);
    assert_eq!(put("other", &["x:y"]).await.refusal(), denied);

    // What a client has already needs nobody to have it.
    create(&fixture, "ci/c", &client(&["y:z"])).await;
    let post = async |scopes: &[&str]| {
        let path = "auth/v1/clients/ci%2Fc";
        fixture
            .api(Some(&maker), Method::POST, path, Some(&client(scopes)))
            .await
    };
    assert_eq!(post(&["y:z", "x:y"]).await.status, 200);
    assert_eq!(post(&["y:z", "y:y"]).await.refusal(), denied);
    let mut same = client(&[]);
    same.as_object_mut().unwrap().remove("scopes");
    same["description"] = json!("another");
    let reply = fixture
        .api(Some(&maker), Method::POST, "auth/v1/clients/ci%2Fc", Some(&same))
        .await;
    assert_eq!(reply.body["scopes"], json!(["y:z", "x:y"]));
    assert_eq!(reply.body["description"], "another");
    let reply = fixture
        .api(Some(&maker), Method::POST, "auth/v1/clients/ci%2Fc/reset", None)
        .await;
    assert_eq!(reply.refusal(), denied);
}

#[tokio::test]
async fn a_client_created_again_is_the_same_or_a_conflict() {
    let fixture = Fixture::start().await;
    let body = client(&["x"]);
    let first = create(&fixture, "ci", &body).await;
    assert_eq!(create(&fixture, "ci", &body).await, first);
    let other = client(&["y"]);
    let reply = by_root(&fixture, Method::PUT, "clients/ci", Some(&other)).await;
    assert_eq!(reply.refusal(), refused(409, "RequestConflict"));
}

#[tokio::test]
async fn clients_that_are_not_in_the_database_can_not_be_changed() {
    let fixture = Fixture::start().await;
    for client_id in ["root", "static%2Ftaskcluster%2Fqueue"] {
        let path = format!("clients/{client_id}");
        for (method, path) in [
            (Method::PUT, path.clone()),
            (Method::POST, path.clone()),
            (Method::DELETE, path.clone()),
            (Method::POST, format!("{path}/reset")),
            (Method::POST, format!("{path}/disable")),
        ] {
            let reply = by_root(&fixture, method, &path, Some(&client(&[]))).await;
            assert_eq!(reply.refusal(), refused(400, "InputError"), "{path}");
        }
    }
    let root = by_root(&fixture, Method::GET, "clients/root", None).await;
    assert_eq!(root.body["expandedScopes"], json!(["*"]));
}

#[tokio::test]
async fn wrong_clients_are_refused_with_what_is_wrong() {
    let fixture = Fixture::start().await;
    let input = refused(400, "InputValidationError");
    for (body, complaint) in [
        (json!([]), "data must be object"),
        (json!({ "description": "d" }), "'expires'"),
        (
            json!({ "expires": in_time(TimeDelta::hours(1)) }),
            "'description'",
        ),
        (
            json!({ "description": 1, "expires": "now" }),
            "data.expires must be a date-time",
        ),
        (
            json!({ "description": "d".repeat(10_241), "expires": in_time(TimeDelta::zero()) }),
            "at most 10240",
        ),
        (
            json!({ "description": "d", "expires": in_time(TimeDelta::zero()), "scopes": ["a", "a"] }),
            "duplicate",
        ),
        (
            json!({ "description": "d", "expires": in_time(TimeDelta::zero()), "scopes": ["ä"] }),
            "data.scopes[0]",
        ),
        (
            json!({ "description": "d", "expires": in_time(TimeDelta::zero()), "deleteOnExpiration": 1 }),
            "boolean",
        ),
        (
            json!({ "description": "d", "expires": in_time(TimeDelta::zero()), "typo": 1 }),
            "typo",
        ),
    ] {
        let reply = by_root(&fixture, Method::PUT, "clients/ci", Some(&body)).await;
        assert_eq!(reply.refusal(), input, "{body}");
        let message = reply.body["message"].as_str().unwrap();
        assert!(message.contains(complaint), "{message}");
    }
    let stars = by_root(&fixture, Method::PUT, "clients/ci", Some(&client(&["a**"]))).await;
    assert_eq!(stars.refusal(), refused(400, "InputError"));
    let name = by_root(&fixture, Method::PUT, "clients/a%20b", Some(&client(&[]))).await;
    assert_eq!(name.refusal(), refused(400, "InvalidRequestArguments"));
}

#[tokio::test]
async fn clients_are_listed_page_by_page_and_by_what_their_names_begin_with() {
    let fixture = Fixture::start().await;
    for client_id in ["b/2", "a", "b/1", "z"] {
        create(&fixture, client_id, &client(&[])).await;
    }
    let list = async |query: &str| {
        let reply = fixture
            .api(None, Method::GET, &format!("auth/v1/clients/{query}"), None)
            .await;
        let clients = reply.body["clients"].as_array().unwrap();
        let names: Vec<&str> = clients
            .iter()
            .map(|client| client["clientId"].as_str().unwrap())
            .collect();
        let token = reply.body["continuationToken"].as_str().map(str::to_owned);
        (names.join(" "), token)
    };
    assert_eq!(list("").await, ("a b/1 b/2 root z".to_owned(), None));
    assert_eq!(list("?prefix=b/").await, ("b/1 b/2".to_owned(), None));
    let (first, token) = list("?limit=3").await;
    assert_eq!(first, "a b/1 b/2");
    let next = list(&format!("?limit=3&continuationToken={}", token.unwrap())).await;
    assert_eq!(next, ("root z".to_owned(), None));
    let bad = refused(400, "InvalidRequestArguments");
    for query in ["?prefix=%20", "?limit=x", "?typo=1"] {
        let path = format!("auth/v1/clients/{query}");
        assert_eq!(fixture.api(None, Method::GET, &path, None).await.refusal(), bad);
    }
}

#[tokio::test]
async fn a_client_that_has_expired_can_not_sign_and_is_swept_away_if_it_is_to_be() {
    let fixture = Fixture::start().await;
    let mut body = client(&[]);
    body["expires"] = json!(in_time(TimeDelta::hours(-1)));
    let kept = create(&fixture, "kept", &body).await;
    body["deleteOnExpiration"] = json!(true);
    create(&fixture, "swept", &body).await;
    assert_eq!(scopes_of(&fixture, &kept).await, Err(unknown()));
    let fixture = fixture.restart().await;
    while by_root(&fixture, Method::GET, "clients/swept", None).await.status != 404 {
        tokio::task::yield_now().await;
    }
    let kept = by_root(&fixture, Method::GET, "clients/kept", None).await;
    assert_eq!(kept.status, 200);
}

#[tokio::test]
async fn the_last_use_of_a_client_is_written_down_now_and_then() {
    let fixture = Fixture::start().await;
    let ci = create(&fixture, "ci", &client(&[])).await;
    let used = async |fixture: &Fixture| {
        let shown = by_root(fixture, Method::GET, "clients/ci", None).await;
        shown.body["lastDateUsed"].as_str().unwrap().to_owned()
    };
    let first = used(&fixture).await;
    scopes_of(&fixture, &ci).await.unwrap();
    assert_eq!(used(&fixture).await, first);
    let database = rusqlite::Connection::open(fixture.path().join("queue.sqlite")).unwrap();
    database
        .execute("UPDATE clients SET last_date_used = 1", [])
        .unwrap();
    drop(database);
    let fixture = fixture.restart().await;
    assert!(used(&fixture).await.starts_with("1970"));
    scopes_of(&fixture, &ci).await.unwrap();
    assert!(used(&fixture).await >= first);
}

#[tokio::test]
async fn calls_that_are_not_here_say_so() {
    let fixture = Fixture::start().await;
    for (method, path) in [
        (Method::GET, "/api/auth/v1/sentry/x/dsn"),
        (Method::GET, "/api/auth/v1/websocktunnel/a/b"),
        (Method::GET, "/api/auth/v1/aws/s3/read-only/b/p"),
        (Method::GET, "/api/github/v1/ping"),
        (Method::POST, "/api/hooks/v1/hooks/g/h/trigger"),
        (Method::PATCH, "/api/secrets/v1/secrets"),
        (Method::GET, "/api/index/v2/tasks"),
        (Method::GET, "/references/auth/v1/api.json"),
        (Method::GET, "/schemas/queue/v1/task.json"),
        (Method::GET, "/tasks/x"),
    ] {
        let url = format!("{}{path}", fixture.queue.root_url());
        let reply = Reply::of(fixture.http.request(method.clone(), url)).await;
        assert_eq!(reply.refusal(), refused(404, "ResourceNotFound"), "{path}");
        let message = reply.body["message"].as_str().unwrap();
        assert!(message.starts_with("The embedded services have no "), "{message}");
        assert!(message.contains(&format!("{method} {path}")), "{message}");
    }
}
