//! Registrations with a worker-manager that refuses, fails and loses answers as real ones do.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{delete, post},
};
use chrono::TimeDelta;
use queue::{ClientOptions, wire::timestamp};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch};

use super::*;

/// What is done with the next call of a kind.
#[derive(Clone, Copy, Debug)]
enum Do {
    /// Credentials that last for so many milliseconds.
    Grant(i64),
    /// An error.
    Fail(u16),
    /// An error of something that stands before worker-manager.
    Stray(u16),
}

/// A call that has arrived: its kind, its secret, and whether it was signed.
type Seen = (&'static str, String, bool);

#[derive(Default)]
struct Fake {
    register: VecDeque<Do>,
    reregister: VecDeque<Do>,
    grants: u32,
    seen: Vec<Seen>,
}

#[derive(Clone)]
struct Shared {
    fake: Arc<Mutex<Fake>>,
    /// How many calls have arrived.
    count: watch::Sender<usize>,
}

struct Setup {
    shared: Shared,
    deployment: Deployment,
    root_url: String,
    server: JoinHandle<()>,
    stop: StopHandle,
}

impl Shared {
    fn answer(&self, kind: &'static str, secret: &Value, headers: &HeaderMap) -> Response {
        let mut fake = self.fake.lock().unwrap();
        let secret = secret.as_str().unwrap_or_default().to_owned();
        fake.seen
            .push((kind, secret, headers.contains_key("authorization")));
        let plan = match kind {
            "register" => fake.register.pop_front(),
            _ => fake.reregister.pop_front(),
        };
        fake.grants += 1;
        let grants = fake.grants;
        self.count.send_modify(|count| *count += 1);
        match plan.unwrap_or(Do::Grant(3_600_000)) {
            Do::Grant(milliseconds) => {
                let expires = Utc::now() + TimeDelta::milliseconds(milliseconds);
                let answer = json!({
                    "expires": timestamp::format(&expires),
                    "credentials": {"clientId": format!("client-{grants}"), "accessToken": "t", "certificate": "{}"},
                    "workerConfig": {"a": 1},
                    "secret": format!("secret-{grants}"),
                });
                Json(answer).into_response()
            }
            Do::Fail(status) => {
                let error = json!({"code": "InputError", "message": "no", "requestInfo": {}});
                (StatusCode::from_u16(status).unwrap(), Json(error)).into_response()
            }
            Do::Stray(status) => {
                (StatusCode::from_u16(status).unwrap(), "<html>nothing here</html>").into_response()
            }
        }
    }
}

async fn register(State(shared): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    shared.answer("register", &body["workerIdentityProof"]["staticSecret"], &headers)
}

async fn reregister(State(shared): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    shared.answer("reregister", &body["secret"], &headers)
}

async fn remove(State(shared): State<Shared>) -> Json<Value> {
    let mut fake = shared.fake.lock().unwrap();
    fake.seen.push(("remove", String::new(), true));
    Json(json!({}))
}

impl Setup {
    async fn new(
        register_plan: impl IntoIterator<Item = Do>,
        reregister_plan: impl IntoIterator<Item = Do>,
    ) -> Self {
        let shared = Shared {
            fake: Arc::new(Mutex::new(Fake {
                register: register_plan.into_iter().collect(),
                reregister: reregister_plan.into_iter().collect(),
                ..Fake::default()
            })),
            count: watch::Sender::new(0),
        };
        let api = Router::new()
            .route("/worker/register", post(register))
            .route("/worker/reregister", post(reregister))
            .route("/workers/{pool}/{group}/{id}", delete(remove))
            .with_state(shared.clone());
        let routes = Router::new().nest("/api/worker-manager/v1", api);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root_url = format!("http://{}", listener.local_addr().unwrap());
        let http = reqwest::Client::new();
        Self {
            shared,
            deployment: Deployment::anonymous(http, &root_url, ClientOptions::default()).unwrap(),
            root_url,
            server: tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() }),
            stop: StopHandle::new(),
        }
    }

    async fn register(&self, at_end: AtEnd) -> Result<(Registration, Map<String, Value>), RegisterError> {
        let name = WorkerName {
            worker_pool_id: "pool/it".to_owned(),
            worker_group: "group".to_owned(),
            worker_id: "worker".to_owned(),
        };
        let proof = StaticProof {
            provider_id: "static".to_owned(),
            static_secret: "s3cret".to_owned(),
        };
        let patience = Patience::Of(&self.stop);
        Registration::register(&self.deployment, &self.root_url, name, (proof, at_end), &patience).await
    }

    /// Waits until so many calls have arrived.
    async fn until(&self, calls: usize) {
        let mut count = self.shared.count.subscribe();
        tokio::select! {
            counted = count.wait_for(|count| *count >= calls) => drop(counted.unwrap()),
            () = self.stop.requested() => panic!("the worker was stopped before: {:?}", self.seen()),
        }
    }

    fn seen(&self) -> Vec<Seen> {
        self.shared.fake.lock().unwrap().seen.clone()
    }

    /// The calls without the last of what has arrived after `count` of them.
    fn first(&self, count: usize) -> Vec<(&'static str, String)> {
        let seen = self.seen().into_iter().take(count);
        seen.map(|(kind, secret, _)| (kind, secret)).collect()
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn call(kind: &'static str, secret: &str) -> (&'static str, String) {
    (kind, secret.to_owned())
}

#[tokio::test]
async fn credentials_are_renewed_with_the_secret_of_the_time_before() {
    let setup = Setup::new([Do::Grant(2000)], [Do::Grant(2000), Do::Grant(2000)]).await;
    let (registration, config) = setup.register(AtEnd::Stay).await.unwrap();
    assert_eq!(config["a"], 1);
    let credentials = registration.access().credentials;
    assert_eq!(credentials.get().client_id, "client-1");
    let kept = registration.keep(setup.stop.clone());
    setup.until(4).await;
    kept.end().await;
    let expected = [
        call("register", "s3cret"),
        call("reregister", "secret-1"),
        call("reregister", "secret-2"),
        call("reregister", "secret-3"),
    ];
    assert_eq!(setup.first(4), expected);
    assert_ne!(credentials.get().client_id, "client-1");
    // Who registers has no credentials yet; who renews them has.
    assert_eq!(
        setup.seen().iter().map(|seen| seen.2).collect::<Vec<_>>(),
        [false, true, true, true]
    );
    assert!(!setup.stop.stopping());
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again() {
    let setup = Setup::new([Do::Grant(8000)], [Do::Fail(500), Do::Fail(503)]).await;
    let (registration, _) = setup.register(AtEnd::Stay).await.unwrap();
    let kept = registration.keep(setup.stop.clone());
    setup.until(4).await;
    kept.end().await;
    assert_eq!(
        setup.first(4)[1..],
        [(); 3].map(|()| call("reregister", "secret-1"))
    );
    assert!(!setup.stop.stopping());
}

#[tokio::test]
async fn a_worker_whose_renewal_is_refused_registers_anew() {
    let setup = Setup::new([Do::Grant(2000)], [Do::Fail(400)]).await;
    let (registration, _) = setup.register(AtEnd::Stay).await.unwrap();
    let kept = registration.keep(setup.stop.clone());
    setup.until(3).await;
    kept.end().await;
    assert_eq!(
        setup.seen()[1..],
        [
            ("reregister", "secret-1".to_owned(), true),
            ("register", "s3cret".to_owned(), false)
        ]
    );
    assert!(!setup.stop.stopping());
}

#[tokio::test]
async fn a_worker_whose_credentials_can_not_be_renewed_is_stopped_before_they_end() {
    let refusals = std::iter::repeat_n(Do::Fail(404), 1000);
    let first = [Do::Grant(4000)];
    let setup = Setup::new(first.into_iter().chain(refusals.clone()), refusals).await;
    let (registration, _) = setup.register(AtEnd::Stay).await.unwrap();
    let kept = registration.keep(setup.stop.clone());
    setup.stop.now_requested().await;
    assert_eq!(setup.stop.reason(), Some(Reason::CredentialsEnd));
    kept.end().await;
}

#[tokio::test]
async fn a_worker_whose_renewal_is_refused_claims_nothing_more_and_tries_again() {
    let setup = Setup::new([Do::Grant(4000), Do::Fail(403)], [Do::Fail(403)]).await;
    let (registration, _) = setup.register(AtEnd::Stay).await.unwrap();
    let kept = registration.keep(setup.stop.clone());
    setup.stop.requested().await;
    let mut count = setup.shared.count.subscribe();
    // Both are refused once. Its running tasks go on, with the credentials that come of the next try.
    tokio::select! {
        counted = count.wait_for(|count| *count >= 4) => drop(counted.unwrap()),
        () = setup.stop.now_requested() => panic!("its tasks were aborted: {:?}", setup.seen()),
    }
    kept.end().await;
    assert_eq!(setup.stop.level(), crate::stop::Level::Graceful);
    assert_eq!(setup.stop.reason(), Some(Reason::CredentialsEnd));
    assert_eq!(setup.seen()[3].0, "reregister");
}

#[tokio::test]
async fn a_worker_is_stopped_where_worker_manager_fails_until_its_credentials_end() {
    let failures = std::iter::repeat_n(Do::Fail(500), 100);
    let setup = Setup::new([Do::Grant(2000)], failures).await;
    let (registration, _) = setup.register(AtEnd::Stay).await.unwrap();
    let kept = registration.keep(setup.stop.clone());
    setup.stop.now_requested().await;
    assert_eq!(setup.stop.reason(), Some(Reason::CredentialsEnd));
    kept.end().await;
}

#[tokio::test]
async fn a_worker_is_removed_at_its_end_where_that_is_wanted_alone() {
    let setup = Setup::new([], []).await;
    for (at_end, removed) in [(AtEnd::Stay, 0), (AtEnd::Remove, 1)] {
        let (registration, _) = setup.register(at_end).await.unwrap();
        registration.keep(setup.stop.clone()).end().await;
        let removals = setup.seen().iter().filter(|(kind, ..)| *kind == "remove").count();
        assert_eq!(removals, removed);
    }
}

#[tokio::test]
async fn a_registration_is_tried_until_it_is_answered() {
    let failures = std::iter::repeat_n(Do::Fail(503), 7);
    let setup = Setup::new(failures, []).await;
    setup.register(AtEnd::Stay).await.unwrap();
    assert_eq!(setup.seen().len(), 8);
}

#[tokio::test]
async fn what_stands_before_worker_manager_refuses_nothing_in_its_place() {
    let strays = std::iter::repeat_n(Do::Stray(404), 7);
    let setup = Setup::new(strays, []).await;
    setup.register(AtEnd::Stay).await.unwrap();
    assert_eq!(setup.seen().len(), 8);
}

#[tokio::test]
async fn a_refusal_says_who_was_refused_and_what_may_help() {
    let setup = Setup::new([Do::Fail(400)], []).await;
    let error = setup.register(AtEnd::Stay).await.unwrap_err();
    let said = error.to_string();
    for words in ["group/worker", "pool/it", "provider static", "createWorker"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_waits_for_nobody() {
    let setup = Setup::new(std::iter::repeat_n(Do::Fail(500), 1000), []).await;
    setup.stop.graceful(Reason::Terminated, "a test");
    let refused = setup.register(AtEnd::Stay).await;
    assert!(matches!(refused, Err(RegisterError::Stopped)));
}
