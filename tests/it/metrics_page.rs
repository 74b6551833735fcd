//! The page that monitoring reads.

use serde_json::json;

use crate::{
    kit::{Expected, Plugin, Scene, WorkerOptions, WorkerProcess, check_all, eventually},
    named_by_tests::{MISBEHAVE, RECORDER},
};

/// A worker with a page on a port of its own.
fn worker(scene: &Scene) -> WorkerOptions<'_> {
    scene.worker().mock().set("/metrics/listen", json!("127.0.0.1:0"))
}

/// Where the page is.
async fn url(worker: &mut WorkerProcess) -> String {
    worker.until_err("metrics are served").await;
    let log = worker.err();
    let line = log
        .lines()
        .find(|line| line.contains("metrics are served"))
        .unwrap();
    let (_, address) = line.split_once("address=").unwrap();
    format!("http://{}/metrics", address.trim())
}

/// The value of a sample, by its name and what its labels hold.
fn sample(page: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let line = page.lines().find(|line| {
        let rest = line
            .strip_prefix("taskcluster_worker_")
            .and_then(|line| line.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    })?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[tokio::test]
async fn the_page_tells_what_the_worker_and_its_plugins_have_done() {
    let scene = Scene::new().await;
    let mut worker = worker(&scene)
        .concurrency(2)
        .plugin(Plugin::misbehaving(MISBEHAVE, &[]))
        .plugin(Plugin::misbehaving(RECORDER, &[]))
        .set("/plugins/faultLimit", json!(1))
        .set("/plugins/misbehave", json!({"required": false}))
        .start();
    let url = url(&mut worker).await;
    let misbehaved = json!({"steps": [], "misbehave": {"hook": "stopped", "how": "trap"}});
    check_all(
        &scene,
        vec![
            ("one that succeeds", json!({"steps": []}), Expected::completed()),
            ("one that breaks a plugin", misbehaved, Expected::completed()),
            (
                "one that is wrong",
                json!({}),
                Expected::exception("malformed-payload"),
            ),
        ],
    )
    .await;
    let page = eventually("the runs are over", async || {
        let page = scene.http.get(&url).send().await.unwrap().text().await.unwrap();
        (sample(&page, "running", &[]) == Some(0.0)).then_some(page)
    })
    .await;
    let stopped = |plugin| [plugin, "hook=\"stopped\""];
    let (bad, good) = ("plugin=\"misbehave\"", "plugin=\"recorder\"");
    for (name, labels, value) in [
        ("claims_total", vec![], 3.0),
        ("lost_claims_total", vec![], 0.0),
        ("capacity", vec![], 2.0),
        ("runs_total", vec!["resolution=\"completed\""], 2.0),
        (
            "runs_total",
            vec!["resolution=\"exception/malformed-payload\""],
            1.0,
        ),
        ("plugin_hook_calls_total", stopped(good).to_vec(), 2.0),
        ("plugin_hook_traps_total", stopped(bad).to_vec(), 1.0),
        ("plugin_hook_traps_total", stopped(good).to_vec(), 0.0),
        ("plugin_quarantined", vec![bad], 1.0),
        ("plugin_quarantined", vec![good], 0.0),
        ("plugin_faults", vec![bad], 1.0),
    ] {
        assert_eq!(
            sample(&page, name, &labels),
            Some(value),
            "{name} {labels:?}\n{page}"
        );
    }
    for (name, labels) in [
        ("uptime_seconds", vec![]),
        ("plugin_hook_seconds_total", stopped(good).to_vec()),
        ("plugin_hook_longest_seconds", stopped(good).to_vec()),
    ] {
        assert!(
            sample(&page, name, &labels).unwrap() > 0.0,
            "{name} {labels:?}\n{page}"
        );
    }
    // With the next look at what is in service.
    eventually("the plugin is out of service", async || {
        let page = scene.http.get(&url).send().await.unwrap().text().await.unwrap();
        (sample(&page, "plugin_in_service", &[good]) == Some(1.0)
            && sample(&page, "plugin_in_service", &[bad]) == Some(0.0))
        .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_lacks_a_plugin_shows_it_on_the_page() {
    let scene = Scene::new().await;
    let mut worker = worker(&scene)
        .plugin(Plugin::misbehaving(MISBEHAVE, &[]))
        .set("/plugins/faultLimit", json!(1))
        .start();
    let url = url(&mut worker).await;
    let misbehaved = json!({"steps": [], "misbehave": {"hook": "stopped", "how": "trap"}});
    let broke = Expected::exception("internal-error");
    check_all(&scene, vec![("one that breaks it", misbehaved, broke)]).await;
    eventually("the page says so", async || {
        let page = scene.http.get(&url).send().await.unwrap().text().await.unwrap();
        (sample(&page, "lacking_plugins", &[]) == Some(1.0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nothing_is_served_but_the_page_and_it_can_only_be_read() {
    let scene = Scene::new().await;
    let mut worker = worker(&scene).start();
    let url = url(&mut worker).await;
    let page = scene.http.get(&url).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(
        page.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for other in ["", "/", "/metrics/x", "/debug"] {
        let other = url.replace("/metrics", other);
        assert_eq!(
            scene.http.get(&other).send().await.unwrap().status(),
            404,
            "{other}"
        );
    }
    let put = scene.http.put(&url).body("x").send().await.unwrap();
    assert_eq!(put.status(), 405);
    worker.stop(1).await;
    assert_eq!(worker.ended().await, Some(0));
    assert!(scene.http.get(&url).send().await.is_err());
}

#[tokio::test]
async fn without_an_address_there_is_no_page() {
    let scene = Scene::new().await;
    let worker = scene.worker().mock().start();
    check_all(
        &scene,
        vec![("a task", json!({"steps": []}), Expected::completed())],
    )
    .await;
    assert!(!worker.err().contains("metrics are served"), "{}", worker.err());
}

#[tokio::test]
async fn a_worker_whose_page_can_not_be_served_does_not_begin() {
    let scene = Scene::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut worker = worker(&scene)
        .set("/metrics/listen", json!(address.to_string()))
        .start();
    assert_eq!(worker.ended().await, Some(4));
    let said = format!("the page /metrics can't be served on {address}");
    assert!(worker.err().contains(&said), "{}", worker.err());
}
