//! Which artifacts there are, whatever fails, and that schemas and types agree.

use std::cell::RefCell;

use plugin_sdk::{Error, log::Level, testing::agreement};
use serde_json::{Value, json};

use super::*;
use crate::publish::Host;

const LIVE: &str = "public/logs/live.log";
const BACKING: &str = "public/logs/live_backing.log";
const DEADLINE: &str = "2026-08-22T17:00:00.000Z";

/// Writes down what is asked of it, and refuses one thing.
#[derive(Default)]
struct Fake {
    done: RefCell<Vec<String>>,
    refuses: RefCell<Option<(&'static str, Error)>>,
}

impl Fake {
    fn refusing(what: &'static str, error: Error) -> Self {
        Self {
            done: RefCell::default(),
            refuses: RefCell::new(Some((what, error))),
        }
    }

    fn answer(&self, what: &'static str, done: String) -> Result<(), Error> {
        match &*self.refuses.borrow() {
            Some((refused, error)) if *refused == what => Err(error.clone()),
            _ => {
                self.done.borrow_mut().push(done);
                Ok(())
            }
        }
    }

    fn done(&self) -> Vec<String> {
        self.done.take()
    }
}

impl Host for Fake {
    fn live_url(&self) -> Result<String, Error> {
        match &*self.refuses.borrow() {
            Some(("live_url", error)) => Err(error.clone()),
            _ => Ok("http://here/log".to_owned()),
        }
    }

    fn reference(&self, name: &str, url: &str, expires: &str) -> Result<(), Error> {
        self.answer("reference", format!("reference {name} {url} {expires}"))
    }

    fn upload_log(&self, name: &str) -> Result<(), Error> {
        self.answer("upload", format!("upload {name}"))
    }

    fn link(&self, name: &str, target: &str) -> Result<(), Error> {
        self.answer("link", format!("link {name} {target}"))
    }

    fn tell_task(&self, level: Level, line: &str) {
        self.done.borrow_mut().push(format!("task {level:?} {line}"));
    }

    fn tell_worker(&self, level: Level, line: &str) {
        self.done.borrow_mut().push(format!("worker {level:?} {line}"));
    }
}

fn artifacts(payload: Value) -> (LogArtifacts, Option<String>) {
    read(serde_json::from_value(payload).unwrap())
}

#[test]
fn schemas_and_types_agree() {
    agreement::<Payload>(
        LiveLog::PAYLOAD_SCHEMA,
        &[
            json!({}),
            json!({"features": {}, "logs": {}}),
            json!({"features": {"liveLog": false}}),
            json!({"features": {"backingLog": false}, "logs": {"live": "a b"}}),
            json!({"logs": {"backing": "public/~.log"}}),
        ],
        &[
            json!({"features": {"liveLog": "yes"}}),
            json!({"features": {"livelog": true}}),
            json!({"logs": {"live": ""}}),
            json!({"logs": {"live": "ä"}}),
            json!({"logs": {"live": "a\nb"}}),
            json!({"logs": {"backing": "a".repeat(1025)}}),
            json!({"logs": {"backing": null}}),
            json!({"logs": {"other": "a"}}),
        ],
    )
    .unwrap();
    agreement::<NoConfig>(LiveLog::CONFIG_SCHEMA, &[json!({})], &[json!({"live": "a"})]).unwrap();
}

#[test]
fn the_live_log_refers_to_the_log_and_then_links_to_what_is_stored() {
    let (mut artifacts, problem) = artifacts(json!({}));
    assert_eq!(problem, None);
    let host = Fake::default();
    artifacts.announce(&host, DEADLINE);
    assert_eq!(
        host.done(),
        [format!("reference {LIVE} http://here/log {DEADLINE}")]
    );
    artifacts.store(&host).unwrap();
    assert_eq!(
        host.done(),
        [format!("upload {BACKING}"), format!("link {LIVE} {BACKING}")]
    );
}

#[test]
fn a_task_names_its_logs() {
    let (mut artifacts, problem) = artifacts(json!({"logs": {"live": "a", "backing": "b"}}));
    assert_eq!(problem, None);
    let host = Fake::default();
    artifacts.announce(&host, DEADLINE);
    artifacts.store(&host).unwrap();
    assert_eq!(
        host.done(),
        [
            format!("reference a http://here/log {DEADLINE}"),
            "upload b".to_owned(),
            "link a b".to_owned()
        ]
    );
}

#[test]
fn logs_that_are_not_wanted_are_not_there() {
    for (features, expected) in [
        (json!({"liveLog": false}), vec![format!("upload {BACKING}")]),
        (
            json!({"backingLog": false}),
            vec![format!("reference {LIVE} http://here/log {DEADLINE}")],
        ),
        (json!({"liveLog": false, "backingLog": false}), vec![]),
    ] {
        let (mut artifacts, _) = artifacts(json!({"features": features}));
        let host = Fake::default();
        artifacts.announce(&host, DEADLINE);
        artifacts.store(&host).unwrap();
        assert_eq!(host.done(), expected);
    }
}

#[test]
fn a_log_that_can_not_be_followed_is_stored_and_linked_all_the_same() {
    for refused in ["live_url", "reference"] {
        let (mut artifacts, _) = artifacts(json!({}));
        let host = Fake::refusing(refused, Error::NotSupported("no logs here".to_owned()));
        artifacts.announce(&host, DEADLINE);
        assert_eq!(
            host.done(),
            [format!(
                "task Level::Warn The log can't be followed at {LIVE}: no logs here"
            )]
        );
        artifacts.store(&host).unwrap();
        assert_eq!(
            host.done(),
            [format!("upload {BACKING}"), format!("link {LIVE} {BACKING}")]
        );
    }
}

#[test]
fn one_name_for_both_is_malformed_and_the_log_that_says_so_is_stored() {
    let (mut artifacts, problem) = artifacts(json!({"logs": {"live": "a", "backing": "a"}}));
    assert!(problem.unwrap().ends_with("both are a"));
    let host = Fake::default();
    artifacts.store(&host).unwrap();
    assert_eq!(
        host.done(),
        [format!("upload {BACKING}"), format!("link {LIVE} {BACKING}")]
    );
}

#[test]
fn after_an_exception_only_what_is_missing_is_done() {
    let (mut artifacts, _) = artifacts(json!({}));
    let host = Fake::refusing("link", Error::Unavailable("the queue is down".to_owned()));
    assert!(matches!(artifacts.store(&host), Err(Error::Unavailable(_))));
    assert_eq!(host.done(), [format!("upload {BACKING}")]);
    host.refuses.take();
    artifacts.store_if_possible(&host, ExceptionReason::ResourceUnavailable);
    assert_eq!(host.done(), [format!("link {LIVE} {BACKING}")]);
    artifacts.store_if_possible(&host, ExceptionReason::ResourceUnavailable);
    assert!(host.done().is_empty());
}

#[test]
fn a_log_that_can_not_be_stored_after_an_exception_is_told_to_the_worker() {
    for (reason, level) in [
        (ExceptionReason::ClaimLost, "Info"),
        (ExceptionReason::Canceled, "Warn"),
    ] {
        let (mut artifacts, _) = artifacts(json!({}));
        let host = Fake::refusing("upload", Error::Conflict("the run is over".to_owned()));
        artifacts.store_if_possible(&host, reason);
        assert_eq!(
            host.done(),
            [format!(
                "worker Level::{level} the log of a run could not be stored: the run is over"
            )]
        );
    }
}
