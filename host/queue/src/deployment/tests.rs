//! Calls against a scripted server.

mod server;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::SystemTime,
};

use chrono::TimeDelta;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use self::server::{Answer, Asked, Server};
use super::*;
use crate::{
    CallErrorKind,
    wire::{ClaimWorkRequest, Credentials},
};

const SECRET: &str = "no-one-may-see-this";

fn credentials(client_id: &str) -> Credentials {
    Credentials {
        client_id: client_id.to_owned(),
        access_token: SECRET.to_owned(),
        certificate: None,
    }
}

/// A client that does not wait long.
fn client(server: &Server) -> Queue {
    client_with(server, ClientOptions::default())
}

fn client_with(server: &Server, options: ClientOptions) -> Queue {
    let credentials = CredentialsHandle::new(credentials("tester"));
    let mut deployment =
        Deployment::new(http_client().unwrap(), &server.root_url, credentials, options).unwrap();
    deployment.pauses = Pauses {
        unit: Duration::from_millis(1),
    };
    deployment.queue()
}

fn claim() -> ClaimWorkRequest {
    ClaimWorkRequest {
        tasks: 1,
        worker_group: "group".to_owned(),
        worker_id: "worker".to_owned(),
    }
}

/// The first answers, and what every later request gets.
async fn answering(first: Vec<Answer>, then: Answer) -> Server {
    Server::start(move |number, _| first.get(number).unwrap_or(&then).clone()).await
}

fn kind(status: u16, code: &str, message: &str) -> CallErrorKind {
    CallErrorKind::Http {
        status,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

#[tokio::test]
async fn errors_of_the_server_are_tried_again_five_times() {
    let server = answering(vec![], Answer::error(500, "InternalServerError", "oops")).await;
    let error = client(&server).ping().await.unwrap_err();
    assert_eq!(error.kind, kind(500, "InternalServerError", "oops"));
    assert_eq!(server.asked().len(), 6);
}

#[tokio::test]
async fn a_call_succeeds_once_the_server_is_well_again() {
    let first = vec![
        Answer::status(503, ""),
        Answer::HangUp,
        Answer::status(429, ""),
        Answer::status(408, ""),
    ];
    let server = answering(first, Answer::ok("")).await;
    client(&server).ping().await.unwrap();
    assert_eq!(server.asked().len(), 5);
}

#[tokio::test]
async fn errors_of_the_network_are_tried_again_five_times() {
    let server = answering(vec![], Answer::HangUp).await;
    let error = client(&server).ping().await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Network);
    assert_eq!(server.asked().len(), 6);
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_an_error_of_the_network() {
    let server = answering(vec![], Answer::HangUp).await;
    let queue = client(&server);
    drop(server);
    let error = queue.claim_work("p/w", &claim()).await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::NotConnected);
    assert!(!error.is_final());
}

#[tokio::test]
async fn a_refusal_is_final_and_says_what_the_queue_said() {
    for status in [400, 401, 403, 404, 409, 424] {
        let server = answering(vec![], Answer::error(status, "Some", "first line\nmore")).await;
        let error = client(&server).reclaim_task("task", 0).await.unwrap_err();
        assert_eq!(error.kind, kind(status, "Some", "first line"));
        assert!(error.is_final());
        assert_eq!(
            (error.is_conflict(), error.is_not_found()),
            (status == 409, status == 404)
        );
        assert_eq!(server.asked().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_error_that_is_not_the_queues_has_no_code() {
    let server = answering(vec![], Answer::status(404, "<html>nginx</html>")).await;
    let error = client(&server).task("task").await.unwrap_err();
    assert_eq!(error.kind, kind(404, "", ""));
}

#[tokio::test]
async fn what_stands_before_the_queue_refuses_nothing_in_its_place() {
    for status in [400, 401, 403, 404, 409, 413] {
        let server = answering(
            vec![Answer::status(status, "<html>nginx</html>")],
            Answer::error(500, "Some", ""),
        )
        .await;
        let queue = client(&server).tried_once(Duration::MAX);
        let error = queue.reclaim_task("task", 0).await.unwrap_err();
        assert_eq!(error.status(), Some(status));
        assert!(
            !error.is_final() && !error.is_conflict() && !error.is_not_found(),
            "{status}"
        );
    }
}

#[tokio::test]
async fn claim_work_is_asked_once_whatever_happens() {
    let options = ClientOptions {
        claim_timeout: Duration::from_millis(100),
        ..ClientOptions::default()
    };
    for (answer, expected) in [
        (Answer::status(500, ""), kind(500, "", "")),
        (Answer::status(429, ""), kind(429, "", "")),
        (Answer::HangUp, CallErrorKind::Network),
        (Answer::Silence, CallErrorKind::TimedOut),
        (Answer::ok("{\"tasks\": 5}"), CallErrorKind::BadAnswer),
    ] {
        let server = answering(vec![], answer.clone()).await;
        let queue = client_with(&server, options.clone());
        let error = queue.claim_work("p/w", &claim()).await.unwrap_err();
        assert_eq!(error.kind, expected, "{answer:?}");
        assert_eq!(server.asked().len(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn claim_work_is_asked_once_on_a_connection_that_was_used_before() {
    // A connection of the pool that breaks is no reason for anything below us to ask again.
    let server = answering(vec![Answer::ok("")], Answer::HangUp).await;
    let queue = client(&server);
    queue.ping().await.unwrap();
    let error = queue.claim_work("p/w", &claim()).await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Network);
    assert_eq!((server.asked().len(), server.connections()), (2, 1));
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it() {
    let busy = Answer::Http(503, vec![("retry-after", "1".to_owned())], String::new());
    let server = answering(vec![busy], Answer::ok("")).await;
    client(&server).ping().await.unwrap();
    let asked = server.asked();
    assert!(asked[1].at - asked[0].at >= Duration::from_secs(1));
}

#[tokio::test]
async fn names_are_one_segment_each_and_all_that_is_sent_is_signed() {
    let server = answering(vec![], Answer::error(404, "ResourceNotFound", "none")).await;
    let queue = client(&server);
    let _ = queue.artifact("task", 3, "public/a b/ü%2F?#.txt").await;
    let _ = queue.list_artifacts("task", 0, Some("a/b+c&d=e")).await;
    let _ = queue.claim_work("prov/type", &claim()).await;
    let _ = queue.create_task("task", &json!({"a": 1})).await;
    let asked = server.asked();
    let targets: Vec<_> = asked
        .iter()
        .map(|asked| format!("{} {}", asked.method, asked.target))
        .collect();
    assert_eq!(
        targets,
        [
            "GET /api/queue/v1/task/task/runs/3/artifact-content/public%2Fa%20b%2F%C3%BC%252F%3F%23.txt",
            "GET /api/queue/v1/task/task/runs/0/artifacts?continuationToken=a%2Fb%2Bc%26d%3De",
            "POST /api/queue/v1/claim-work/prov%2Ftype",
            "PUT /api/queue/v1/task/task",
        ]
    );
    for asked in &asked {
        assert!(asked.is_signed_with(SECRET), "{asked:?}");
        assert!(!asked.is_signed_with("another"), "{asked:?}");
        let tampered = Asked {
            target: format!("{}x", asked.target),
            ..asked.clone()
        };
        assert!(!tampered.is_signed_with(SECRET), "{asked:?}");
    }
    assert_eq!(asked[3].body, br#"{"a":1}"#);
    assert_eq!(asked[3].headers["content-type"], "application/json");
    // Calls without a body say nothing of one.
    assert!(!asked[0].headers.contains_key("content-type"));
}

#[tokio::test]
async fn a_root_url_may_have_a_path_and_must_be_http() {
    let server = answering(vec![], Answer::ok("")).await;
    let new = |root_url: &str| {
        let credentials = CredentialsHandle::new(credentials("tester"));
        Deployment::new(
            http_client().unwrap(),
            root_url,
            credentials,
            ClientOptions::default(),
        )
    };
    new(&format!("{}/tc/", server.root_url))
        .unwrap()
        .queue()
        .ping()
        .await
        .unwrap();
    assert_eq!(server.asked()[0].target, "/tc/api/queue/v1/ping");
    for wrong in [
        "",
        "tc.example.com",
        "file:///etc",
        "ftp://tc.example.com",
        "http://",
        "https://tc.example.com/?a=b",
        "https://tc.example.com/#a",
    ] {
        assert!(new(wrong).is_err(), "{wrong:?}");
    }
}

#[tokio::test]
async fn credentials_that_are_swapped_while_a_request_flies_sign_the_next() {
    let handle = CredentialsHandle::new(credentials("before"));
    let swap = handle.clone();
    let server = Server::start(move |number, _| {
        if number > 0 {
            return Answer::ok("");
        }
        swap.set(credentials("after"));
        Answer::status(500, "")
    })
    .await;
    client(&server).with_credentials(handle).ping().await.unwrap();
    let signers: Vec<_> = server.asked().iter().map(Asked::client_id).collect();
    assert_eq!(signers, ["before", "after"]);
}

#[tokio::test]
async fn a_request_that_is_refused_while_its_credentials_are_swapped_is_signed_anew() {
    let handle = CredentialsHandle::new(credentials("before"));
    let swap = handle.clone();
    let server = Server::start(move |_, asked| {
        if asked.client_id() == "after" {
            return Answer::ok("{\"tasks\":[]}");
        }
        swap.set(credentials("after"));
        Answer::status(401, "")
    })
    .await;
    let queue = client(&server).with_credentials(handle);
    queue.claim_work("p/w", &claim()).await.unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn who_is_nobody_signs_nothing() {
    let server = answering(vec![], Answer::ok("")).await;
    let options = ClientOptions::default();
    let deployment = Deployment::anonymous(http_client().unwrap(), &server.root_url, options).unwrap();
    deployment.queue().ping().await.unwrap();
    assert!(!server.asked()[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_call_that_can_not_have_been_done_is_told_from_one_whose_answer_was_lost() {
    let lost = async |answer| {
        let server = answering(vec![], answer).await;
        let error = client(&server).claim_work("p/w", &claim()).await.unwrap_err();
        error.may_have_been_done()
    };
    assert!(lost(Answer::HangUp).await);
    assert!(lost(Answer::ok("{")).await);
    assert!(lost(Answer::status(502, "")).await);
    assert!(!lost(Answer::status(403, "")).await);
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let options = ClientOptions::default();
    let deployment = Deployment::anonymous(http_client().unwrap(), &gone, options).unwrap();
    let error = deployment.queue().claim_work("p/w", &claim()).await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::NotConnected);
    assert!(!error.may_have_been_done());
}

#[tokio::test]
async fn the_queues_of_two_clients_share_the_connections() {
    let server = answering(vec![], Answer::ok("")).await;
    let queue = client(&server);
    let other = queue.with_credentials(CredentialsHandle::new(credentials("other")));
    for queue in [&queue, &other, &queue.clone(), &other.clone()] {
        queue.ping().await.unwrap();
    }
    let signers: Vec<_> = server.asked().iter().map(Asked::client_id).collect();
    assert_eq!(signers, ["tester", "other", "tester", "other"]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_stuck_is_not_used_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root_url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let server = tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            open.spawn(async move {
                // It agrees to HTTP/2, with an empty frame of settings, and answers nothing more.
                stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
                tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
            });
        }
    });
    let http = http_client_builder().http2_prior_knowledge().build().unwrap();
    let deployment = Deployment::anonymous(http, &root_url, ClientOptions::default()).unwrap();
    deployment.queue().ping().await.unwrap_err();
    server.abort();
    // One for each try.
    assert_eq!(connections.load(Ordering::SeqCst), 6);
}

/// A queue whose clock is ahead of ours, and that refuses what was not signed for its time.
async fn server_ahead(ahead: TimeDelta) -> Server {
    Server::start(move |_, asked| {
        let now = Utc::now() + ahead;
        let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let signed_at: DateTime<Utc> = asked.signed_at().into();
        let in_time = (signed_at - now).abs() < TimeDelta::seconds(60);
        Answer::Http(
            if in_time { 200 } else { 401 },
            vec![("date", date)],
            "{\"tasks\":[]}".to_owned(),
        )
    })
    .await
}

#[tokio::test]
async fn a_clock_that_is_half_an_hour_off_costs_one_request() {
    for ahead in [TimeDelta::minutes(30), TimeDelta::minutes(-30)] {
        let server = server_ahead(ahead).await;
        let queue = client(&server);
        // It had no effect, so this one too may be asked again.
        queue.claim_work("p/w", &claim()).await.unwrap();
        assert_eq!(server.asked().len(), 2);
        queue.claim_work("p/w", &claim()).await.unwrap();
        queue
            .with_credentials(CredentialsHandle::new(credentials("task")))
            .ping()
            .await
            .unwrap();
        assert_eq!(server.asked().len(), 4);
        assert!((queue.server_time() - Utc::now() - ahead).abs() < TimeDelta::seconds(10));
    }
}

#[tokio::test]
async fn every_call_that_flew_when_the_clock_was_learned_is_signed_anew() {
    let server = server_ahead(TimeDelta::minutes(30)).await;
    let queue = client(&server);
    let calls = (0..8).map(|_| queue.ping());
    for answer in futures_util::future::join_all(calls).await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_with_a_clock_that_never_holds_still_is_asked_again_once() {
    let server = Server::start(|number, _| {
        let ahead = TimeDelta::hours(i64::try_from(number).unwrap() + 1);
        let date = (Utc::now() + ahead).to_rfc2822();
        let Answer::Http(status, _, body) = Answer::error(401, "AuthenticationFailed", "") else {
            unreachable!()
        };
        Answer::Http(status, vec![("date", date)], body)
    })
    .await;
    let error = client(&server).ping().await.unwrap_err();
    assert_eq!((error.status(), server.asked().len()), (Some(401), 2));
}

#[tokio::test]
async fn each_try_of_a_call_has_its_time() {
    let options = ClientOptions {
        call_timeout: Duration::from_millis(50),
        ..ClientOptions::default()
    };
    let server = answering(vec![], Answer::Silence).await;
    let queue = client_with(&server, options.clone());
    let error = queue.ping().await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::TimedOut);
    assert_eq!(server.asked().len(), 6);

    // A long poll has a time of its own.
    let server = answering(
        vec![],
        Answer::Late(Duration::from_millis(300), 200, "{\"tasks\":[]}".to_owned()),
    )
    .await;
    let queue = client_with(&server, options);
    assert!(queue.claim_work("p/w", &claim()).await.unwrap().tasks.is_empty());
}

#[tokio::test]
async fn an_answer_that_is_not_what_the_schema_says_is_told_apart() {
    for body in ["", "{", "{\"status\": {}}", "<html>"] {
        let server = answering(vec![], Answer::ok(body)).await;
        let error = client(&server).report_completed("task", 0).await.unwrap_err();
        assert_eq!(error.kind, CallErrorKind::BadAnswer, "{body:?}");
    }
}

#[tokio::test]
async fn no_more_is_read_of_an_answer_than_one_may_have() {
    let endless = " ".repeat((64 << 20) + 1);
    for status in [200, 400] {
        let server = answering(vec![], Answer::status(status, &endless)).await;
        let error = client(&server).claim_work("p/w", &claim()).await.unwrap_err();
        assert_eq!(error.kind, CallErrorKind::BadAnswer, "{status}");
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(why, "it is longer than 64 MiB");
    }
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let server = answering(vec![], Answer::HangUp).await;
    let queue = client(&server);
    let temporary = Credentials {
        certificate: Some("{\"signature\":\"no-one-may-see-this-either\"}".to_owned()),
        ..credentials("task")
    };
    let broken = Credentials {
        certificate: Some("no-one-may-see-this{".to_owned()),
        ..credentials("broken")
    };
    for credentials in [credentials("tester"), temporary, broken] {
        let handle = CredentialsHandle::new(credentials.clone());
        let queue = queue.with_credentials(handle.clone());
        let error = queue.claim_work("p/w", &claim()).await.unwrap_err();
        let mut shown = format!("{credentials:?} {handle:?} {queue:#?} {error} {error:?}");
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            shown.push_str(&format!(" {error}"));
            cause = error.source();
        }
        assert!(!shown.contains("no-one-may-see-this"), "{shown}");
        assert!(!shown.contains("mac="), "{shown}");
    }
}

#[tokio::test]
async fn a_request_is_signed_for_now() {
    let server = answering(vec![], Answer::ok("")).await;
    client(&server).ping().await.unwrap();
    let signed_at = server.asked()[0].signed_at();
    let off = SystemTime::now().duration_since(signed_at).unwrap_or_default();
    assert!(off < Duration::from_secs(60), "{off:?}");
}
