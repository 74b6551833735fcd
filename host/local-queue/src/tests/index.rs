//! The index: tasks found by name.

use chrono::TimeDelta;
use queue::wire::CreateArtifactRequest;
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::kit::{Fixture, QUEUE, Reply, definition_with, expires, in_time, limited, refusal, refused, root};

async fn by_root(fixture: &Fixture, method: Method, path: &str, body: Option<&Value>) -> Reply {
    let path = format!("index/v1/{path}");
    fixture.api(Some(&root()), method, &path, body).await
}

fn entry(task_id: &str, rank: Value) -> Value {
    json!({ "taskId": task_id, "rank": rank, "data": { "a": 1 }, "expires": in_time(TimeDelta::hours(1)) })
}

async fn insert(fixture: &Fixture, path: &str, body: &Value) -> Value {
    let reply = by_root(fixture, Method::PUT, &format!("task/{path}"), Some(body)).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    reply.body
}

/// What anybody gets.
async fn get(fixture: &Fixture, path: &str) -> Reply {
    fixture
        .api(None, Method::GET, &format!("index/v1/{path}"), None)
        .await
}

fn not_found() -> (u16, String) {
    refused(404, "ResourceNotFound")
}

/// Of each item of a page.
fn of_each(page: &Value, list: &str, name: &str) -> Vec<String> {
    let items = page[list].as_array().unwrap().iter();
    items
        .map(|item| item[name].as_str().unwrap().to_owned())
        .collect()
}

/// All pages of one item each.
async fn pages(fixture: &Fixture, path: &str, list: &str) -> Vec<String> {
    let (mut all, mut next) = (Vec::new(), format!("{path}?limit=1"));
    loop {
        let page = get(fixture, &next).await.body;
        all.extend(of_each(&page, list, "namespace"));
        let Some(token) = page["continuationToken"].as_str() else {
            return all;
        };
        next = format!("{path}?limit=1&continuationToken={token}");
    }
}

#[tokio::test]
async fn a_task_is_found_where_it_was_put_until_it_is_removed() {
    let fixture = Fixture::start().await;
    let task_id = slugid::v4();
    let body = entry(&task_id, json!(4));
    let mut expected = body.clone();
    expected["namespace"] = json!("a.b.c");
    assert_eq!(insert(&fixture, "a.b.c", &body).await, expected);
    let fixture = fixture.restart().await;
    assert_eq!(get(&fixture, "task/a.b.c").await.body, expected);
    for path in ["task/a.b", "task/a.b.c.d", "task/c"] {
        assert_eq!(get(&fixture, path).await.refusal(), not_found(), "{path}");
    }
    for _ in 0..2 {
        let reply = by_root(&fixture, Method::DELETE, "task/a.b.c", None).await;
        assert_eq!((reply.status, reply.body), (200, json!({})));
    }
    assert_eq!(get(&fixture, "task/a.b.c").await.refusal(), not_found());
    let namespaces = get(&fixture, "namespaces/a").await.body;
    assert_eq!(of_each(&namespaces, "namespaces", "namespace"), ["a.b"]);
}

#[tokio::test]
async fn a_task_of_a_lower_rank_does_not_take_the_place_of_another() {
    let fixture = Fixture::start().await;
    let ids = [(); 4].map(|()| slugid::v4());
    for (id, rank, expected) in [
        (&ids[0], json!(2), &ids[0]),
        (&ids[1], json!(1.5), &ids[0]),
        (&ids[2], json!(2), &ids[2]),
        (&ids[3], json!(-1), &ids[2]),
    ] {
        let there = insert(&fixture, "a.b", &entry(id, rank)).await;
        assert_eq!(there["taskId"], **expected);
        assert_eq!(get(&fixture, "task/a.b").await.body["taskId"], **expected);
    }
}

#[tokio::test]
async fn what_has_expired_is_not_there_any_more() {
    let fixture = Fixture::start().await;
    let mut old = entry(&slugid::v4(), json!(9));
    old["expires"] = json!(in_time(TimeDelta::days(-3)));
    insert(&fixture, "a.old", &old).await;
    insert(&fixture, "b.old", &old).await;
    let new = entry(&slugid::v4(), json!(0));
    insert(&fixture, "b.new", &new).await;
    assert_eq!(get(&fixture, "task/a.old").await.refusal(), not_found());
    assert_eq!(pages(&fixture, "tasks/b", "tasks").await, ["b.new"]);
    assert_eq!(pages(&fixture, "namespaces", "namespaces").await, ["b"]);
    // Its rank counts no more, either.
    insert(&fixture, "a.old", &new).await;
    assert_eq!(get(&fixture, "task/a.old").await.status, 200);
    let fixture = fixture.restart().await;
    let database = rusqlite::Connection::open(fixture.path().join("queue.sqlite")).unwrap();
    let left = || {
        let sql = "SELECT group_concat(namespace || '.' || name, ' ') FROM indexed_tasks";
        database
            .query_row(sql, [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    while left() != "a.old b.new" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn tasks_and_namespaces_are_listed_page_by_page() {
    let fixture = Fixture::start().await;
    for path in ["a.x", "a.y", "a.b.z", "a.c.d.z", "top", "indexes.t"] {
        insert(&fixture, path, &entry(&slugid::v4(), json!(0))).await;
    }
    assert_eq!(pages(&fixture, "tasks/a", "tasks").await, ["a.x", "a.y"]);
    assert_eq!(pages(&fixture, "tasks/", "tasks").await, ["top"]);
    assert_eq!(pages(&fixture, "tasks", "tasks").await, ["top"]);
    assert_eq!(pages(&fixture, "tasks/indexes", "tasks").await, ["indexes.t"]);
    assert_eq!(
        pages(&fixture, "namespaces/a", "namespaces").await,
        ["a.b", "a.c"]
    );
    assert_eq!(pages(&fixture, "namespaces/a.c", "namespaces").await, ["a.c.d"]);
    assert_eq!(
        pages(&fixture, "namespaces/", "namespaces").await,
        ["a", "indexes"]
    );
    let inner = get(&fixture, "namespaces/a").await.body;
    assert_eq!(of_each(&inner, "namespaces", "name"), ["b", "c"]);
    // Namespaces last as long as what is in them, and to the end of that day.
    assert!(inner["namespaces"][0]["expires"].as_str().unwrap() > &*in_time(TimeDelta::hours(1)));
    for (path, list) in [("tasks/a", "tasks"), ("namespaces/a", "namespaces")] {
        let reply = by_root(&fixture, Method::POST, path, Some(&json!({}))).await;
        assert_eq!(of_each(&reply.body, list, "namespace").len(), 2, "{path}");
    }
}

#[tokio::test]
async fn many_paths_are_looked_up_at_once() {
    let fixture = Fixture::start().await;
    for path in ["a.x", "b", "c.c"] {
        insert(&fixture, path, &entry(&slugid::v4(), json!(0))).await;
    }
    let indexes = json!({ "indexes": ["c.c", "none", "a.x", "b", "a.x"] });
    let find = async |query: &str| {
        let path = format!("tasks/indexes{query}");
        by_root(&fixture, Method::POST, &path, Some(&indexes)).await.body
    };
    let all = find("").await;
    assert_eq!(of_each(&all, "tasks", "namespace"), ["a.x", "b", "c.c"]);
    assert_eq!(all.get("continuationToken"), None);
    let page = find("?limit=2").await;
    assert_eq!(of_each(&page, "tasks", "namespace"), ["a.x", "b"]);
    let token = page["continuationToken"].as_str().unwrap();
    let page = find(&format!("?limit=2&continuationToken={token}")).await;
    assert_eq!(of_each(&page, "tasks", "namespace"), ["c.c"]);
    let none = by_root(&fixture, Method::POST, "tasks/indexes", Some(&json!({}))).await;
    assert_eq!(none.body, json!({ "tasks": [] }));
    let narrow = limited(&["index:find-task:a.x"]);
    let nothing = json!({ "description": "", "scopes": [] });
    let path = "auth/v1/roles/anonymous";
    fixture
        .api(Some(&root()), Method::POST, path, Some(&nothing))
        .await;
    for (indexes, status) in [(json!(["a.x"]), 200), (json!(["a.x", "b"]), 403)] {
        let body = json!({ "indexes": indexes });
        let path = "index/v1/tasks/indexes";
        let reply = fixture.api(Some(&narrow), Method::POST, path, Some(&body)).await;
        assert_eq!(reply.status, status);
    }
}

#[tokio::test]
async fn wrong_entries_and_wrong_paths_are_refused() {
    let fixture = Fixture::start().await;
    for (name, value) in [
        ("taskId", json!("x")),
        ("rank", json!("1")),
        ("data", json!([])),
        ("expires", json!("never")),
        ("typo", json!(1)),
    ] {
        let mut body = entry(&slugid::v4(), json!(0));
        body[name] = value;
        let reply = by_root(&fixture, Method::PUT, "task/a.b", Some(&body)).await;
        assert_eq!(reply.refusal(), refused(400, "InputValidationError"), "{name}");
    }
    for path in [
        "task/a..b",
        "task/.a",
        "tasks/a%20b",
        "namespaces/a.",
        "tasks/a?limit=x",
    ] {
        let reply = get(&fixture, path).await;
        assert_eq!(reply.refusal(), refused(400, "InvalidRequestArguments"), "{path}");
    }
    let path = "index/v1/task/a.b";
    let body = entry(&slugid::v4(), json!(0));
    for method in [Method::PUT, Method::DELETE] {
        let reply = fixture.api(None, method, path, Some(&body)).await;
        assert_eq!(reply.refusal(), refused(403, "InsufficientScopes"));
    }
}

/// A task with routes that completes; its taskId.
async fn complete(fixture: &Fixture, properties: Value) -> String {
    let id = fixture.create(&definition_with(QUEUE, properties)).await;
    let claim = fixture.claim(QUEUE, 1).await.remove(0);
    assert_eq!(claim.status.task_id, id);
    let worker = fixture.client(claim.credentials);
    let artifact = |url: &str| CreateArtifactRequest::Reference {
        expires: expires(),
        content_type: "text/plain".to_owned(),
        url: url.to_owned(),
    };
    for name in ["public/a b.txt", "private/c"] {
        let artifact = artifact("http://example.com/");
        worker.create_artifact(&id, 0, name, &artifact).await.unwrap();
    }
    worker.report_completed(&id, 0).await.unwrap();
    // Said again, it is no other completion.
    worker.report_completed(&id, 0).await.unwrap();
    id
}

#[tokio::test]
async fn a_task_that_completes_is_indexed_where_its_routes_say() {
    let fixture = Fixture::start().await;
    let later = in_time(TimeDelta::hours(3));
    let id = complete(
        &fixture,
        json!({
            "routes": ["index.a.b", "index.c", "other.d", "index.not valid"],
            "extra": { "index": { "rank": 7, "data": { "x": "y" }, "expires": later } },
        }),
    )
    .await;
    for path in ["a.b", "c"] {
        let expected = json!({
            "namespace": path, "taskId": id, "rank": 7, "data": { "x": "y" }, "expires": later,
        });
        assert_eq!(get(&fixture, &format!("task/{path}")).await.body, expected);
    }
    assert_eq!(get(&fixture, "task/d").await.refusal(), not_found());

    // Without more, it is of rank 0, for as long as the task is there.
    let id = complete(&fixture, json!({ "routes": ["index.e", "index.c"] })).await;
    let found = get(&fixture, "task/e").await.body;
    assert_eq!(found["taskId"], id);
    assert_eq!((&found["rank"], &found["data"]), (&json!(0), &json!({})));
    let task = fixture.root().task(&id).await.unwrap();
    let expires = queue::wire::timestamp::format(&task.expires);
    assert_eq!(found["expires"], expires);
    assert_ne!(get(&fixture, "task/c").await.body["taskId"], id);

    complete(
        &fixture,
        json!({ "routes": ["index.f"], "extra": { "index": { "rank": "high" } } }),
    )
    .await;
    assert_eq!(get(&fixture, "task/f").await.refusal(), not_found());
}

#[tokio::test]
async fn a_task_that_fails_or_may_not_have_its_routes_is_not_indexed() {
    let fixture = Fixture::start().await;
    let definition = definition_with(QUEUE, json!({ "routes": ["index.a"] }));
    let id = fixture.create(&definition).await;
    let worker = fixture.client(fixture.claim(QUEUE, 1).await.remove(0).credentials);
    worker.report_failed(&id, 0).await.unwrap();
    assert_eq!(get(&fixture, "task/a").await.refusal(), not_found());

    let scopes = ["queue:create-task:*", "queue:scheduler-id:*"];
    let create = async |scopes: &[&str]| {
        let client = fixture.client(limited(scopes));
        client.create_task(&slugid::v4(), &definition).await
    };
    assert_eq!(refusal(create(&scopes).await), refused(403, "InsufficientScopes"));
    create(&[&scopes[..], &["queue:route:index.*"]].concat())
        .await
        .unwrap();
}

#[tokio::test]
async fn artifacts_are_found_by_the_name_of_their_task() {
    let fixture = Fixture::start().await;
    let id = complete(&fixture, json!({ "routes": ["index.a.b"] })).await;
    let public = get(&fixture, "task/a.b/artifacts/public/a%20b.txt").await;
    assert_eq!(public.status, 303);
    let location = public.header(header::LOCATION.as_str());
    assert!(
        location.contains(&format!("/api/queue/v1/task/{id}/artifacts/")),
        "{location}"
    );
    assert!(!location.contains("bewit"), "{location}");
    let there = Reply::of(fixture.http.get(location)).await;
    assert_eq!(there.header("location"), "http://example.com/");

    let private = "task/a.b/artifacts/private/c";
    let denied = refused(403, "InsufficientScopes");
    assert_eq!(get(&fixture, private).await.refusal(), denied);
    let reader = limited(&["queue:get-artifact:private/*"]);
    let path = format!("index/v1/{private}");
    let reply = fixture.api(Some(&reader), Method::GET, &path, None).await;
    assert_eq!(reply.status, 303);
    let signed = reply.header("location");
    let there = Reply::of(fixture.http.get(signed)).await;
    assert_eq!(
        there.header("location"),
        "http://example.com/",
        "{:?}",
        there.body
    );
    // The signature is good for that alone, whatever else its signer may do.
    let url: url::Url = signed.parse().unwrap();
    let request = json!({
        "method": "get",
        "resource": format!("{}?{}", url.path(), url.query().unwrap()),
        "host": url.host_str(),
        "port": url.port(),
    });
    let path = "auth/v1/authenticate-hawk";
    let signer = fixture.api(None, Method::POST, path, Some(&request)).await.body;
    let scopes: Vec<String> = serde_json::from_value(signer["scopes"].clone()).unwrap();
    assert!(
        scopes.contains(&"queue:get-artifact:private/c".to_owned()),
        "{scopes:?}"
    );
    assert!(!scopes.contains(&"*".to_owned()), "{scopes:?}");
    let other = signed.replace("private%2Fc", "private%2Fd");
    assert_ne!(other, signed);
    let other = Reply::of(fixture.http.get(other)).await;
    assert_eq!(other.refusal(), refused(401, "AuthenticationFailed"));
    let none = get(&fixture, "task/none/artifacts/public/a").await;
    assert_eq!(none.refusal(), not_found());
}
