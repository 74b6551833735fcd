//! Artifacts: what a task lists is published as it says; what can't be is told, and fails the task.

use std::os::unix::fs::symlink;

use chrono::TimeDelta;
use queue::wire::{ArtifactContent, timestamp};
use serde_json::{Value, json};

use crate::{
    kit::{Definition, Expected, Scene, check, check_all},
    named_by_tests::ARTIFACTS,
};

/// A payload of a script and what is published of what it leaves behind.
fn publish(script: &str, artifacts: Value) -> Value {
    json!({"command": [["/bin/sh", "-euc", script]], "maxRunTime": 600, "artifacts": artifacts})
}

#[tokio::test]
async fn files_are_published_as_the_payload_says() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let script = "for file in a.txt plain b.png c.jsonl d.log e.html f; do echo $file > $file; done";
    let payload = publish(
        script,
        json!([
            {"type": "file", "path": "a.txt"},
            {"type": "file", "path": "plain", "name": "public/plain"},
            {"type": "file", "path": "b.png", "name": "public/b.png"},
            {"type": "file", "path": "c.jsonl", "name": "public/c.jsonl"},
            {"type": "file", "path": "d.log", "name": "public/d.log"},
            {"type": "file", "path": "e.html", "name": "public/e", "contentType": "text/x-own"},
            {"type": "file", "path": "f", "name": "public/f.txt", "contentEncoding": "identity"},
            {"type": "file", "path": "nowhere", "name": "public/nowhere", "optional": true},
        ]),
    );
    let task_id = scene.create_task(&payload).await;
    check(&scene, &task_id, "files", &Expected::completed()).await;
    let artifacts = scene.artifacts(&task_id, 0).await;
    for (name, text, content_type, is_gzip) in [
        ("a.txt", "a.txt\n", "text/plain; charset=utf-8", true),
        ("public/plain", "plain\n", "application/octet-stream", true),
        ("public/b.png", "b.png\n", "image/png", false),
        ("public/c.jsonl", "c.jsonl\n", "application/jsonl", true),
        ("public/d.log", "d.log\n", "text/plain", true),
        ("public/e", "e.html\n", "text/x-own", true),
        ("public/f.txt", "f\n", "text/plain; charset=utf-8", false),
    ] {
        let fetched = scene.fetch(&task_id, name).await;
        assert_eq!(
            (&*fetched.text, &*fetched.content_type, fetched.is_gzip),
            (text, content_type, is_gzip),
            "{name}"
        );
        let artifact = &artifacts[name];
        assert_eq!(
            (&*artifact.storage_type, &*artifact.content_type),
            ("s3", content_type),
            "{name}"
        );
        let length = artifact.content_length.unwrap();
        assert!(is_gzip || length == text.len() as u64, "{name}: {length}");
        assert_eq!(artifact.expires, scene.status(&task_id).await.expires, "{name}");
    }
    assert_eq!(artifacts["public/nowhere"].storage_type, "error");
}

#[tokio::test]
async fn every_file_of_a_directory_is_published() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let script = "mkdir -p out/deep/er out/empty; echo 1 > out/1.txt; echo 2 > out/deep/2.json; echo 3 > out/deep/er/3";
    let list = json!([
        {"type": "directory", "path": "out", "name": "public/out"},
        {"type": "directory", "path": "out/empty", "name": "public/empty"},
        {"type": "directory", "path": "out/deep", "contentType": "text/x-own", "contentEncoding": "identity"},
    ]);
    let task_id = scene.create_task(&publish(script, list)).await;
    check(&scene, &task_id, "directories", &Expected::completed()).await;
    let mut names: Vec<String> = scene.artifacts(&task_id, 0).await.into_keys().collect();
    names.retain(|name| !name.starts_with("public/logs/"));
    assert_eq!(
        names,
        [
            "out/deep/2.json",
            "out/deep/er/3",
            "public/out/1.txt",
            "public/out/deep/2.json",
            "public/out/deep/er/3"
        ]
    );
    assert_eq!(scene.fetch(&task_id, "public/out/deep/er/3").await.text, "3\n");
    let own = scene.fetch(&task_id, "out/deep/2.json").await;
    assert_eq!((&*own.content_type, own.is_gzip), ("text/x-own", false));
}

#[tokio::test]
async fn what_is_not_there_fails_the_task_and_the_rest_is_published() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let list = json!([
        {"type": "file", "path": "missing", "name": "public/missing"},
        {"type": "directory", "path": "missing", "name": "public/missing-folder"},
        {"type": "file", "path": "folder", "name": "public/folder"},
        {"type": "directory", "path": "file", "name": "public/file-as-folder"},
        {"type": "file", "path": "file", "name": "public/file"},
    ]);
    let task_id = scene
        .create_task(&publish("mkdir folder; echo here > file", list))
        .await;
    let expected = Expected::failed().says("TASK FAILURE during artifact upload: file-missing-on-worker");
    check(&scene, &task_id, "missing", &expected).await;
    for (name, reason) in [
        ("public/missing", "file-missing-on-worker"),
        ("public/missing-folder", "file-missing-on-worker"),
        ("public/folder", "invalid-resource-on-worker"),
        ("public/file-as-folder", "invalid-resource-on-worker"),
    ] {
        let ArtifactContent::Error {
            reason: found,
            message,
        } = scene.place(&task_id, name).await
        else {
            panic!("{name} is no error")
        };
        assert_eq!(found, reason, "{name}: {message}");
    }
    assert_eq!(scene.fetch(&task_id, "public/file").await.text, "here\n");
}

#[tokio::test]
async fn artifacts_of_a_command_that_failed_are_published() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let list = json!([{"type": "file", "path": "report", "name": "public/report"}]);
    let task_id = scene
        .create_task(&publish("echo why > report; exit 1", list))
        .await;
    check(&scene, &task_id, "failed", &Expected::failed()).await;
    assert_eq!(scene.fetch(&task_id, "public/report").await.text, "why\n");
}

#[tokio::test]
async fn one_name_may_be_listed_twice_only_for_the_same() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().concurrency(4).start();
    let script = "mkdir d; echo a > d/a.txt; echo b > b.txt";
    let file = |path: &str, name: &str| json!({"type": "file", "path": path, "name": name});
    let folder = json!({"type": "directory", "path": "d", "name": "public/d"});
    let other_type =
        json!({"type": "file", "path": "b.txt", "name": "public/b", "contentType": "text/x-own"});
    check_all(
        &scene,
        vec![
            (
                "a file twice",
                publish(
                    script,
                    json!([file("b.txt", "public/b"), file("b.txt", "public/b")]),
                ),
                Expected::completed(),
            ),
            (
                "as a file and in a directory",
                publish(script, json!([file("d/a.txt", "public/d/a.txt"), folder])),
                Expected::completed(),
            ),
            (
                "two files",
                publish(
                    script,
                    json!([file("b.txt", "public/b"), file("d/a.txt", "public/b")]),
                ),
                Expected::exception("malformed-payload").says("with the same name, public/b"),
            ),
            (
                "two content types",
                publish(script, json!([file("b.txt", "public/b"), other_type])),
                Expected::exception("malformed-payload").says("with the same name, public/b"),
            ),
            (
                "another file, in a directory",
                publish(script, json!([file("b.txt", "public/d/a.txt"), folder])),
                Expected::exception("malformed-payload")
                    .says("artifact public/d/a.txt can't be published twice"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn artifacts_expire_between_the_tasks_deadline_and_its_end() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().concurrency(4).start();
    let definition = Definition::new(&json!({}));
    let (deadline, expires) = (definition.time("deadline"), definition.time("expires"));
    let hour = TimeDelta::hours(1);
    let malformed = Expected::exception("malformed-payload");
    let mut tasks = Vec::new();
    for (what, time, expected) in [
        (
            "before the deadline",
            deadline - hour,
            malformed.clone().says("is before the task's deadline"),
        ),
        ("at the deadline", deadline, Expected::completed()),
        ("between", deadline + hour, Expected::completed()),
        ("with the task", expires, Expected::completed()),
        (
            "after the task",
            expires + hour,
            malformed.says("is after the task expires"),
        ),
    ] {
        let list =
            json!([{"type": "file", "path": "a", "name": "public/a", "expires": timestamp::format(&time)}]);
        let task_id = scene
            .create(&definition.clone().payload(publish("echo a > a", list)))
            .await;
        tasks.push((what, time, task_id, expected));
    }
    for (what, time, task_id, expected) in tasks {
        check(&scene, &task_id, what, &expected).await;
        if expected.is_success() {
            assert_eq!(
                scene.artifacts(&task_id, 0).await["public/a"].expires,
                time,
                "{what}"
            );
        }
    }
}

#[tokio::test]
async fn absolute_paths_lead_into_the_tasks_folder_or_where_the_operator_allows() {
    let scene = Scene::new().await;
    let home = scene.home().path();
    let (shared, secret) = (home.join("shared"), home.join("secret"));
    for folder in [&shared, &secret] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("file"), "theirs").unwrap();
    }
    symlink(secret.join("file"), shared.join("link")).unwrap();
    let _worker = scene
        .worker()
        .all_plugins()
        .set("/engines/native/extractRoots", json!([shared]))
        .set(&format!("/plugins/{ARTIFACTS}/required"), json!(true))
        .start();
    let file = |path: std::path::PathBuf, name: &str| json!({"type": "file", "path": path, "name": name});
    let list = json!([
        file(shared.join("file"), "public/shared"),
        file(secret.join("file"), "public/secret"),
        file(shared.join("link"), "public/link"),
        file(shared.join("../secret/file"), "public/dots"),
        {"type": "file", "path": "../../../secret/file", "name": "public/relative"},
        {"type": "file", "path": "/etc/passwd", "name": "public/passwd"},
    ]);
    let task_id = scene.create_task(&publish("true", list)).await;
    check(&scene, &task_id, "absolute", &Expected::failed()).await;
    assert_eq!(scene.fetch(&task_id, "public/shared").await.text, "theirs");
    for name in [
        "public/secret",
        "public/link",
        "public/dots",
        "public/relative",
        "public/passwd",
    ] {
        let place = scene.place(&task_id, name).await;
        assert!(
            matches!(place, ArtifactContent::Error { .. }),
            "{name}: {place:?}"
        );
    }
}

#[tokio::test]
async fn a_file_with_more_bytes_than_the_operator_allows_is_an_error_and_holds_up_nothing() {
    let scene = Scene::new().await;
    let _worker = scene
        .worker()
        .all_plugins()
        .set("/engines/native/maxExtractBytes", json!(100))
        .set(&format!("/plugins/{ARTIFACTS}/required"), json!(true))
        .start();
    let list = json!([
        {"type": "file", "path": "sparse", "name": "public/sparse"},
        {"type": "directory", "path": "out", "name": "public/out"},
    ]);
    let script = "truncate -s 1T sparse; mkdir out; ln -s ../sparse out/link; echo fits > out/fits";
    let task_id = scene.create_task(&publish(script, list)).await;
    check(&scene, &task_id, "too large", &Expected::failed()).await;
    assert_eq!(scene.fetch(&task_id, "public/out/fits").await.text, "fits\n");
    for name in ["public/sparse", "public/out/link"] {
        match scene.place(&task_id, name).await {
            ArtifactContent::Error { reason, message, .. } => {
                assert_eq!(reason, "too-large-file-on-worker", "{name}");
                assert!(
                    message.ends_with("is larger than what may be published here"),
                    "{message}"
                );
            }
            place => panic!("{name}: {place:?}"),
        }
    }
}

#[tokio::test]
async fn no_link_leads_out_of_the_tasks_folder() {
    let scene = Scene::new().await;
    let secret = scene.home().path().join("secret");
    std::fs::create_dir(&secret).unwrap();
    std::fs::write(secret.join("file"), "s3cret").unwrap();
    let _worker = scene.worker().all_plugins().start();
    let script = format!(
        "mkdir out; echo own > out/own; ln -s own out/inside; ln -s {0}/file out/outside; ln -s {0} folder",
        secret.display()
    );
    let list = json!([
        {"type": "directory", "path": "out", "name": "public/out"},
        {"type": "file", "path": "folder/file", "name": "public/through"},
        {"type": "directory", "path": "folder", "name": "public/folder"},
    ]);
    let task_id = scene.create_task(&publish(&script, list)).await;
    check(
        &scene,
        &task_id,
        "links",
        &Expected::failed().says_nothing_of("s3cret"),
    )
    .await;
    let artifacts = scene.artifacts(&task_id, 0).await;
    for (name, artifact) in &artifacts {
        if artifact.storage_type == "s3" {
            assert!(
                !scene.fetch(&task_id, name).await.text.contains("s3cret"),
                "{name}"
            );
        }
    }
    assert_eq!(scene.fetch(&task_id, "public/out/own").await.text, "own\n");
    assert_eq!(artifacts["public/through"].storage_type, "error");
}

#[tokio::test]
async fn each_bad_file_of_a_directory_has_an_error_of_its_own_and_the_good_ones_are_published() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let script = "mkdir -p out/deep; for name in a z deep/m; do echo $name > out/$name; done; mkfifo out/pipe out/deep/pipe; \
        ln -s /etc/passwd out/outside; ln -s nothing out/nowhere; ln -s loop out/loop; echo x > out/\"$(printf 'b\\377d')\"";
    let list = json!([{"type": "directory", "path": "out", "name": "public/out"}]);
    let task_id = scene.create_task(&publish(script, list)).await;
    let expected = Expected::failed()
        .says("invalid-resource-on-worker: 'out/pipe' is there and is not a file")
        .says("invalid-resource-on-worker: 'out/deep/pipe' is there and is not a file")
        .says("invalid-resource-on-worker: 'out/outside' can't be published")
        .says("file-missing-on-worker: there is no file at 'out/nowhere'")
        .says("invalid-resource-on-worker: 'out/loop' can't be published")
        .says("(published as public/out/b%EF%BF%BDd)");
    check(&scene, &task_id, "bad files", &expected).await;
    for name in ["a", "z", "deep/m"] {
        let text = scene.fetch(&task_id, &format!("public/out/{name}")).await.text;
        assert_eq!(text, format!("{name}\n"));
    }
    for (name, reason) in [
        ("pipe", "invalid-resource-on-worker"),
        ("deep/pipe", "invalid-resource-on-worker"),
        ("outside", "invalid-resource-on-worker"),
        ("nowhere", "file-missing-on-worker"),
        ("loop", "invalid-resource-on-worker"),
        ("b%EF%BF%BDd", "invalid-resource-on-worker"),
    ] {
        let name = format!("public/out/{name}");
        let place = scene.place(&task_id, &name).await;
        let ArtifactContent::Error {
            reason: found,
            message,
        } = place
        else {
            panic!("{name} is no error: {place:?}")
        };
        assert_eq!(found, reason, "{name}: {message}");
    }
}

#[tokio::test]
async fn the_names_of_the_logs_are_not_for_artifacts() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let script = "mkdir -p public/logs; echo mine > public/logs/live.log; echo other > public/other";
    let list = json!([{"type": "directory", "path": "public"}]);
    let task_id = scene.create_task(&publish(script, list)).await;
    let expected = Expected::completed()
        .says("[taskcluster:warn")
        .says("Not uploading artifact public/logs/live.log");
    check(&scene, &task_id, "reserved", &expected).await;
    assert!(
        scene
            .fetch(&task_id, "public/logs/live.log")
            .await
            .text
            .contains("=== Task Starting ===")
    );
    assert_eq!(scene.fetch(&task_id, "public/other").await.text, "other\n");
}

#[tokio::test]
async fn a_name_that_no_artifact_can_have_fails_the_task_and_harms_nobody() {
    let scene = Scene::new().await;
    let mut worker = scene.worker().all_plugins().start();
    let list = json!([
        {"type": "file", "path": "a", "name": "public/\u{e4}.txt"},
        {"type": "file", "path": "a", "name": "public/a"},
    ]);
    let task_id = scene.create_task(&publish("echo a > a", list)).await;
    check(
        &scene,
        &task_id,
        "not ASCII",
        &Expected::failed().says("printable ASCII"),
    )
    .await;
    assert_eq!(
        scene.artifacts(&task_id, 0).await["public/%C3%A4.txt"].storage_type,
        "error"
    );
    assert_eq!(scene.fetch(&task_id, "public/a").await.text, "a\n");
    assert!(worker.runs());
}

#[tokio::test]
async fn a_large_file_and_many_files_arrive_whole() {
    let scene = Scene::new().await;
    let _worker = scene.worker().all_plugins().start();
    let script = "head -c 8000000 /dev/zero | tr '\\0' x > large; mkdir many; for i in $(seq 150); do echo $i > many/$i; done";
    let list = json!([
        {"type": "file", "path": "large", "name": "public/large", "contentEncoding": "identity"},
        {"type": "directory", "path": "many", "name": "public/many"},
    ]);
    let task_id = scene.create_task(&publish(script, list)).await;
    check(&scene, &task_id, "large", &Expected::completed()).await;
    let large = scene.fetch(&task_id, "public/large").await.text;
    assert!(large.len() == 8_000_000 && large.bytes().all(|byte| byte == b'x'));
    let artifacts = scene.artifacts(&task_id, 0).await;
    assert_eq!(
        artifacts
            .keys()
            .filter(|name| name.starts_with("public/many/"))
            .count(),
        150
    );
    assert_eq!(scene.fetch(&task_id, "public/many/77").await.text, "77\n");
}
