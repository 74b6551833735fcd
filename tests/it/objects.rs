//! Artifacts that the object service keeps.

use serde_json::json;

use crate::kit::{Call, Expected, Proxy, Scene, check};

#[tokio::test]
async fn artifacts_of_every_size_are_kept_by_the_object_service_as_they_are() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.queue().address()).await;
    let _worker = scene
        .worker()
        .all_plugins()
        .through(&proxy)
        .set("/artifacts/storageType", json!("object"))
        .start();
    let script = "touch empty.txt; echo few > few.txt; mkdir many; \
        for i in 1 2 3; do head -c 300000 /dev/zero | tr '\\0' $i > many/$i.txt; done";
    let payload = json!({
        "command": [["/bin/sh", "-euc", script]],
        "maxRunTime": 600,
        "artifacts": [
            {"type": "file", "path": "empty.txt", "name": "public/empty.txt"},
            {"type": "file", "path": "few.txt", "name": "public/few.txt", "contentEncoding": "identity"},
            {"type": "directory", "path": "many", "name": "public/many"},
            {"type": "file", "path": "missing", "name": "public/missing", "optional": true},
        ],
    });
    let task_id = scene.create_task(&payload).await;
    let expected = Expected::completed()
        .says("which keeps bytes as they are: none is compressed")
        .says("Artifacts: 5 uploaded (878.9 KiB), 0 failed, 1 left out");
    check(&scene, &task_id, "objects", &expected).await;
    let artifacts = scene.artifacts(&task_id, 0).await;
    for (name, first, size) in [
        ("public/empty.txt", "", 0),
        ("public/few.txt", "few\n", 4),
        ("public/many/1.txt", "1", 300_000),
        ("public/many/3.txt", "3", 300_000),
    ] {
        let fetched = scene.fetch(&task_id, name).await;
        assert!(
            fetched.text.starts_with(first) && fetched.text.len() == size,
            "{name}"
        );
        assert_eq!(
            (&*fetched.content_type, fetched.is_gzip),
            ("text/plain; charset=utf-8", false),
            "{name}"
        );
        assert_eq!(artifacts[name].storage_type, "object", "{name}");
    }
    for (name, storage_type) in [
        ("public/missing", "error"),
        ("public/logs/live.log", "link"),
        ("public/logs/live_backing.log", "object"),
    ] {
        assert_eq!(artifacts[name].storage_type, storage_type, "{name}");
    }
    // The large ones, and the log if it is not small: what is small goes with the call.
    assert!((3..=4).contains(&proxy.seen(Call::Put)));
}
