//! Signatures and scopes.

use hawk::PayloadHasher;
use queue::wire::Credentials;
use reqwest::{Method, header};
use serde_json::json;

use super::kit::{Fixture, QUEUE, Reply, Signature, definition, limited, refusal, refused, root, temporary};

/// A call that needs a scope that nobody has by default.
const SCOPE: &str = "queue:quarantine-worker:a/b/c/d";

/// Asks for something that requires `queue:cancel-task:…`, signed in some way: 404 is for those who may ask.
async fn ask(fixture: &Fixture, credentials: &Credentials, signature: &Signature) -> (u16, String) {
    let url = fixture.url(&format!("task/{}/runs/0/reclaim", slugid::v4()));
    let authorization = signature.header(credentials, "POST", &url);
    let request = fixture
        .http
        .post(url)
        .header(header::AUTHORIZATION, authorization);
    Reply::of(request).await.refusal()
}

fn allowed() -> (u16, String) {
    refused(404, "ResourceNotFound")
}

fn unknown() -> (u16, String) {
    refused(401, "AuthenticationFailed")
}

fn denied() -> (u16, String) {
    refused(403, "InsufficientScopes")
}

#[tokio::test]
async fn anybody_may_look_and_nobody_may_touch() {
    let fixture = Fixture::start().await;
    let id = fixture.create(&definition(QUEUE)).await;
    for path in [
        format!("task/{id}"),
        format!("task/{id}/status"),
        format!("task/{id}/runs/0/artifacts"),
        format!("task/{id}/dependents"),
        format!("task-group/{id}/list"),
        "pending/proj/ci".to_owned(),
    ] {
        assert_eq!(fixture.get(&path).await.status, 200, "{path}");
    }
    let claim = json!({ "tasks": 1, "workerGroup": "a", "workerId": "b" });
    for (method, path, body) in [
        (
            Method::PUT,
            format!("task/{}", slugid::v4()),
            Some(definition(QUEUE)),
        ),
        (Method::POST, "claim-work/proj/ci".to_owned(), Some(claim)),
        (Method::POST, format!("task/{id}/runs/0/reclaim"), None),
        (Method::POST, format!("task/{id}/runs/0/completed"), None),
        (Method::GET, format!("task/{id}/runs/0/artifacts/private/x"), None),
    ] {
        let reply = fixture.raw(None, method, &path, body.as_ref()).await;
        assert_eq!(reply.refusal(), denied(), "{path}");
    }
}

#[tokio::test]
async fn signatures_of_nobody_known_are_refused() {
    let fixture = Fixture::start().await;
    let signature = Signature::default();
    assert_eq!(ask(&fixture, &root(), &signature).await, allowed());
    let stranger = Credentials {
        client_id: "stranger".to_owned(),
        ..root()
    };
    assert_eq!(ask(&fixture, &stranger, &signature).await, unknown());
    let forger = Credentials {
        access_token: "guessed".to_owned(),
        ..root()
    };
    assert_eq!(ask(&fixture, &forger, &signature).await, unknown());
    let reply = fixture
        .raw(
            Some(&forger),
            Method::POST,
            &format!("task/{}/cancel", fixture.create(&definition(QUEUE)).await),
            None,
        )
        .await;
    assert_eq!(reply.header("www-authenticate"), "hawk");
}

#[tokio::test]
async fn clocks_may_be_a_quarter_of_an_hour_apart() {
    let fixture = Fixture::start().await;
    for (skew, expected) in [
        (-880, allowed()),
        (880, allowed()),
        (-920, unknown()),
        (920, unknown()),
    ] {
        let signature = Signature {
            skew,
            ..Signature::default()
        };
        assert_eq!(ask(&fixture, &root(), &signature).await, expected, "{skew}");
    }
}

#[tokio::test]
async fn the_query_is_signed_and_so_is_the_body_if_its_hash_is() {
    let fixture = Fixture::start().await;
    let id = fixture.create(&definition(QUEUE)).await;
    let url = fixture.url(&format!("task-group/{id}/list?limit=1"));
    let header = Signature::default().header(&root(), "GET", &url);
    let get = |path: &str| {
        fixture
            .http
            .get(fixture.url(path))
            .header(header::AUTHORIZATION, &header)
    };
    assert_eq!(
        Reply::of(get(&format!("task-group/{id}/list?limit=1")))
            .await
            .status,
        200
    );
    for path in [
        format!("task-group/{id}/list?limit=2"),
        format!("task-group/{id}/list"),
    ] {
        assert_eq!(Reply::of(get(&path)).await.refusal(), unknown(), "{path}");
    }

    let body = "{\"reason\": \"internal-error\"}";
    let url = fixture.url(&format!("task/{id}/runs/7/exception"));
    let hash = PayloadHasher::hash("application/json", hawk::SHA256, body).unwrap();
    let signature = Signature {
        hash: Some(hash),
        ..Signature::default()
    };
    let header = signature.header(&root(), "POST", &url);
    for (body, expected) in [
        (body, allowed()),
        ("{\"reason\":  \"internal-error\"}", unknown()),
    ] {
        let request = fixture
            .http
            .post(url.clone())
            .header(header::AUTHORIZATION, &header)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(body);
        assert_eq!(Reply::of(request).await.refusal(), expected, "{body}");
    }
}

#[tokio::test]
async fn temporary_credentials_do_what_their_scopes_say_for_as_long_as_they_last() {
    let fixture = Fixture::start().await;
    let signature = Signature::default();
    let scopes = &["queue:reclaim-task:*"];
    assert_eq!(ask(&fixture, &limited(scopes), &signature).await, allowed());
    assert_eq!(ask(&fixture, &limited(&[SCOPE]), &signature).await, denied());
    assert_eq!(
        ask(&fixture, &temporary(scopes, (-60, -6)), &signature).await,
        unknown()
    );
    assert_eq!(
        ask(&fixture, &temporary(scopes, (6, 60)), &signature).await,
        unknown()
    );
    let mut tampered = limited(&[SCOPE]);
    tampered.certificate = tampered
        .certificate
        .map(|text| text.replace(SCOPE, "queue:reclaim-task:*"));
    assert_eq!(ask(&fixture, &tampered, &signature).await, unknown());
    let mut renamed = limited(scopes);
    renamed.client_id = "somebody-else".to_owned();
    assert_eq!(ask(&fixture, &renamed, &signature).await, unknown());
    // Without its certificate a temporary token is none.
    let bare = Credentials {
        certificate: None,
        client_id: "root".to_owned(),
        ..limited(scopes)
    };
    assert_eq!(ask(&fixture, &bare, &signature).await, unknown());
}

#[tokio::test]
async fn authorized_scopes_narrow_and_never_widen() {
    let fixture = Fixture::start().await;
    let narrowed = |scopes: &[&'static str]| Signature {
        authorized_scopes: Some(scopes.to_vec()),
        ..Signature::default()
    };
    assert_eq!(
        ask(&fixture, &root(), &narrowed(&["queue:reclaim-task:*"])).await,
        allowed()
    );
    assert_eq!(ask(&fixture, &root(), &narrowed(&[SCOPE])).await, denied());
    assert_eq!(ask(&fixture, &root(), &narrowed(&[])).await, denied());
    let limited = limited(&["queue:reclaim-task:*"]);
    assert_eq!(
        ask(&fixture, &limited, &narrowed(&["queue:reclaim-task:*"])).await,
        allowed()
    );
    assert_eq!(ask(&fixture, &limited, &narrowed(&["queue:*"])).await, unknown());
}

#[tokio::test]
async fn signed_addresses_are_good_for_a_while() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    let secret = queue::wire::CreateArtifactRequest::Reference {
        expires: super::kit::expires(),
        content_type: "text/plain".to_owned(),
        url: "http://example.com/".to_owned(),
    };
    worker.create_artifact(id, 0, "private/x", &secret).await.unwrap();
    let url = fixture.url(&format!("task/{id}/runs/0/artifact-content/private/x"));
    let ask = async |url: url::Url| Reply::of(fixture.http.get(url)).await;
    assert_eq!(ask(url.clone()).await.refusal(), denied());
    let sign = |credentials: &Credentials, seconds| Signature::default().bewit(credentials, &url, seconds);
    assert_eq!(ask(sign(&root(), 60)).await.status, 200);
    let reader = limited(&["queue:get-artifact:private/*"]);
    assert_eq!(ask(sign(&reader, 60)).await.body["url"], "http://example.com/");
    assert_eq!(ask(sign(&limited(&[SCOPE]), 60)).await.refusal(), denied());
    assert_eq!(ask(sign(&root(), -1)).await.refusal(), unknown());

    let signed = sign(&root(), 60);
    let mut elsewhere = signed.clone();
    elsewhere.set_path(&signed.path().replace("private/x", "private/y"));
    assert_eq!(ask(elsewhere).await.refusal(), unknown());
    let both = fixture.http.get(signed.clone()).header(
        header::AUTHORIZATION,
        Signature::default().header(&root(), "GET", &signed),
    );
    assert_eq!(Reply::of(both).await.refusal(), unknown());
    let cancel = fixture.url(&format!("task/{id}/cancel"));
    let post = fixture
        .http
        .post(Signature::default().bewit(&root(), &cancel, 60));
    assert_eq!(Reply::of(post).await.refusal(), unknown());
}

#[tokio::test]
async fn odd_signatures_are_refused_and_break_nothing() {
    let fixture = Fixture::start().await;
    let path = format!("task/{}/runs/0/reclaim", slugid::v4());
    let url = fixture.url(&path);
    let good = Signature::default().header(&root(), "POST", &url);
    for header in [
        "Basic cm9vdDpyb290",
        "Hawk",
        "Hawk ",
        "Hawk x",
        "Hawk id=",
        "Hawk id=\"root\"",
        "Hawk id=\"root\", ts=\"18446744073709551615\", nonce=\"a\", mac=\"aaaa\"",
        "Hawk ts =\"18446744073709551615\", id=\"root\", nonce=\"a\", mac=\"aaaa\"",
        "Hawk id=\"root\", ts=\"1\", nonce=\"a\", mac=\"!\"",
        "Hawk id=\"root\", ts=\"1\", nonce=\"a\", mac=\"aaaa\", ext=\"!!\"",
        "Hawk id=\"root\", ts=\"1\", nonce=\"a\", mac=\"aaaa\", ext=\"e30=\"",
        "Hawk id=\"root\", ts=\"1\", nonce=\"a\", mac=\"aaaa\", ext=\"eyJjZXJ0aWZpY2F0ZSI6MX0=\"",
        &good.replace("Hawk", "Hawk Hawk"),
    ] {
        let request = fixture
            .http
            .post(url.clone())
            .header(header::AUTHORIZATION, header);
        assert_eq!(Reply::of(request).await.refusal(), unknown(), "{header}");
    }
    let open_ended = "cm9vdFwxODQ0Njc0NDA3MzcwOTU1MTYxNVxhYWFhXA";
    for bewit in [
        "",
        "x",
        "!!!",
        "YQ",
        open_ended,
        &format!("{open_ended}&bewit={open_ended}"),
    ] {
        let request = fixture
            .http
            .get(fixture.url(&format!("task/{}?bewit={bewit}", slugid::v4())));
        assert_eq!(Reply::of(request).await.refusal(), unknown(), "{bewit}");
    }
    fixture.root().ping().await.unwrap();
}

#[tokio::test]
async fn other_permanent_clients_have_their_own_scopes() {
    let fixture = Fixture::start().await;
    let database = rusqlite::Connection::open(fixture.path().join("queue.sqlite")).unwrap();
    database
        .execute(
            "INSERT INTO clients (client_id, access_token, scopes) VALUES ('ci', 'their-secret', '[\"queue:reclaim-task:*\"]'), ('root', 'x', '[]')",
            [],
        )
        .unwrap();
    drop(database);
    let fixture = fixture.restart().await;
    let ci = Credentials {
        client_id: "ci".to_owned(),
        access_token: "their-secret".to_owned(),
        certificate: None,
    };
    assert_eq!(ask(&fixture, &ci, &Signature::default()).await, allowed());
    let client = fixture.client(ci);
    assert_eq!(
        refusal(client.create_task(&slugid::v4(), &definition(QUEUE)).await),
        denied()
    );
    // Nobody can take root's place.
    assert_eq!(ask(&fixture, &root(), &Signature::default()).await, allowed());
}
