//! Counting faults, and keeping them.

use std::{fs, path::Path};

use super::{
    file::{PluginRecord, load, plugin_records, release_plugin, text, write},
    keeper::Keeper,
    *,
};

/// A file's hash.
fn hash(number: usize) -> String {
    format!("{number:064x}")
}

fn plugin(number: usize) -> PluginIdentity {
    PluginIdentity {
        name: "a".into(),
        version: "1.0.0".into(),
        sha256: hash(number).into(),
    }
}

fn policy(folder: &Path, limit: u32) -> FaultPolicy {
    FaultPolicy {
        file: folder.join("plugin-faults.json"),
        limit,
        window: Duration::from_mins(10),
    }
}

/// A fault so many minutes after the first.
fn fault(minutes: i64) -> Fault {
    let first: DateTime<Utc> = "2026-11-24T12:00:00Z".parse().unwrap();
    Fault {
        at: first + chrono::Duration::minutes(minutes),
        hook: "started".to_owned(),
        kind: FaultKind::Trap,
        message: format!("started trapped: {minutes}"),
    }
}

/// Which of the faults at these minutes puts the file into quarantine.
fn quarantined_by(limit: u32, minutes: &[i64]) -> Option<usize> {
    let mut ledger = Ledger::default();
    let policy = policy(Path::new("/nowhere"), limit);
    let position = minutes
        .iter()
        .position(|at| ledger.record(&policy, &plugin(1), fault(*at)));
    assert_eq!(
        position.is_some(),
        ledger.entry(&hash(1)).unwrap().quarantined.is_some()
    );
    position
}

#[test]
fn as_many_faults_as_the_limit_within_the_window_are_too_many() {
    assert_eq!(quarantined_by(3, &[0, 1]), None);
    assert_eq!(quarantined_by(3, &[0, 5, 10]), Some(2));
    assert_eq!(quarantined_by(1, &[0]), Some(0));
}

#[test]
fn faults_that_are_far_apart_do_not_count_together() {
    assert_eq!(quarantined_by(3, &[0, 6, 12, 18, 24]), None);
    assert_eq!(quarantined_by(3, &[0, 6, 12, 13]), Some(3));
}

#[test]
fn a_limit_of_zero_is_none() {
    assert_eq!(quarantined_by(0, &[0, 0, 0, 0, 0]), None);
    let ledger = Ledger::of([Entry {
        plugin: plugin(1),
        times: [fault(0).at].into(),
        last: fault(0),
        quarantined: Some(fault(0).at),
    }]);
    assert!(!Faults::new(policy(Path::new("/nowhere"), 0), ledger).is_quarantined(&hash(1)));
}

#[test]
fn one_file_answers_for_no_other() {
    let faults = Faults::new(policy(Path::new("/nowhere"), 2), Ledger::default());
    let before = faults.generation();
    faults.record(&plugin(1), "started", FaultKind::Trap, "x");
    faults.record(&plugin(2), "started", FaultKind::Trap, "x");
    assert_eq!(faults.generation(), before);
    faults.record(&plugin(1), "started", FaultKind::TimeOut, "the last");
    assert_ne!(faults.generation(), before);
    let why = faults.quarantine(&hash(1)).unwrap();
    assert_eq!((why.faults, &*why.last), (2, "the last"));
    assert!(!faults.is_quarantined(&hash(2)));
    faults.release(&hash(1));
    assert!(!faults.is_quarantined(&hash(1)));
}

#[test]
fn a_quarantine_does_not_pass_by_itself() {
    let policy = policy(Path::new("/nowhere"), 1);
    let mut ledger = Ledger::default();
    ledger.record(&policy, &plugin(1), fault(0));
    ledger.forget(&policy, fault(60 * 24 * 365).at);
    assert!(ledger.entry(&hash(1)).is_some());
}

#[test]
fn what_is_kept_is_bounded_and_what_is_in_quarantine_goes_last() {
    let policy = policy(Path::new("/nowhere"), 2);
    let mut ledger = Ledger::default();
    ledger.record(&policy, &plugin(0), fault(0));
    ledger.record(&policy, &plugin(0), fault(0));
    for number in 1..=MAX_ENTRIES {
        ledger.record(&policy, &plugin(number), fault(1));
    }
    assert_eq!(ledger.entries().count(), MAX_ENTRIES);
    assert!(
        ledger
            .entry(&hash(0))
            .is_some_and(|entry| entry.quarantined.is_some())
    );
    let faults = Faults::new(policy, Ledger::default());
    for _ in 0..1000 {
        faults.record(&plugin(1), "started", FaultKind::Limit, &"é".repeat(1000));
    }
    let kept = faults.snapshot();
    let entry = kept.entry(&hash(1)).unwrap();
    assert!(entry.times.len() <= MIN_TIMES && entry.last.message.len() <= MAX_MESSAGE);
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let policy = policy(folder.path(), 2);
    let mut ledger = Ledger::default();
    ledger.record(&policy, &plugin(1), fault(0));
    ledger.record(&policy, &plugin(2), fault(1));
    ledger.record(&policy, &plugin(2), fault(2));
    write(&policy.file, &text(&ledger, &[])).unwrap();
    assert_eq!(load(&policy.file), ledger);
}

#[test]
fn a_file_that_makes_no_sense_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let file = policy(folder.path(), 2).file;
    let aside = folder.path().join("plugin-faults.broken");
    let bad_hash = r#"{"version": 1, "plugins": [{"sha256": "../x", "name": "a", "version": "1", "faults": [],
        "lastFault": null, "quarantined": null, "hooks": {}}]}"#;
    for damage in ["", "{", "[]", r#"{"version": 2, "plugins": []}"#, bad_hash] {
        fs::write(&file, damage).unwrap();
        assert!(plugin_records(&file).is_err(), "{damage}");
        assert_eq!(load(&file), Ledger::default(), "{damage}");
        assert!(!file.exists());
        assert_eq!(fs::read_to_string(&aside).unwrap(), damage);
    }
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    assert_eq!(load(&file), Ledger::default());
    assert!(file.symlink_metadata().is_err());
}

/// Waits until the file says something.
async fn until(file: &Path, says: impl Fn(&[PluginRecord]) -> bool) {
    let wait = async {
        while !plugin_records(file).is_ok_and(|records| says(&records)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
}

#[tokio::test]
async fn faults_are_kept_when_they_come_and_outlast_the_worker() {
    let folder = tempfile::tempdir().unwrap();
    let policy = policy(folder.path(), 2);
    let keeper = Keeper::start(policy.clone()).await;
    for kind in [FaultKind::Trap, FaultKind::Limit] {
        keeper
            .accounts()
            .faults()
            .record(&plugin(1), "started", kind, "x");
    }
    // Without its end.
    until(&policy.file, |records| {
        records.iter().any(|record| record.quarantined.is_some())
    })
    .await;
    drop(keeper);
    let keeper = Keeper::start(policy).await;
    assert!(keeper.accounts().faults().is_quarantined(&hash(1)));
    keeper.shutdown().await;
}

#[tokio::test]
async fn a_released_plugin_is_let_in_by_a_running_worker_and_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let policy = policy(folder.path(), 1);
    let keeper = Keeper::start(policy.clone()).await;
    let faults = keeper.accounts().faults();
    faults.record(&plugin(1), "started", FaultKind::Trap, "x");
    until(&policy.file, |records| !records.is_empty()).await;
    assert!(matches!(
        release_plugin(&policy.file, "b"),
        Err(file::ReleaseError::NoFaults(_))
    ));
    assert_eq!(release_plugin(&policy.file, "a").unwrap(), [hash(1)]);
    // It is released for whoever looks, before the worker has noticed.
    assert_eq!(plugin_records(&policy.file).unwrap()[0].quarantined, None);
    let released = async {
        while faults.is_quarantined(&hash(1)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), released)
        .await
        .unwrap();
    faults.record(&plugin(1), "started", FaultKind::Trap, "again");
    keeper.shutdown().await;
    assert_eq!(release_plugin(&policy.file, "a").unwrap(), [hash(1)]);
    let keeper = Keeper::start(policy).await;
    assert!(!keeper.accounts().faults().is_quarantined(&hash(1)));
    keeper.shutdown().await;
    assert_eq!(
        fs::read_dir(folder.path().join("plugin-releases"))
            .unwrap()
            .count(),
        0
    );
}
