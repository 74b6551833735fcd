//! Requests to purge caches.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use super::kit::{Fixture, in_time, limited, refused, root};

async fn purge(fixture: &Fixture, pool: &str, cache_name: &str) {
    let path = format!("purge-cache/v1/purge-cache/{pool}");
    let body = json!({ "cacheName": cache_name });
    let reply = fixture.api(Some(&root()), Method::POST, &path, Some(&body)).await;
    assert_eq!(reply.status, 204, "{:?}", reply.body);
}

async fn get(fixture: &Fixture, path: &str) -> Value {
    let path = format!("purge-cache/v1/purge-cache/{path}");
    let reply = fixture.api(None, Method::GET, &path, None).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    reply.body
}

/// Pools and names, without times.
fn named(requests: &Value) -> Vec<String> {
    let text = |request: &Value, name: &str| request[name].as_str().unwrap().to_owned();
    let requests = requests["requests"].as_array().unwrap().iter();
    requests
        .map(|request| {
            ["provisionerId", "workerType", "cacheName"]
                .map(|name| text(request, name))
                .join(" ")
        })
        .collect()
}

#[tokio::test]
async fn workers_learn_which_caches_of_their_pool_to_purge() {
    let fixture = Fixture::start().await;
    for (pool, cache) in [
        ("proj%2Fci", "b"),
        ("proj/ci", "a c"),
        ("proj/other", "x"),
        ("proj/ci", "b"),
    ] {
        purge(&fixture, pool, cache).await;
    }
    let requests = get(&fixture, "proj%2Fci").await;
    assert_eq!(named(&requests), ["proj ci a c", "proj ci b"]);
    assert!(requests["requests"][0]["before"].as_str().unwrap().ends_with('Z'));
    assert_eq!(get(&fixture, "proj/none").await, json!({ "requests": [] }));
}

#[tokio::test]
async fn a_request_made_again_is_for_what_was_made_since() {
    let fixture = Fixture::start().await;
    purge(&fixture, "proj/ci", "a").await;
    let before = |requests: &Value| requests["requests"][0]["before"].as_str().unwrap().to_owned();
    let first = before(&get(&fixture, "proj/ci").await);
    let since = in_time(TimeDelta::minutes(1));
    for later in [&*since, "9000-01-01"] {
        let path = format!("proj/ci?since={later}");
        assert!(named(&get(&fixture, &path).await).is_empty(), "{later}");
    }
    for earlier in [&*first, "2020-01-01", "2020-01-01T00:00:00%2B01:00"] {
        let path = format!("proj/ci?since={earlier}");
        assert_eq!(named(&get(&fixture, &path).await), ["proj ci a"], "{earlier}");
    }
    let database = rusqlite::Connection::open(fixture.path().join("queue.sqlite")).unwrap();
    database
        .execute("UPDATE cache_purges SET before = 1", [])
        .unwrap();
    assert!(named(&get(&fixture, &format!("proj/ci?since={first}")).await).is_empty());
    purge(&fixture, "proj/ci", "a").await;
    assert!(before(&get(&fixture, "proj/ci").await) >= first);
}

#[tokio::test]
async fn requests_are_forgotten_after_a_day() {
    let fixture = Fixture::start().await;
    purge(&fixture, "proj/ci", "a").await;
    let database = rusqlite::Connection::open(fixture.path().join("queue.sqlite")).unwrap();
    let (before, expires): (i64, i64) = database
        .query_row("SELECT before, expires FROM cache_purges", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(expires - before, 24 * 3600 * 1000);
    database
        .execute("UPDATE cache_purges SET expires = 1", [])
        .unwrap();
    assert!(named(&get(&fixture, "proj/ci").await).is_empty());
    assert!(named(&get(&fixture, "list").await).is_empty());
    let _fixture = fixture.restart().await;
    let left = || {
        let sql = "SELECT count(*) FROM cache_purges";
        database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    while left() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn all_requests_are_listed_page_by_page() {
    let fixture = Fixture::start().await;
    for (pool, cache) in [("b/b", "x y"), ("a/a", "z"), ("b/b", "x")] {
        purge(&fixture, pool, cache).await;
    }
    let mut seen = Vec::new();
    let mut path = "list?limit=1".to_owned();
    loop {
        let page = get(&fixture, &path).await;
        seen.extend(named(&page));
        let Some(token) = page["continuationToken"].as_str() else {
            break;
        };
        path = format!("list?limit=1&continuationToken={token}");
    }
    assert_eq!(seen, ["a a z", "b b x", "b b x y"]);
}

#[tokio::test]
async fn purging_needs_the_scope_for_that_cache_and_asking_one_with_two_colons() {
    let fixture = Fixture::start().await;
    let purger = limited(&["purge-cache:proj/ci:a*"]);
    let denied = refused(403, "InsufficientScopes");
    for (pool, cache, status) in [
        ("proj/ci", "ab", 204),
        ("proj/ci", "b", 403),
        ("proj/x", "a", 403),
    ] {
        let path = format!("purge-cache/v1/purge-cache/{pool}");
        let body = json!({ "cacheName": cache });
        let reply = fixture.api(Some(&purger), Method::POST, &path, Some(&body)).await;
        assert_eq!(reply.status, status, "{pool} {cache}");
    }
    let nothing = json!({ "description": "", "scopes": [] });
    let path = "auth/v1/roles/anonymous";
    fixture
        .api(Some(&root()), Method::POST, path, Some(&nothing))
        .await;
    let path = "purge-cache/v1/purge-cache/proj/ci";
    let get = async |scope: &str| {
        fixture
            .api(Some(&limited(&[scope])), Method::GET, path, None)
            .await
    };
    assert_eq!(get("purge-cache:purge-requests::proj/ci").await.status, 200);
    assert_eq!(get("purge-cache:purge-requests:proj/ci").await.refusal(), denied);
    let list = fixture
        .api(None, Method::GET, "purge-cache/v1/purge-cache/list", None)
        .await;
    assert_eq!(list.refusal(), denied);
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let fixture = Fixture::start().await;
    for body in [
        json!({}),
        json!({ "cacheName": 1 }),
        json!({ "cacheName": "a", "x": 1 }),
    ] {
        let path = "purge-cache/v1/purge-cache/proj/ci";
        let reply = fixture.api(Some(&root()), Method::POST, path, Some(&body)).await;
        assert_eq!(reply.refusal(), refused(400, "InputValidationError"), "{body}");
    }
    for path in [
        "nope",
        "a/b/c",
        "proj/ci?since=soon",
        "proj/ci?limit=1",
        "list?since=2020-01-01",
    ] {
        let path = format!("purge-cache/v1/purge-cache/{path}");
        let reply = fixture.api(None, Method::GET, &path, None).await;
        assert_eq!(reply.refusal(), refused(400, "InvalidRequestArguments"), "{path}");
    }
}
