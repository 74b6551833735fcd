//! Worker pools, and workers that are created, register, and are removed.

use chrono::{DateTime, TimeDelta};
use queue::wire::Credentials;
use reqwest::Method;
use serde_json::{Value, json};

use super::kit::{
    Fixture, QUEUE, Reply, claim_request, definition, definition_with, in_time, limited, refused, root,
};
use crate::{clock, store::Db};

const SECRET: &str = "ssssssssssssssssssssssssssssssssssssssssssss";
const POOL: &str = "worker-manager/v1/worker-pool/proj%2Fci";
const WORKER: &str = "worker-manager/v1/workers/proj%2Fci/wg/w1";

fn pool(config: &Value) -> Value {
    json!({
        "providerId": "static",
        "description": "d",
        "config": config,
        "owner": "o@example.com",
        "emailOnError": false,
    })
}

fn new_worker(secret: &str) -> Value {
    json!({ "expires": in_time(TimeDelta::hours(5)), "providerInfo": { "staticSecret": secret } })
}

fn registration(secret: &str) -> Value {
    json!({
        "workerPoolId": QUEUE,
        "providerId": "static",
        "workerGroup": "wg",
        "workerId": "w1",
        "workerIdentityProof": { "staticSecret": secret },
    })
}

async fn call(fixture: &Fixture, method: Method, path: &str, body: Option<&Value>) -> Reply {
    fixture.api(Some(&root()), method, path, body).await
}

async fn ok(fixture: &Fixture, method: Method, path: &str, body: Option<&Value>) -> Value {
    let reply = call(fixture, method, path, body).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    reply.body
}

async fn get(fixture: &Fixture, path: &str) -> Value {
    ok(fixture, Method::GET, &format!("worker-manager/v1/{path}"), None).await
}

/// A pool with a worker.
async fn start(config: Value) -> Fixture {
    let fixture = Fixture::start().await;
    ok(&fixture, Method::PUT, POOL, Some(&pool(&config))).await;
    ok(&fixture, Method::PUT, WORKER, Some(&new_worker(SECRET))).await;
    fixture
}

async fn try_register(fixture: &Fixture, body: &Value) -> Reply {
    let path = "worker-manager/v1/worker/register";
    fixture.api(None, Method::POST, path, Some(body)).await
}

async fn register(fixture: &Fixture) -> Value {
    let reply = try_register(fixture, &registration(SECRET)).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    reply.body
}

fn credentials(registered: &Value) -> Credentials {
    serde_json::from_value(registered["credentials"].clone()).unwrap()
}

async fn reregister(fixture: &Fixture, credentials: &Credentials, secret: &str) -> Reply {
    let body = json!({ "workerPoolId": QUEUE, "workerGroup": "wg", "workerId": "w1", "secret": secret });
    let path = "worker-manager/v1/worker/reregister";
    fixture
        .api(Some(credentials), Method::POST, path, Some(&body))
        .await
}

#[tokio::test]
async fn a_worker_that_registers_gets_its_pools_config_and_credentials_to_claim_with() {
    let config = json!({ "workerConfig": { "a": [1] }, "lifecycle": { "reregistrationTimeout": 3600 } });
    let fixture = start(config).await;
    let registered = register(&fixture).await;
    assert_eq!(registered["workerConfig"], json!({ "a": [1] }));
    assert_eq!(registered["secret"].as_str().unwrap().len(), 44);
    let expires = DateTime::parse_from_rfc3339(registered["expires"].as_str().unwrap()).unwrap();
    let lasts = expires.to_utc() - clock::now();
    assert!(
        lasts > TimeDelta::minutes(59) && lasts <= TimeDelta::hours(1),
        "{lasts}"
    );

    let credentials = credentials(&registered);
    assert_eq!(credentials.client_id, "worker/static/proj/ci/wg/w1");
    let certificate: Value = serde_json::from_str(credentials.certificate.as_deref().unwrap()).unwrap();
    assert_eq!(
        certificate["scopes"],
        json!([
            "assume:worker-type:proj/ci",
            "assume:worker-pool:proj/ci",
            "assume:worker-id:wg/w1",
            "queue:worker-id:wg/w1",
            "queue:claim-work:proj/ci",
            "secrets:get:worker-type:proj/ci",
            "secrets:get:worker-pool:proj/ci",
            "worker-manager:remove-worker:proj/ci/wg/w1",
            "worker-manager:reregister-worker:proj/ci/wg/w1",
            "worker-manager:should-worker-terminate:proj/ci/wg/w1",
        ])
    );
    let task_id = fixture.create(&definition(QUEUE)).await;
    let worker = fixture.client(credentials);
    let claimed = worker.claim_work(QUEUE, &claim_request(1)).await.unwrap();
    assert_eq!(claimed.tasks[0].status.task_id, task_id);
}

#[tokio::test]
async fn a_registration_is_refused_for_its_reason_and_its_secret_is_repeated_by_nobody() {
    let fixture = start(json!({})).await;
    let with = |name: &str, value: Value| {
        let mut body = registration(SECRET);
        body[name] = value;
        body
    };
    for (body, refusal) in [
        (registration(&"t".repeat(44)), refused(400, "InputError")),
        (
            with("workerIdentityProof", json!({ "token": SECRET })),
            refused(400, "InputError"),
        ),
        (
            with("providerId", json!("google")),
            refused(404, "ResourceNotFound"),
        ),
        (
            with("workerPoolId", json!("proj/x")),
            refused(404, "ResourceNotFound"),
        ),
        (with("workerId", json!("w2")), refused(404, "ResourceNotFound")),
        (with("workerId", json!("")), refused(400, "InputValidationError")),
        (with("more", json!(1)), refused(400, "InputValidationError")),
        (
            with("workerIdentityProof", json!(SECRET)),
            refused(400, "InputValidationError"),
        ),
    ] {
        let reply = try_register(&fixture, &body).await;
        assert_eq!(reply.refusal(), refusal, "{body}");
        let said = reply.body.to_string();
        assert!(
            !said.contains(SECRET) && !said.contains(&"t".repeat(44)),
            "{said}"
        );
    }
    let database = std::fs::read(fixture.path().join("queue.sqlite-wal")).unwrap();
    assert!(!database.windows(44).any(|bytes| bytes == SECRET.as_bytes()));
}

#[tokio::test]
async fn the_secret_of_a_registration_is_good_for_one_time() {
    let fixture = start(json!({})).await;
    let registered = register(&fixture).await;
    let (credentials, first) = (credentials(&registered), registered["secret"].as_str().unwrap());
    let again = reregister(&fixture, &credentials, first).await;
    assert_eq!(again.status, 200, "{:?}", again.body);
    let second = again.body["secret"].as_str().unwrap();
    assert_ne!(second, first);
    let spent = reregister(&fixture, &credentials, first).await;
    assert_eq!(spent.refusal(), refused(400, "InputError"));
    assert!(!spent.body.to_string().contains(first));
    let renewed: Credentials = serde_json::from_value(again.body["credentials"].clone()).unwrap();
    assert_eq!(reregister(&fixture, &renewed, second).await.status, 200);
    // Other secrets, and other workers' credentials.
    let other = limited(&["worker-manager:reregister-worker:proj/ci/wg/w2"]);
    assert_eq!(
        reregister(&fixture, &other, second).await.refusal(),
        refused(403, "InsufficientScopes")
    );
    assert_eq!(
        reregister(&fixture, &renewed, "short").await.refusal(),
        refused(400, "InputValidationError")
    );
    assert_eq!(
        reregister(&fixture, &renewed, SECRET).await.refusal(),
        refused(400, "InputError")
    );
}

#[tokio::test]
async fn a_removed_worker_gives_its_tasks_back_at_once_and_is_not_let_in_again() {
    let fixture = start(json!({})).await;
    let registered = register(&fixture).await;
    let own = credentials(&registered);
    let client = fixture.client(own.clone());
    let mut ids = Vec::new();
    for retries in [5, 0] {
        ids.push(
            fixture
                .create(&definition_with(QUEUE, json!({ "retries": retries })))
                .await,
        );
    }
    client.claim_work(QUEUE, &claim_request(2)).await.unwrap();
    // Another worker's task stays.
    let others = fixture.create(&definition(QUEUE)).await;
    let mut request = claim_request(1);
    request.worker_id = "w2".to_owned();
    fixture.root().claim_work(QUEUE, &request).await.unwrap();

    let should = format!("{WORKER}/should-terminate");
    let told = fixture.api(Some(&own), Method::GET, &should, None).await;
    assert_eq!(told.body, json!({ "terminate": false, "reason": "needed" }));
    let removed = fixture.api(Some(&own), Method::DELETE, WORKER, None).await;
    assert_eq!((removed.status, removed.body), (200, json!({})));

    let root = fixture.root();
    let status = root.status(&ids[0]).await.unwrap().status;
    assert_eq!(status.runs[0].reason_resolved.as_deref(), Some("worker-shutdown"));
    assert_eq!(status.runs[1].reason_created, "retry");
    let status = root.status(&ids[1]).await.unwrap().status;
    assert_eq!(status.runs.len(), 1);
    assert_eq!(status.runs[0].reason_resolved.as_deref(), Some("worker-shutdown"));
    let status = root.status(&others).await.unwrap().status;
    assert_eq!(status.runs[0].reason_resolved, None);

    let told = fixture.api(Some(&own), Method::GET, &should, None).await;
    assert_eq!(told.body["terminate"], true);
    let secret = registered["secret"].as_str().unwrap();
    assert_eq!(
        reregister(&fixture, &own, secret).await.refusal(),
        refused(400, "InputError")
    );
    let refusal = try_register(&fixture, &registration(SECRET)).await.refusal();
    assert_eq!(refusal, refused(400, "InputError"));
    let again = call(&fixture, Method::PUT, WORKER, Some(&new_worker(SECRET))).await;
    assert_eq!(again.refusal(), refused(409, "RequestConflict"));
    assert_eq!(get(&fixture, "workers/proj%2Fci/wg/w1").await["state"], "stopped");
}

#[tokio::test]
async fn workers_are_created_by_who_may_and_once() {
    let fixture = start(json!({})).await;
    let worker = get(&fixture, "workers/proj%2Fci/wg/w1").await;
    for (name, value) in [
        ("providerId", json!("static")),
        ("state", json!("running")),
        ("capacity", json!(1)),
        ("workerGroup", json!("wg")),
    ] {
        assert_eq!(worker[name], value, "{name}");
    }
    assert_eq!(
        ok(&fixture, Method::PUT, WORKER, Some(&new_worker(SECRET))).await,
        worker
    );
    let other = new_worker(&"t".repeat(44));
    let past =
        json!({ "expires": in_time(TimeDelta::hours(-1)), "providerInfo": { "staticSecret": SECRET } });
    let nameless = "worker-manager/v1/workers/proj%2Fx/wg/w1";
    let none = json!({ "expires": in_time(TimeDelta::hours(1)) });
    for (method, path, body, refusal) in [
        (Method::PUT, WORKER, &other, refused(409, "RequestConflict")),
        (Method::PUT, WORKER, &past, refused(400, "InputError")),
        (Method::PUT, WORKER, &none, refused(400, "InputError")),
        (
            Method::PUT,
            WORKER,
            &new_worker("short"),
            refused(400, "InputValidationError"),
        ),
        (Method::PUT, nameless, &other, refused(404, "ResourceNotFound")),
        (Method::POST, nameless, &other, refused(404, "ResourceNotFound")),
        (
            Method::PUT,
            "worker-manager/v1/workers/proj%2Fci/wg/w%201",
            &other,
            refused(400, "InvalidRequestArguments"),
        ),
    ] {
        let reply = call(&fixture, method, path, Some(body)).await;
        assert_eq!(reply.refusal(), refusal, "{path} {body}");
        assert!(!reply.body.to_string().contains("tttt"), "{}", reply.body);
    }
    let weak = limited(&["worker-manager:create-worker:proj/ci/wg/w2"]);
    let reply = fixture.api(Some(&weak), Method::PUT, WORKER, Some(&other)).await;
    assert_eq!(reply.refusal(), refused(403, "InsufficientScopes"));
    // Updated, the old secret is worth nothing, and a time that has passed ends the worker.
    ok(&fixture, Method::POST, WORKER, Some(&other)).await;
    let refusal = try_register(&fixture, &registration(SECRET)).await.refusal();
    assert_eq!(refusal, refused(400, "InputError"));
    ok(&fixture, Method::POST, WORKER, Some(&past)).await;
    let expired = try_register(&fixture, &registration(SECRET)).await;
    assert!(expired.body["message"].as_str().unwrap().contains("has expired"));
}

#[tokio::test]
async fn pools_are_made_changed_and_forgotten_once_their_workers_are_gone() {
    let fixture = start(json!({})).await;
    let again = call(&fixture, Method::PUT, POOL, Some(&pool(&json!({})))).await;
    assert_eq!(again.refusal(), refused(409, "RequestConflict"));
    let changed = pool(&json!({ "workerConfig": { "b": 2 } }));
    // One segment, or two.
    let two = "worker-manager/v1/worker-pool/proj/ci";
    ok(&fixture, Method::POST, two, Some(&changed)).await;
    let shown = get(&fixture, "worker-pool/proj%2Fci").await;
    assert_eq!(shown["config"], changed["config"]);
    assert_eq!(
        (&shown["runningCount"], &shown["currentCapacity"]),
        (&json!(1), &json!(1))
    );
    let bad = pool(&json!({ "launchConfigs": [] }));
    let missing = "worker-manager/v1/worker-pool/proj%2Fx";
    for (method, path, body, refusal) in [
        (Method::POST, POOL, &bad, refused(400, "InputValidationError")),
        (Method::POST, missing, &changed, refused(404, "ResourceNotFound")),
        (
            Method::DELETE,
            missing,
            &changed,
            refused(404, "ResourceNotFound"),
        ),
        (Method::GET, missing, &changed, refused(404, "ResourceNotFound")),
        (
            Method::PUT,
            "worker-manager/v1/worker-pool/proj",
            &changed,
            refused(400, "InvalidRequestArguments"),
        ),
    ] {
        let body = (method != Method::GET && method != Method::DELETE).then_some(body);
        let reply = call(&fixture, method, path, body).await;
        assert_eq!(reply.refusal(), refusal, "{path}");
    }
    let weak = limited(&["worker-manager:manage-worker-pool:proj/ci"]);
    let reply = fixture.api(Some(&weak), Method::POST, POOL, Some(&changed)).await;
    assert_eq!(reply.refusal(), refused(403, "InsufficientScopes"));

    let deleted = ok(&fixture, Method::DELETE, POOL, None).await;
    assert_eq!(deleted["providerId"], "null-provider");
    let told = get(&fixture, "workers/proj%2Fci/wg/w1/should-terminate").await;
    assert_eq!(told["terminate"], true);
    let refused_now = call(&fixture, Method::PUT, WORKER, Some(&new_worker(SECRET))).await;
    assert_eq!(refused_now.refusal(), refused(400, "InputError"));
    sweep(&fixture).await;
    get(&fixture, "worker-pool/proj%2Fci").await;
    ok(&fixture, Method::DELETE, WORKER, None).await;
    sweep(&fixture).await;
    let gone = call(&fixture, Method::GET, POOL, None).await;
    assert_eq!(gone.refusal(), refused(404, "ResourceNotFound"));
}

async fn sweep(fixture: &Fixture) {
    let sweep = |db: &Db<'_>| db.expire(clock::now(), 50);
    fixture.queue.store.run(sweep).await.unwrap();
}

#[tokio::test]
async fn pools_and_their_workers_are_listed_page_by_page() {
    let fixture = start(json!({})).await;
    for name in ["a", "b"] {
        let path = format!("worker-manager/v1/worker-pool/proj%2F{name}");
        ok(&fixture, Method::PUT, &path, Some(&pool(&json!({})))).await;
    }
    for name in ["wg/w0", "other/w2", "wg/w3"] {
        let path = format!("worker-manager/v1/workers/proj%2Fci/{name}");
        ok(&fixture, Method::PUT, &path, Some(&new_worker(SECRET))).await;
    }
    ok(
        &fixture,
        Method::DELETE,
        &format!("{}0", &WORKER[..WORKER.len() - 1]),
        None,
    )
    .await;
    for (path, list, id, expected) in [
        (
            "worker-pools",
            "workerPools",
            "workerPoolId",
            &["proj/a", "proj/b", "proj/ci"][..],
        ),
        (
            "workers/proj%2Fci",
            "workers",
            "workerId",
            &["w2", "w0", "w1", "w3"],
        ),
        ("workers/proj%2Fci/wg", "workers", "workerId", &["w0", "w1", "w3"]),
        (
            "workers/proj%2Fci?state=running",
            "workers",
            "workerId",
            &["w2", "w1", "w3"],
        ),
        ("workers/proj%2Fci?state=stopped", "workers", "workerId", &["w0"]),
        ("workers/proj%2Fci?launchConfigId=x", "workers", "workerId", &[]),
        ("providers", "providers", "providerId", &["static"]),
    ] {
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let mark = if path.contains('?') { '&' } else { '?' };
            let page = get(&fixture, &format!("{path}{mark}limit=1{token}")).await;
            let items = page[list].as_array().unwrap();
            assert!(items.len() <= 1);
            found.extend(items.iter().map(|item| item[id].as_str().unwrap().to_owned()));
            match page["continuationToken"].as_str() {
                Some(next) => token = format!("&continuationToken={next}"),
                None => break,
            }
        }
        assert_eq!(found, expected, "{path}");
    }
    for (path, refusal) in [
        (
            "workers/proj%2Fci?state=x",
            refused(400, "InvalidRequestArguments"),
        ),
        ("workers/proj%2Fnone", refused(404, "ResourceNotFound")),
        ("workers/proj%2Fci/wg/none", refused(404, "ResourceNotFound")),
        (
            "workers/proj%2Fci/wg/none/should-terminate",
            refused(404, "ResourceNotFound"),
        ),
    ] {
        let path = format!("worker-manager/v1/{path}");
        assert_eq!(
            call(&fixture, Method::GET, &path, None).await.refusal(),
            refusal,
            "{path}"
        );
    }
}

#[tokio::test]
async fn errors_that_workers_report_are_listed_newest_first() {
    let fixture = start(json!({})).await;
    let own = credentials(&register(&fixture).await);
    let path = "worker-manager/v1/worker-pool-errors/proj%2Fci";
    let report = |title: &str, worker_id: &str| {
        json!({
            "workerGroup": "wg", "workerId": worker_id, "kind": "worker-error", "title": title,
            "description": "d", "extra": { "a": 1 },
        })
    };
    let post = async |body: Value| fixture.api(Some(&own), Method::POST, path, Some(&body)).await;
    let mut ids = Vec::new();
    for title in ["1", "2", "3"] {
        let reply = post(report(title, "w1")).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        assert_eq!(
            reply.body["extra"],
            json!({ "a": 1, "workerGroup": "wg", "workerId": "w1" })
        );
        ids.push(reply.body["errorId"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        post(report("x", "w2")).await.refusal(),
        refused(403, "InsufficientScopes")
    );
    assert_eq!(
        post(report(&"x".repeat(129), "w1")).await.refusal(),
        refused(400, "InputValidationError")
    );
    let titles = |page: &Value| {
        let errors = page["workerPoolErrors"].as_array().unwrap().iter();
        errors
            .map(|error| error["title"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let list = "worker-pool-errors/proj%2Fci";
    let page = get(&fixture, &format!("{list}?limit=2")).await;
    assert_eq!(titles(&page), ["3", "2"]);
    let next = page["continuationToken"].as_str().unwrap();
    let page = get(&fixture, &format!("{list}?limit=2&continuationToken={next}")).await;
    assert_eq!(titles(&page), ["1"]);
    assert_eq!(page["continuationToken"], Value::Null);
    let one = get(&fixture, &format!("{list}?errorId={}", ids[1])).await;
    assert_eq!(titles(&one), ["2"]);
}
