//! Workers that register: with the config of their pool, with credentials that are renewed, and ended by worker-manager.

use nix::sys::signal::Signal;
use queue::wire::TaskState;
use serde_json::{Value, json};

use crate::kit::{
    Admin, Call, Definition, Expected, Fault, Proxy, Scene, WorkerOptions, check, eventually, segment, shell,
};

/// What the worker proves with that it is the one that was created: of the length of real ones.
const STATIC_SECRET: &str = "s3cret-static-012345678901234567890123456789";
/// The pool of all tests, and its worker of the default group.
const POOL: &str = "test/it";
const WORKER: &str = "worker-manager/v1/workers/test%2Fit/local/worker";

/// Creates the pool with a definition, and in it the worker.
async fn create_pool(admin: &Admin, config: Value) {
    let pool = json!({
        "providerId": "static",
        "description": "",
        "owner": "nobody@localhost",
        "emailOnError": false,
        "config": config,
    });
    let path = format!("worker-manager/v1/worker-pool/{}", segment(POOL));
    admin.call("PUT", &path, Some(pool)).await;
    create_worker(admin).await;
}

async fn create_worker(admin: &Admin) {
    let worker = json!({
        "expires": "2999-01-01T00:00:00.000Z",
        "capacity": 1,
        "providerInfo": {"staticSecret": STATIC_SECRET},
    });
    admin.call("PUT", WORKER, Some(worker)).await;
}

/// A worker without credentials.
fn registering<'a>(scene: &'a Scene, root_url: &str, more: &[(&str, Value)]) -> WorkerOptions<'a> {
    let mut manager = json!({
        "providerType": "static",
        "providerId": "static",
        "staticSecret": {"$env": "STATIC_SECRET"},
    });
    for (key, value) in more {
        manager[key] = value.clone();
    }
    let taskcluster = json!({"rootUrl": root_url, "workerManager": manager});
    scene
        .worker()
        .set("/taskcluster", taskcluster)
        .variable("STATIC_SECRET", STATIC_SECRET)
}

/// Whether worker-manager knows the worker.
async fn is_known(admin: &Admin) -> bool {
    match admin.try_call("GET", WORKER, None).await {
        (200, worker) => worker["state"] == "running",
        (404, _) => false,
        (status, answer) => panic!("{status} {answer}"),
    }
}

#[tokio::test]
async fn a_worker_registers_and_has_the_config_of_its_pool_and_of_its_pools_secret() {
    let scene = Scene::new().await;
    let admin = scene.admin();
    let ours = json!({"engines": {"native": {"environment": {
        "FROM_POOL": "pool",
        "FROM_BOTH": "pool",
        "TOKEN": {"$secret": "worker-pool:test/it", "key": "more.token"},
    }}}});
    let config =
        json!({"workerConfig": {"taskclusterWorker": {"config": ours}, "genericWorker": {"config": {}}}});
    create_pool(&admin, config).await;
    let over = json!({"engines": {"native": {"environment": {"FROM_BOTH": "s3cret-of-pool"}}}});
    let secret = json!({"config": over, "files": [], "more": {"token": "s3cret-token"}});
    admin.set_secret("worker-pool:test/it", secret).await;
    let mut worker = registering(&scene, scene.queue().root_url(), &[])
        .set(
            "/engines/native/environment",
            json!({"FROM_FILE": "file", "FROM_POOL": "file"}),
        )
        .start();
    let script = r#"test "$FROM_FILE/$FROM_POOL/$FROM_BOTH/$TOKEN" = file/pool/s3cret-of-pool/s3cret-token"#;
    let task_id = scene.create_task(&shell(script)).await;
    check(&scene, &task_id, "with all variables", &Expected::completed()).await;
    assert!(is_known(&admin).await);
    worker.stop(1).await;
    assert_eq!(worker.ended().await, Some(0));
    // It may begin again.
    assert!(is_known(&admin).await);
    let said = worker.err();
    assert!(said.contains("registered with worker-manager"), "{said}");
    assert!(!said.contains("s3cret"), "a secret is in the log");
}

#[tokio::test]
async fn credentials_are_renewed_while_a_task_runs() {
    let scene = Scene::new().await;
    let admin = scene.admin();
    create_pool(
        &admin,
        json!({"lifecycle": {"reregistrationTimeout": 4}, "workerConfig": {}}),
    )
    .await;
    let mut worker = registering(&scene, scene.queue().root_url(), &[]).start();
    let gate = scene.home().path().join("gate");
    let script = format!("while ! test -e {}; do sleep 0.01; done", gate.display());
    let task_id = scene.create_task(&shell(&script)).await;
    worker.until_stage(&task_id, "running").await;
    // The first ones are over when those after them are renewed for the second time.
    eventually("the credentials are renewed again and again", async || {
        (worker.err().matches("credentials are renewed").count() >= 3).then_some(())
    })
    .await;
    std::fs::write(&gate, "").unwrap();
    check(&scene, &task_id, "a long task", &Expected::completed()).await;
    let next = scene.create_task(&shell("true")).await;
    check(
        &scene,
        &next,
        "claimed with new credentials",
        &Expected::completed(),
    )
    .await;
}

#[tokio::test]
async fn a_worker_whose_credentials_can_not_be_renewed_gives_its_task_back() {
    let scene = Scene::new().await;
    let admin = scene.admin();
    create_pool(
        &admin,
        json!({"lifecycle": {"reregistrationTimeout": 8}, "workerConfig": {}}),
    )
    .await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let mut worker = registering(&scene, &proxy.root_url(), &[]).start();
    let task_id = scene
        .create(&Definition::new(&shell("sleep 100000")).retries(1))
        .await;
    worker.until_stage(&task_id, "running").await;
    // Neither a renewal nor a new registration is granted from now on.
    proxy.fault(Call::Other, Fault::Status(400), usize::MAX);
    assert_eq!(worker.ended().await, Some(0));
    assert!(worker.err().contains("reason=CredentialsEnd"), "{}", worker.err());
    let status = scene.status(&task_id).await;
    assert_eq!(status.runs[0].reason_resolved.as_deref(), Some("worker-shutdown"));
    assert_eq!(status.state, TaskState::Pending);
}

#[tokio::test]
async fn a_worker_is_removed_at_its_end_where_that_is_wanted() {
    let scene = Scene::new().await;
    let admin = scene.admin();
    create_pool(&admin, json!({"workerConfig": {}})).await;
    let mut worker = registering(&scene, scene.queue().root_url(), &[("removeAtEnd", json!(true))])
        .task_limit(1)
        .start();
    let task_id = scene.create_task(&shell("true")).await;
    check(&scene, &task_id, "the only task", &Expected::completed()).await;
    assert_eq!(worker.ended().await, Some(0));
    assert!(!is_known(&admin).await);
    // And says what helps when it is started again.
    worker.restart(scene.home());
    assert_eq!(worker.ended().await, Some(4));
    assert!(worker.err().contains("createWorker"), "{}", worker.err());
}

#[tokio::test]
async fn an_idle_worker_that_is_one_too_many_ends() {
    let scene = Scene::new().await;
    let admin = scene.admin();
    create_pool(&admin, json!({"workerConfig": {}})).await;
    let mut worker = registering(&scene, scene.queue().root_url(), &[]).start();
    let task_id = scene.create_task(&shell("true")).await;
    check(&scene, &task_id, "before", &Expected::completed()).await;
    let path = format!("worker-manager/v1/worker-pool/{}", segment(POOL));
    admin.call("DELETE", &path, None).await;
    assert_eq!(worker.ended().await, Some(0));
    assert!(worker.err().contains("reason=WorkerManager"), "{}", worker.err());
}

#[tokio::test]
async fn a_worker_that_is_idle_for_too_long_ends() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().set("/worker/idleTimeout", json!("1ms")).start();
    assert_eq!(worker.ended().await, Some(0));
    assert!(worker.err().contains("reason=Idle"), "{}", worker.err());
}

#[tokio::test]
async fn a_refused_registration_says_what_to_look_at_and_shows_no_secret() {
    let scene = Scene::new().await;
    let admin = scene.admin();
    create_pool(&admin, json!({"workerConfig": {}})).await;
    let mut worker = registering(&scene, scene.queue().root_url(), &[])
        .variable("STATIC_SECRET", "s3cret-of-another-worker-0123456789012345678")
        .start();
    assert_eq!(worker.ended().await, Some(4));
    let said = worker.err();
    for words in [
        "local/worker",
        "pool test/it",
        "provider static",
        "staticSecret",
        "createWorker",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(!said.contains("s3cret"), "a secret is in the log");
}

#[tokio::test]
async fn a_wrong_config_of_the_pool_is_told_to_the_worker_and_to_the_pools_owners() {
    let scene = Scene::new().await;
    let admin = scene.admin();
    let ours = json!({"worker": {"concurency": 2, "workerId": "other"}});
    create_pool(
        &admin,
        json!({"workerConfig": {"taskclusterWorker": {"config": ours}}}),
    )
    .await;
    let mut worker = registering(&scene, scene.queue().root_url(), &[]).start();
    assert_eq!(worker.ended().await, Some(2));
    let expected = "the pool's config in worker-manager: worker.workerId can't be set here";
    assert!(worker.err().contains(expected), "{}", worker.err());
    let path = format!("worker-manager/v1/worker-pool-errors/{}", segment(POOL));
    let errors = admin.call("GET", &path, None).await;
    let errors = errors["workerPoolErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["title"], "the worker's config is wrong");
    let description = errors[0]["description"].as_str().unwrap();
    assert!(description.contains(expected), "{description}");
}

#[tokio::test]
async fn a_worker_waits_for_its_deployment_and_can_be_stopped_meanwhile() {
    let scene = Scene::new().await;
    // Nobody listens there.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let root_url = format!("http://{}", nowhere.local_addr().unwrap());
    drop(nowhere);
    let mut worker = registering(&scene, &root_url, &[]).start();
    worker.until_err("waiting for worker-manager").await;
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().await, Some(0));
}

#[tokio::test]
async fn a_quarantined_worker_gets_no_tasks_until_it_is_released() {
    let scene = Scene::new().await;
    let admin = scene.admin();
    let proxy = Proxy::start(scene.queue().address()).await;
    let worker = scene.worker().through(&proxy).start();
    // The queue knows a worker once it has claimed.
    proxy.until_seen(Call::Claim, 1).await;
    let path = "queue/v1/provisioners/test/worker-types/it/workers/local/worker";
    let quarantine = async |until: &str| {
        let body = json!({"quarantineUntil": until, "quarantineInfo": "a test"});
        admin.call("PUT", path, Some(body)).await;
    };
    quarantine("2999-01-01T00:00:00.000Z").await;
    // A claim that was open before is over when the next one arrives.
    proxy.until_seen(Call::Claim, proxy.seen(Call::Claim) + 1).await;
    let task_id = scene.create_task(&shell("true")).await;
    proxy.until_seen(Call::Claim, proxy.seen(Call::Claim) + 1).await;
    assert_eq!(scene.status(&task_id).await.state, TaskState::Pending);
    quarantine("2000-01-01T00:00:00.000Z").await;
    check(&scene, &task_id, "released", &Expected::completed()).await;
    drop(worker);
}
