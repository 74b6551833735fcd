//! Whatever is sent: an error of the 4xx kind, and nothing has changed.

use proptest::prelude::*;
use reqwest::{Method, header};
use serde_json::{Map, Value, json};

use super::kit::{Fixture, QUEUE, Reply, Signature, definition, refused, root};

/// Calls that take a body, on a task that runs.
fn calls(task_id: &str) -> Vec<(Method, String)> {
    let fresh = slugid::v4();
    vec![
        (Method::PUT, format!("task/{fresh}")),
        (Method::PUT, format!("task/{task_id}")),
        (Method::POST, "tasks".to_owned()),
        (Method::POST, "tasks/status".to_owned()),
        (Method::POST, "claim-work/proj/empty".to_owned()),
        (Method::POST, format!("task/{task_id}/runs/0/exception")),
        (Method::POST, format!("task/{task_id}/runs/0/artifacts/public/a")),
        (Method::PUT, format!("task/{task_id}/runs/0/artifacts/public/a")),
    ]
}

async fn send(fixture: &Fixture, method: &Method, path: &str, body: Vec<u8>) -> Reply {
    let url = fixture.url(path);
    let authorization = Signature::default().header(&root(), method.as_str(), &url);
    let request = fixture
        .http
        .request(method.clone(), url)
        .header(header::AUTHORIZATION, authorization)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body);
    Reply::of(request).await
}

/// Everything that the queue knows.
async fn snapshot(fixture: &Fixture, task_id: &str) -> Value {
    json!([
        fixture.get(&format!("task/{task_id}")).await.body,
        fixture.get(&format!("task/{task_id}/status")).await.body,
        fixture
            .get(&format!("task/{task_id}/runs/0/artifacts"))
            .await
            .body,
        fixture.get("pending/proj/ci").await.body,
    ])
}

#[tokio::test]
async fn bodies_that_are_no_json_are_malformed() {
    let fixture = Fixture::start().await;
    let (claim, _) = fixture.running().await;
    let id = &claim.status.task_id;
    let before = snapshot(&fixture, id).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in ["{", "{}{}", "nul", "\u{0}", "{\"a\": 1e999}", "'x'", &deep] {
        for (method, path) in calls(id) {
            let reply = send(&fixture, &method, &path, body.as_bytes().to_vec()).await;
            assert_eq!(
                reply.refusal(),
                refused(400, "MalformedPayload"),
                "{path} {body:.20}"
            );
        }
    }
    for (method, path) in calls(id) {
        let reply = send(&fixture, &method, &path, vec![0xff, 0xfe]).await;
        assert_eq!(reply.refusal(), refused(400, "MalformedPayload"), "{path}");
    }
    assert_eq!(snapshot(&fixture, id).await, before);
}

#[tokio::test]
async fn bodies_of_more_than_ten_megabytes_are_too_large() {
    let fixture = Fixture::start().await;
    let mut large = definition(QUEUE);
    large["payload"] = json!({ "x": "x".repeat(10 << 20) });
    let path = format!("task/{}", slugid::v4());
    let reply = send(&fixture, &Method::PUT, &path, large.to_string().into_bytes()).await;
    assert_eq!(reply.refusal(), refused(413, "InputTooLarge"));
    large["payload"] = json!({ "x": "x".repeat((10 << 20) - 2000) });
    let reply = send(&fixture, &Method::PUT, &path, large.to_string().into_bytes()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(fixture.claim(QUEUE, 1).await.len(), 1);
}

/// JSON of any kind, with the names that the calls know now and then.
fn any_json() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        Just("taskQueueId"),
        Just("payload"),
        Just("metadata"),
        Just("created"),
        Just("deadline"),
        Just("expires"),
        Just("dependencies"),
        Just("reason"),
        Just("storageType"),
        Just("contentType"),
        Just("taskIds"),
        Just("tasks"),
        Just("workerGroup"),
        Just("workerId"),
        Just("x"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("9999-12-31T23:59:60Z")),
        Just(json!("-0001-01-01T00:00:00Z")),
        Just(json!("proj/ci")),
        Just(json!("s3")),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|pairs| {
                let object: Map<String, Value> = pairs
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect();
                Value::Object(object)
            }),
        ]
    })
}

#[test]
fn json_of_any_kind_is_no_failure_and_changes_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (fixture, task_id, before) = runtime.block_on(async {
        let fixture = Fixture::start().await;
        let (claim, _) = fixture.running().await;
        let before = snapshot(&fixture, &claim.status.task_id).await;
        (fixture, claim.status.task_id, before)
    });
    let config = ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(body in any_json())| {
        runtime.block_on(async {
            for (method, path) in calls(&task_id) {
                let reply = send(&fixture, &method, &path, body.to_string().into_bytes()).await;
                // A batch of taskIds may be read from it; nothing else can be.
                let fine = path.starts_with("tasks") && reply.status == 200;
                assert!(fine || (400..500).contains(&reply.status), "{method} {path} {body}: {reply:?}");
            }
        });
    });
    assert_eq!(runtime.block_on(snapshot(&fixture, &task_id)), before);
}

#[tokio::test]
async fn every_property_of_a_definition_may_be_junk() {
    let fixture = Fixture::start().await;
    let names = [
        "provisionerId",
        "workerType",
        "taskQueueId",
        "schedulerId",
        "projectId",
        "taskGroupId",
        "dependencies",
        "requires",
        "routes",
        "priority",
        "retries",
        "created",
        "deadline",
        "expires",
        "scopes",
        "payload",
        "metadata",
        "tags",
        "extra",
    ];
    let junk = [
        json!(null),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("\u{0}"),
        json!("+262143-12-31T23:59:59Z"),
        json!("9999-12-31T23:59:59Z"),
        json!("0000-01-01T00:00:00Z"),
        json!([[]]),
        json!([null]),
        json!({ "": null }),
        json!("𝕏".repeat(300)),
    ];
    for name in names {
        for value in &junk {
            let mut definition = definition(QUEUE);
            definition[name] = value.clone();
            let path = format!("task/{}", slugid::v4());
            let reply = send(&fixture, &Method::PUT, &path, definition.to_string().into_bytes()).await;
            assert!(reply.status < 500, "{name} {value}: {reply:?}");
            // What was accepted can be claimed and read.
            if reply.status == 200 {
                assert_eq!(fixture.get(&path).await.status, 200);
                assert_eq!(fixture.claim(QUEUE, 1).await.len(), 1, "{name} {value}");
            }
        }
    }
}
