//! Secrets: kept, given to those who may have them, and forgotten.

use std::os::unix::fs::PermissionsExt as _;

use chrono::TimeDelta;
use queue::wire::SecretValue;
use reqwest::Method;
use serde_json::{Value, json};

use super::kit::{Fixture, Reply, in_time, limited, refused, root};

fn secret(value: Value) -> Value {
    json!({ "secret": value, "expires": in_time(TimeDelta::hours(1)) })
}

async fn by_root(fixture: &Fixture, method: Method, path: &str, body: Option<&Value>) -> Reply {
    let path = format!("secrets/v1/{path}");
    fixture.api(Some(&root()), method, &path, body).await
}

#[tokio::test]
async fn a_secret_comes_back_as_it_was_set_until_it_is_removed() {
    let fixture = Fixture::start().await;
    let (first, second) = (
        secret(json!({ "a": [1, "b", null], "ä": {} })),
        secret(json!({ "c": 1.5 })),
    );
    // Slashes are part of a name, encoded or not.
    for path in ["secret/project/x", "secret/project%2Fx"] {
        for body in [&first, &second] {
            let reply = by_root(&fixture, Method::PUT, path, Some(body)).await;
            assert_eq!((reply.status, reply.body), (200, json!({})));
            let reply = by_root(&fixture, Method::GET, path, None).await;
            assert_eq!(&reply.body, body);
            serde_json::from_value::<SecretValue>(reply.body).unwrap();
        }
    }
    let fixture = fixture.restart().await;
    let reply = by_root(&fixture, Method::GET, "secret/project/x", None).await;
    assert_eq!(reply.body, second);
    for _ in 0..2 {
        let reply = by_root(&fixture, Method::DELETE, "secret/project/x", None).await;
        assert_eq!((reply.status, reply.body), (200, json!({})));
    }
    let reply = by_root(&fixture, Method::GET, "secret/project/x", None).await;
    assert_eq!(reply.refusal(), refused(404, "ResourceNotFound"));
}

#[tokio::test]
async fn secrets_are_for_those_who_have_their_scopes() {
    let fixture = Fixture::start().await;
    let body = secret(json!({}));
    by_root(&fixture, Method::PUT, "secret/a/b", Some(&body)).await;
    let reader = limited(&["secrets:get:a/*"]);
    let writer = limited(&["secrets:set:a/b"]);
    for (who, credentials, allowed) in [
        ("nobody", None, &[][..]),
        ("reader", Some(&reader), &["GET a/b"]),
        ("writer", Some(&writer), &["PUT a/b", "DELETE a/b"]),
    ] {
        for (method, name) in [
            (Method::GET, "a/b"),
            (Method::PUT, "a/b"),
            (Method::GET, "b"),
            (Method::PUT, "b"),
            (Method::DELETE, "b"),
            (Method::DELETE, "a/b"),
        ] {
            let path = format!("secrets/v1/secret/{name}");
            let status = fixture
                .api(credentials, method.clone(), &path, Some(&body))
                .await
                .status;
            let expected = if allowed.contains(&format!("{method} {name}").as_str()) {
                200
            } else {
                403
            };
            assert_eq!(status, expected, "{who} {method} {name}");
        }
    }
    // Whether there is a secret is nobody's business either.
    let path = "secrets/v1/secret/none";
    assert_eq!(fixture.api(None, Method::GET, path, None).await.status, 403);
}

#[tokio::test]
async fn a_secret_that_has_expired_is_gone_for_good() {
    let fixture = Fixture::start().await;
    let expired = json!({ "secret": { "a": "hidden" }, "expires": in_time(TimeDelta::seconds(-1)) });
    by_root(&fixture, Method::PUT, "secret/old", Some(&expired)).await;
    by_root(&fixture, Method::PUT, "secret/new", Some(&secret(json!({})))).await;
    let get = async |fixture: &Fixture| by_root(fixture, Method::GET, "secret/old", None).await.refusal();
    assert_eq!(get(&fixture).await, refused(410, "ResourceExpired"));
    let list = by_root(&fixture, Method::GET, "secrets", None).await;
    assert_eq!(list.body, json!({ "secrets": ["new"] }));

    let fixture = fixture.restart().await;
    let database = rusqlite::Connection::open(fixture.path().join("queue.sqlite")).unwrap();
    let value = || {
        let sql = "SELECT secret FROM secrets WHERE name = 'old'";
        database
            .query_row(sql, [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    while !value().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&fixture).await, refused(410, "ResourceExpired"));
    database
        .execute("UPDATE secrets SET expires = 1 WHERE name = 'old'", [])
        .unwrap();
    let fixture = fixture.restart().await;
    while get(&fixture).await != refused(404, "ResourceNotFound") {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        by_root(&fixture, Method::GET, "secret/new", None).await.status,
        200
    );
}

#[tokio::test]
async fn names_of_secrets_are_listed_page_by_page_for_those_who_may() {
    let fixture = Fixture::start().await;
    for name in ["b", "a/b", "c"] {
        by_root(
            &fixture,
            Method::PUT,
            &format!("secret/{name}"),
            Some(&secret(json!({}))),
        )
        .await;
    }
    let page = by_root(&fixture, Method::GET, "secrets?limit=2", None).await.body;
    assert_eq!(page["secrets"], json!(["a/b", "b"]));
    let token = page["continuationToken"].as_str().unwrap();
    let next = format!("secrets?limit=2&continuationToken={token}");
    let page = by_root(&fixture, Method::GET, &next, None).await.body;
    assert_eq!(page, json!({ "secrets": ["c"] }));
    let lister = limited(&["secrets:list-secrets"]);
    let path = "secrets/v1/secrets";
    assert_eq!(
        fixture.api(Some(&lister), Method::GET, path, None).await.status,
        200
    );
    assert_eq!(fixture.api(None, Method::GET, path, None).await.status, 403);
}

#[tokio::test]
async fn no_error_repeats_a_secret() {
    let fixture = Fixture::start().await;
    for body in [
        json!({ "secret": "hush-hush", "expires": in_time(TimeDelta::hours(1)) }),
        json!({ "secret": { "a": "hush-hush" } }),
        json!({ "secret": { "a": "hush-hush" }, "expires": in_time(TimeDelta::hours(1)), "b": 1 }),
        json!({ "secret": ["hush-hush"], "expires": "never" }),
    ] {
        for credentials in [Some(root()), None] {
            let reply = fixture
                .api(
                    credentials.as_ref(),
                    Method::PUT,
                    "secrets/v1/secret/a",
                    Some(&body),
                )
                .await;
            assert!(matches!(reply.status, 400 | 403), "{}", reply.status);
            assert!(!reply.body.to_string().contains("hush-hush"), "{}", reply.body);
            assert_eq!(reply.body["requestInfo"]["payload"]["secret"], "(OMITTED)");
        }
    }
}

#[tokio::test]
async fn the_database_is_nobody_elses_to_read() {
    let fixture = Fixture::start().await;
    let files = ["queue.sqlite", "queue.sqlite-wal", "queue.sqlite-shm"];
    let modes = |fixture: &Fixture| {
        files.map(|file| {
            let metadata = fixture.path().join(file).metadata().unwrap();
            metadata.permissions().mode() & 0o777
        })
    };
    assert_eq!(modes(&fixture), [0o600; 3]);
    // One that an older version has made.
    std::fs::set_permissions(
        fixture.path().join("queue.sqlite"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let fixture = fixture.restart().await;
    assert_eq!(modes(&fixture), [0o600; 3]);
}
