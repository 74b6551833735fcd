//! What can be relied on of temporary storage.

use std::{fs, os::unix::fs::symlink};

use super::*;

fn key() -> RunKey {
    RunKey {
        task_id: "fN1SbArXTPSVFNUvaOlinQ".to_owned(),
        run_id: 0,
    }
}

/// A storage in a directory that lasts as long as the test.
fn storage() -> (tempfile::TempDir, TemporaryStorage) {
    let outer = tempfile::tempdir().unwrap();
    let storage = TemporaryStorage::open(&outer.path().join("storage")).unwrap();
    (outer, storage)
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn entries(path: &Path) -> usize {
    fs::read_dir(path).unwrap().count()
}

#[test]
fn everything_is_for_its_owner_alone() {
    let (_outer, storage) = storage();
    assert_eq!(mode(storage.root()), 0o700);
    assert_eq!(mode(storage.run_folder(&key()).unwrap().path()), 0o700);
    assert_eq!(mode(storage.run_file(&key(), "log").unwrap().path()), 0o600);
}

#[test]
fn a_second_worker_is_refused_and_told_who_was_first() {
    let (_outer, storage) = storage();
    let error = TemporaryStorage::open(storage.root()).unwrap_err();
    assert!(matches!(error, OpenStorageError::InUse { .. }));
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", std::process::id())),
        "{error}"
    );
}

#[test]
fn the_lock_ends_with_the_last_thing_of_the_storage() {
    let (_outer, storage) = storage();
    let root = storage.root().to_owned();
    let folder = storage.folder().unwrap();
    drop(storage);
    assert!(matches!(
        TemporaryStorage::open(&root),
        Err(OpenStorageError::InUse { .. })
    ));
    drop(folder);
    TemporaryStorage::open(&root).unwrap();
}

#[test]
fn what_a_killed_predecessor_left_is_removed() {
    let (_outer, storage) = storage();
    let root = storage.root().to_owned();
    // A killed process drops nothing.
    for left in [storage.run_folder(&key()).unwrap(), storage.folder().unwrap()] {
        fs::write(left.path().join("file"), "left").unwrap();
        let mut left = left;
        left.0.storage = None;
    }
    drop(storage);
    assert_eq!(entries(&root), 3);
    let storage = TemporaryStorage::open(&root).unwrap();
    assert_eq!(entries(&root), 1, "the lock alone");
    storage.run_folder(&key()).unwrap();
}

#[test]
fn a_directory_with_files_of_somebody_is_refused_and_untouched() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("thesis.tex"), "years of work").unwrap();
    assert!(matches!(
        TemporaryStorage::open(outer.path()),
        Err(OpenStorageError::NotOurs { .. })
    ));
    assert_eq!(entries(outer.path()), 1);
}

#[test]
fn a_run_has_one_folder_at_a_time() {
    let (_outer, storage) = storage();
    let folder = storage.run_folder(&key()).unwrap();
    assert!(matches!(
        storage.run_folder(&key()),
        Err(StorageError::Create { .. })
    ));
    folder.remove().unwrap();
    storage.run_folder(&key()).unwrap();
}

#[test]
fn a_task_id_that_is_a_path_is_refused() {
    let (_outer, storage) = storage();
    for task_id in ["../x", "a/b", "", ".", "a\0b", "ä"] {
        let key = RunKey {
            task_id: task_id.to_owned(),
            run_id: 0,
        };
        assert!(
            matches!(storage.run_folder(&key), Err(StorageError::Name { .. })),
            "{task_id:?}"
        );
        assert!(
            matches!(storage.run_file(&key, "log"), Err(StorageError::Name { .. })),
            "{task_id:?}"
        );
    }
    assert!(matches!(
        storage.run_file(&key(), "a/b"),
        Err(StorageError::Name { .. })
    ));
}

#[test]
fn links_are_removed_and_what_they_point_to_stays() {
    let (outer, storage) = storage();
    let kept = outer.path().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("file"), "kept").unwrap();
    let folder = storage.folder().unwrap();
    symlink(&kept, folder.path().join("folder-link")).unwrap();
    symlink(kept.join("file"), folder.path().join("file-link")).unwrap();
    symlink("nowhere", folder.path().join("dangling")).unwrap();
    let path = folder.path().to_owned();
    folder.remove().unwrap();
    assert!(!path.exists());
    assert_eq!(fs::read_to_string(kept.join("file")).unwrap(), "kept");
}

#[test]
fn folders_that_deny_their_owner_are_removed() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_outer, storage) = storage();
    let folder = storage.folder().unwrap();
    let inner = folder.path().join("a/b");
    fs::create_dir_all(&inner).unwrap();
    fs::write(inner.join("file"), "x").unwrap();
    for path in [&inner, &folder.path().join("a"), folder.path()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    }
    let path = folder.path().to_owned();
    folder.remove().unwrap();
    assert!(!path.exists());
}

#[test]
fn a_tree_deeper_than_any_path_is_removed() {
    use nix::{
        fcntl::{OFlag, openat},
        sys::stat::{Mode, mkdirat},
    };
    let (_outer, storage) = storage();
    let folder = storage.folder().unwrap();
    let mut here: std::os::fd::OwnedFd = fs::File::open(folder.path()).unwrap().into();
    for _ in 0..5000 {
        mkdirat(&here, "d", Mode::S_IRWXU).unwrap();
        here = openat(&here, "d", OFlag::O_DIRECTORY | OFlag::O_RDONLY, Mode::empty()).unwrap();
    }
    folder.remove().unwrap();
    assert_eq!(entries(storage.root()), 1, "the lock alone");
}

proptest::proptest! {
    #[test]
    fn every_slugid_names_what_belongs_to_its_runs(
        task_id in "[A-Za-z0-9_-]{8}[Q-T][A-Za-z0-9_-][CGKOSWaeimquy26-][A-Za-z0-9_-]{10}[AQgw]",
        run_id: u32,
    ) {
        let name = run_name(&RunKey { task_id: task_id.clone(), run_id }).unwrap();
        proptest::prop_assert_eq!(name, format!("{task_id}_{run_id}"));
    }

    #[test]
    fn a_task_id_names_one_entry_of_the_storage_or_nothing(task_id: String, run_id: u32) {
        let Ok(name) = run_name(&RunKey { task_id, run_id }) else {
            return Ok(());
        };
        let parts: Vec<_> = Path::new(&name).components().collect();
        proptest::prop_assert_eq!(parts.len(), 1);
        proptest::prop_assert!(matches!(parts[0], std::path::Component::Normal(part) if *part == *name));
    }
}

#[test]
fn the_ids_that_slugid_makes_are_accepted() {
    for task_id in (0..1000).flat_map(|_| [slugid::v4(), slugid::nice()]) {
        let run = RunKey { task_id, run_id: 0 };
        assert_eq!(run_name(&run).unwrap(), run.file_name());
    }
}
