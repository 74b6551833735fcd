//! What was acknowledged is still there: after a restart, and after SIGKILL.

use std::{path::PathBuf, process::Stdio, time::Duration};

use queue::wire::{ArtifactContent, CreateArtifactResponse, TaskState};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{
    artifacts::s3,
    kit::{Fixture, QUEUE, any_port, claim_request, client_of, definition, expires, root},
};
use crate::{LocalQueue, Options, StartError};

#[tokio::test]
async fn a_restart_keeps_everything() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = claim.status.task_id.clone();
    let made = worker
        .create_artifact(&id, 0, "public/a", &s3("text/plain", expires()))
        .await
        .unwrap();
    let CreateArtifactResponse::S3 { put_url, .. } = made else {
        panic!("no address")
    };
    fixture.http.put(put_url).body("bytes").send().await.unwrap();
    let old = fixture.create(&definition(QUEUE)).await;
    let young = fixture.create(&definition(QUEUE)).await;
    let before = fixture.root().status(&id).await.unwrap().status;
    let artifacts = fixture
        .root()
        .list_artifacts(&id, 0, None)
        .await
        .unwrap()
        .artifacts;

    let fixture = fixture.restart().await;
    assert_eq!(fixture.root().status(&id).await.unwrap().status, before);
    assert_eq!(fixture.root().task(&id).await.unwrap(), claim.task);
    assert_eq!(
        fixture
            .root()
            .list_artifacts(&id, 0, None)
            .await
            .unwrap()
            .artifacts,
        artifacts
    );
    let ArtifactContent::S3 { url } = fixture.root().artifact(&id, 0, "public/a").await.unwrap() else {
        panic!("no content")
    };
    assert_eq!(
        fixture.http.get(url).send().await.unwrap().text().await.unwrap(),
        "bytes"
    );
    // What was given out before is still good, and what came first still does.
    let worker = fixture.client(claim.credentials);
    worker.reclaim_task(&id, 0).await.unwrap();
    worker.report_completed(&id, 0).await.unwrap();
    let third = fixture.create(&definition(QUEUE)).await;
    let order: Vec<String> = fixture
        .claim(QUEUE, 3)
        .await
        .into_iter()
        .map(|claim| claim.status.task_id)
        .collect();
    assert_eq!(order, [old, young, third]);
}

#[tokio::test]
async fn claims_that_ran_out_while_the_queue_was_down_are_resolved_at_its_start() {
    let fixture = Fixture::with_claims_of(Duration::from_millis(1)).await;
    let id = fixture.create(&definition(QUEUE)).await;
    fixture.claim(QUEUE, 1).await;
    let fixture = fixture.restart().await;
    let retry = fixture.claim(QUEUE, 1).await.remove(0);
    assert_eq!(retry.status.task_id, id);
    assert!(retry.run_id >= 1);
}

#[tokio::test]
async fn a_second_queue_on_the_same_directory_is_refused() {
    let fixture = Fixture::start().await;
    let options = Options::new(fixture.path().to_owned(), any_port(), root());
    let second = LocalQueue::start(options.clone()).await;
    assert!(matches!(second, Err(StartError::InUse { .. })), "{second:?}");
    fixture.root().ping().await.unwrap();
    fixture.queue.shutdown().await;
    LocalQueue::start(options).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_an_error_that_names_it() {
    let options = Options::new(PathBuf::from("/does/not/exist"), any_port(), root());
    let error = LocalQueue::start(options).await.unwrap_err();
    assert!(matches!(error, StartError::Directory { .. }), "{error:?}");
    assert!(error.to_string().contains("/does/not/exist"));
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(directory.path().join("queue.sqlite")).unwrap();
    database.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(database);
    let options = Options::new(directory.path().to_owned(), any_port(), root());
    let error = LocalQueue::start(options).await.unwrap_err();
    assert!(
        matches!(error, StartError::NewerDatabase { found: 99, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_task_that_has_expired_is_swept_away_with_all_that_it_has() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = claim.status.task_id.clone();
    let request = s3("text/plain", expires());
    let made = worker
        .create_artifact(&id, 0, "public/a", &request)
        .await
        .unwrap();
    let CreateArtifactResponse::S3 { put_url, .. } = made else {
        panic!("no address")
    };
    fixture.http.put(put_url).body("bytes").send().await.unwrap();
    let kept = fixture.create(&definition(QUEUE)).await;
    // A task can't expire before its deadline: so here it is years later.
    let database = rusqlite::Connection::open(fixture.path().join("queue.sqlite")).unwrap();
    for table in [
        "tasks SET expires = 1 WHERE task_id",
        "task_groups SET expires = 1 WHERE task_group_id",
    ] {
        database.execute(&format!("UPDATE {table} = ?1"), [&id]).unwrap();
    }
    drop(database);
    let fixture = fixture.restart().await;
    let files = || {
        std::fs::read_dir(fixture.path().join("artifacts"))
            .unwrap()
            .count()
    };
    while files() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(fixture.root().task(&id).await.unwrap_err().is_not_found());
    assert!(
        fixture
            .root()
            .list_task_group(&id, None)
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(fixture.root().task(&kept).await.is_ok());
}

/// Not a test by itself: `sigkill_loses_nothing_that_was_acknowledged` runs it in a process of its own.
#[tokio::test]
#[ignore = "serves until it is killed; another test runs it"]
async fn serves_until_killed() {
    let directory = PathBuf::from(std::env::var_os("LOCAL_QUEUE_TEST_DIRECTORY").unwrap());
    let queue = LocalQueue::start(Options::new(directory, any_port(), root()))
        .await
        .unwrap();
    println!("serving {}", queue.root_url());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn sigkill_loses_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--nocapture",
            "--exact",
            "tests::durability::serves_until_killed",
        ])
        .env("LOCAL_QUEUE_TEST_DIRECTORY", directory.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let root_url = loop {
        let line = lines.next_line().await.unwrap().expect("the child ended");
        if let Some((_, url)) = line.split_once("serving ") {
            break url.to_owned();
        }
    };

    // Four at a time create, claim and resolve, until the queue is killed under their hands.
    let mut workers = tokio::task::JoinSet::new();
    let (acknowledged, mut seen) = tokio::sync::mpsc::channel(1024);
    for n in 0..4 {
        let (root, acknowledged) = (client_of(&root_url, root()), acknowledged.clone());
        let task_queue_id = format!("proj/q{n}");
        workers.spawn(async move {
            loop {
                let id = slugid::v4();
                let Ok(_) = root.create_task(&id, &definition(&task_queue_id)).await else {
                    return;
                };
                acknowledged.send((id.clone(), TaskState::Pending)).await.unwrap();
                let Ok(_) = root.claim_work(&task_queue_id, &claim_request(1)).await else {
                    return;
                };
                acknowledged.send((id.clone(), TaskState::Running)).await.unwrap();
                let Ok(_) = root.report_completed(&id, 0).await else {
                    return;
                };
                acknowledged.send((id, TaskState::Completed)).await.unwrap();
            }
        });
    }
    drop(acknowledged);
    let mut states = std::collections::HashMap::new();
    for _ in 0..120 {
        let (id, state) = seen.recv().await.unwrap();
        states.insert(id, state);
    }
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    workers.shutdown().await;
    while let Some((id, state)) = seen.recv().await {
        states.insert(id, state);
    }

    let queue = LocalQueue::start(Options::new(directory.path().to_owned(), any_port(), root()))
        .await
        .unwrap();
    let client = client_of(&queue.root_url(), root());
    let order = [TaskState::Pending, TaskState::Running, TaskState::Completed];
    let rank = |state: &TaskState| order.iter().position(|known| known == state).unwrap();
    for (id, acknowledged) in states {
        let found = client.status(&id).await.unwrap().status.state;
        // What the killed queue did and could not say any more may be there too.
        assert!(
            rank(&found) >= rank(&acknowledged),
            "{id}: {found:?} after {acknowledged:?}"
        );
    }
    queue.shutdown().await;
}
