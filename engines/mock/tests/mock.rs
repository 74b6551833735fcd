//! The mock engine keeps to the contract of all engines, fails as it is told to, and keeps its record.

use std::sync::Arc;

use engine_api::{
    Engine, EngineErrorKind, RunKey, SandboxEnd,
    conformance::{self, ArtifactsCase, EndlessCase, EnvironmentCase, LoggingCase, Suite},
};
use engine_mock::{Call, MockEngine};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

fn suite() -> (MockEngine, Suite) {
    let engine = MockEngine::new();
    let leftovers = engine.clone();
    let suite = Suite::new(Arc::new(engine.clone()), move || {
        leftovers.held().iter().map(ToString::to_string).collect()
    });
    (engine, suite)
}

fn endless() -> EndlessCase {
    EndlessCase {
        payload: json!({"steps": [{"log": "it runs"}, "forever"]}),
        target: "it runs",
    }
}

fn faulty(operation: &str, fault: Value) -> Value {
    json!({"steps": [], "faults": {operation: fault}})
}

#[tokio::test]
async fn keeps_to_the_contract_of_logging() {
    let case = LoggingCase {
        target: "hello",
        printing: json!({"steps": [{"log": "hello"}]}),
        failing: json!({"steps": [{"log": "hello"}, {"exitCode": 3}]}),
        silent: json!({"steps": [{"sleepMs": 1}]}),
    };
    conformance::logging(&suite().1, &case).await;
}

#[tokio::test]
async fn keeps_to_the_contract_of_the_environment() {
    let case = EnvironmentCase {
        variable: "GREETING",
        printing: json!({"steps": [{"printVariable": "GREETING"}]}),
        invalid_names: vec!["", "A=B", "A B", "A\0B"],
    };
    conformance::environment(&suite().1, &case).await;
}

#[tokio::test]
async fn keeps_to_the_contract_of_artifacts() {
    let file = |path: &str, content: &str| json!({"file": {"path": path, "content": content}});
    let case = ArtifactsCase {
        payload: json!({"steps": [file("a.txt", "A"), file("out/b.txt", "B"), file("out/deep/c.txt", "C")]}),
        file: ("a.txt", "A"),
        missing: "nothing/here",
        folder: "out",
        files: vec![("b.txt", "B"), ("deep/c.txt", "C")],
    };
    conformance::artifacts(&suite().1, &case).await;
}

#[tokio::test]
async fn keeps_to_the_contract_of_every_ending() {
    let (_, suite) = suite();
    conformance::kill(&suite, &endless()).await;
    conformance::abort(&suite, &endless()).await;
    conformance::discard(&suite, &endless()).await;
    conformance::dispose(&suite, &endless()).await;
}

#[tokio::test]
async fn errors_are_of_the_operation_and_kind_that_the_payload_says_and_leave_nothing() {
    let token = CancellationToken::new();
    for (kind, expected) in [
        ("malformedPayload", EngineErrorKind::MalformedPayload),
        ("resourceUnavailable", EngineErrorKind::ResourceUnavailable),
        ("internal", EngineErrorKind::Internal),
        ("fatal", EngineErrorKind::Fatal),
    ] {
        let (engine, suite) = suite();
        let error = json!({"error": {"kind": kind, "message": "as asked"}});

        let (_, context) = suite.context();
        let made = engine
            .new_builder(context, faulty("newBuilder", error.clone()), &token)
            .await;
        assert_eq!(made.err().map(|error| error.kind()), Some(expected));

        let (_, builder) = suite.builder(faulty("start", error.clone())).await;
        assert_eq!(
            builder.start(&token).await.err().map(|error| error.kind()),
            Some(expected)
        );

        let (_, sandbox) = suite.start(faulty("wait", error), &[]).await;
        assert_eq!(
            sandbox.wait(&token).await.err().map(|error| error.kind()),
            Some(expected)
        );
        suite.assert_nothing_left();
    }
}

#[tokio::test]
async fn what_could_not_be_disposed_of_stays_held() {
    let (engine, suite) = suite();
    let fault = json!({"error": {"kind": "processes", "message": "as asked"}});
    let (_, results) = suite.run(faulty("dispose", fault), &[]).await;
    assert!(results.dispose().await.is_err());
    assert_eq!(engine.held().len(), 1);
}

#[tokio::test]
async fn a_hanging_operation_ends_with_its_token() {
    let (_, suite) = suite();
    let (_, sandbox) = suite.start(faulty("wait", json!("hang")), &[]).await;
    let token = CancellationToken::new();
    let (end, ()) = tokio::join!(sandbox.wait(&token), async {
        tokio::task::yield_now().await;
        token.cancel();
    });
    assert!(matches!(end, Ok(SandboxEnd::Aborted)), "{end:?}");
    suite.assert_nothing_left();
}

#[tokio::test]
async fn a_panic_happens_in_its_operation_and_leaves_nothing_held() {
    let (_, suite) = suite();
    let (_, sandbox) = suite.start(faulty("wait", json!("panic")), &[]).await;
    let panicked = tokio::spawn(async move { sandbox.wait(&CancellationToken::new()).await }).await;
    assert!(panicked.is_err_and(|error| error.is_panic()));
    suite.assert_nothing_left();
}

#[tokio::test]
async fn the_calls_of_a_run_are_recorded_in_order() {
    let (engine, suite) = suite();
    let (_, results) = suite.run(json!({"steps": []}), &[("A", "1")]).await;
    suite.dispose(results.as_ref()).await;
    let run = RunKey {
        task_id: "ConformanceSuite_Test0".to_owned(),
        run_id: 0,
    };
    assert_eq!(
        engine.calls(&run),
        [
            Call::NewBuilder,
            Call::SetVariable {
                name: "A".to_owned(),
                value: "1".to_owned()
            },
            Call::Start,
            Call::Wait,
            Call::Dispose
        ]
    );
}
