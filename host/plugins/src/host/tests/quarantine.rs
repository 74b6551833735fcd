//! Plugins with too many faults, and those that are required all the same.

use super::*;
use crate::faults::FaultKind;

/// Lets the plugin that is in service break too often.
fn break_it(host: &PluginHost, set: &crate::set::PluginSet) {
    let identity = set.plugins[0].identity();
    let faults = host.keeper.accounts().faults();
    for _ in 0..faults.policy().limit {
        faults.record(&identity, "started", FaultKind::Trap, "started trapped: x");
    }
}

#[tokio::test]
async fn what_breaks_too_often_is_out_of_service_until_there_is_another_file() {
    let place = Place::new();
    place.put("a.wasm", &Guest::named("a").wasm());
    let host = place.open().await.unwrap();
    let before = host.current().await;
    break_it(&host, &before);
    let after = host.current().await;
    assert_eq!(in_service(&before).len(), 1);
    assert_eq!(in_service(&after), []);
    assert_eq!(verdict_of(after.reports(), "a.wasm"), "quarantined");
    assert_eq!(host.lacking(&after), []);
    let other = Guest {
        version: "1.0.1",
        ..Guest::named("a")
    };
    place.put("a.wasm", &other.wasm());
    assert_eq!(in_service(&*host.current().await).len(), 1);
    host.shutdown().await;
}

#[tokio::test]
async fn a_former_version_does_not_stay_in_service_when_it_is_it_that_breaks() {
    let place = Place::new().with("a", json!({}));
    place.put("a.wasm", &Guest::named("a").wasm());
    let host = place.open().await.unwrap();
    place.put("a.wasm", b"no component");
    let former = host.current().await;
    assert_eq!(in_service(&former).len(), 1);
    break_it(&host, &former);
    let after = host.current().await;
    assert_eq!(in_service(&after), []);
    let lacking = host.lacking(&after);
    assert_eq!((lacking.len(), &*lacking[0].plugin), (1, "a"));
    host.shutdown().await;
}

#[tokio::test]
async fn a_worker_starts_without_a_required_plugin_that_is_in_quarantine_and_knows_that_it_lacks_it() {
    let place = Place::new().with("a", json!({}));
    place.put("a.wasm", &Guest::named("a").wasm());
    let host = place.open().await.unwrap();
    break_it(&host, &*host.current().await);
    host.shutdown().await;
    let host = place.open().await.unwrap();
    let set = host.current().await;
    let lacking = host.lacking(&set);
    assert_eq!(lacking.len(), 1);
    assert!(lacking[0].why.contains("3 faults"), "{}", lacking[0].why);
    let faults = host.keeper.accounts().faults();
    faults.release(set.reports()[0].sha256.as_ref().unwrap());
    let set = host.current().await;
    assert_eq!((in_service(&set).len(), host.lacking(&set).len()), (1, 0));
    host.shutdown().await;
    // One that is only missing ends it.
    let place = place.with("b", json!({}));
    assert!(matches!(place.open().await, Err(OpenError::Plugins(_))));
}
