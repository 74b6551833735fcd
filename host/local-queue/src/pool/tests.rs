//! The rules of pools and registrations, without services.

use serde_json::json;

use super::*;
use crate::{clock, error::Code};

fn at(seconds: i64) -> DateTime<Utc> {
    clock::from_millis(1_800_000_000_000) + TimeDelta::seconds(seconds)
}

fn pool(config: &Value) -> WorkerPool {
    WorkerPool {
        worker_pool_id: "proj/ci".to_owned(),
        provider_id: STATIC.to_owned(),
        description: String::new(),
        config: config.as_object().unwrap().clone(),
        owner: "o@example.com".to_owned(),
        email_on_error: false,
        created: at(0),
        last_modified: at(0),
    }
}

fn worker(expires: i64) -> ManagedWorker {
    ManagedWorker {
        name: WorkerName {
            worker_pool_id: "proj/ci".to_owned(),
            worker_group: "wg".to_owned(),
            worker_id: "w1".to_owned(),
        },
        provider_id: STATIC.to_owned(),
        state: WorkerState::Running,
        capacity: 1,
        created: at(0),
        expires: at(expires),
        last_modified: at(0),
        static_secret: Fingerprint::of("secret"),
        registration: None,
    }
}

#[test]
fn credentials_last_as_long_as_the_pool_says_and_no_longer_than_the_worker() {
    let hour = json!({ "lifecycle": { "reregistrationTimeout": 3600 } });
    for (config, expires, end) in [
        (&json!({}), 1_000_000, 96 * 3600),
        (&hour, 1_000_000, 3600),
        (&hour, 100, 100),
    ] {
        assert_eq!(pool(config).credentials_end(&worker(expires), at(0)), at(end));
    }
}

#[test]
fn only_the_worker_itself_may_register_and_only_while_it_is_to_run() {
    let check = |worker: &ManagedWorker, provider: &str, secret: Option<&str>| {
        worker
            .check_registration(provider, secret, at(10))
            .map_err(|error| {
                assert_eq!(error.code, Code::InputError);
                error.message
            })
    };
    let fresh = worker(20);
    assert_eq!(check(&fresh, STATIC, Some("secret")), Ok(()));
    let stopped = ManagedWorker {
        state: WorkerState::Stopped,
        ..fresh.clone()
    };
    for (worker, provider, secret, why) in [
        (&fresh, STATIC, Some("other"), "bad staticSecret"),
        (&fresh, STATIC, None, "bad staticSecret"),
        (&fresh, "other", Some("secret"), "does not have provider other"),
        (&stopped, STATIC, Some("secret"), "is stopped"),
        (&worker(9), STATIC, Some("secret"), "has expired"),
    ] {
        let refused = check(worker, provider, secret).unwrap_err();
        assert!(refused.ends_with(why), "{refused}");
    }
}

#[test]
fn a_registration_is_renewed_with_its_secret_alone() {
    let registered = ManagedWorker {
        registration: Some(Fingerprint::of("registered")),
        ..worker(20)
    };
    assert_eq!(registered.check_reregistration("registered", at(10)), Ok(()));
    for (worker, secret) in [
        (&registered, "secret"),
        (&worker(20), "registered"),
        (
            &ManagedWorker {
                state: WorkerState::Stopped,
                ..registered.clone()
            },
            "registered",
        ),
        (
            &ManagedWorker {
                expires: at(9),
                ..registered.clone()
            },
            "registered",
        ),
    ] {
        let refused = worker.check_reregistration(secret, at(10)).unwrap_err();
        assert_eq!(refused.code, Code::InputError);
    }
}

#[test]
fn a_worker_terminates_that_nobody_needs_any_more() {
    let deleted = WorkerPool {
        provider_id: NULL_PROVIDER.to_owned(),
        ..pool(&json!({}))
    };
    let stopped = ManagedWorker {
        state: WorkerState::Stopped,
        ..worker(20)
    };
    let kept = pool(&json!({}));
    assert_eq!(worker(20).reason_to_terminate(Some(&kept), at(10)), None);
    assert!(worker(9).reason_to_terminate(Some(&kept), at(10)).is_some());
    assert!(worker(20).reason_to_terminate(Some(&deleted), at(10)).is_some());
    assert!(worker(20).reason_to_terminate(None, at(10)).is_some());
    assert!(stopped.reason_to_terminate(Some(&kept), at(10)).is_some());
}

#[test]
fn a_config_is_one_that_its_provider_knows() {
    let check = |provider: &str, config: &Value| check_config(provider, config.as_object().unwrap());
    for config in [
        json!({}),
        json!({ "workerConfig": { "any": [1] }, "lifecycle": { "reregistrationTimeout": 0 } }),
    ] {
        assert_eq!(check(STATIC, &config), Ok(()));
    }
    assert_eq!(check(NULL_PROVIDER, &json!({ "launchConfigs": [] })), Ok(()));
    for config in [
        json!({ "launchConfigs": [] }),
        json!({ "workerConfig": [] }),
        json!({ "lifecycle": { "registrationTimeout": 1 } }),
        json!({ "lifecycle": { "reregistrationTimeout": 2_592_001 } }),
    ] {
        assert_eq!(
            check(STATIC, &config).unwrap_err().code,
            Code::InputValidationError
        );
    }
    assert_eq!(check("google", &json!({})).unwrap_err().code, Code::InputError);
}
