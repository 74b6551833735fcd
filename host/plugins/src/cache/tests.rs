//! Entries that are used, and entries that must not be.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;
use crate::engine;

struct Fixture {
    folder: TempDir,
    engine: Engine,
    compiled: Vec<u8>,
}

fn fixture() -> Fixture {
    let engine = engine::compiling_engine().unwrap();
    let wasm = wat::parse_str("(component)").unwrap();
    let compiled = engine.precompile_component(&wasm).unwrap();
    Fixture {
        folder: tempfile::tempdir().unwrap(),
        engine,
        compiled,
    }
}

impl Fixture {
    fn path(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn open(&self) -> Cache {
        Cache::open(&self.path(), &self.engine).unwrap()
    }

    /// The only entry.
    fn entry(&self) -> PathBuf {
        let entries: Vec<PathBuf> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries[0].clone()
    }
}

#[test]
fn what_was_stored_is_found_again_by_its_hash_alone() {
    let fixture = fixture();
    assert!(fixture.open().load("a").is_none());
    fixture.open().store("a", &fixture.compiled).unwrap();
    assert!(fixture.open().load("a").is_some());
    assert!(fixture.open().load("b").is_none());
    assert_eq!(fs::metadata(fixture.path()).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(fixture.entry()).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn an_entry_of_another_engine_is_not_found() {
    let fixture = fixture();
    fixture.open().store("a", &fixture.compiled).unwrap();
    let other = Engine::new(wasmtime::Config::new().epoch_interruption(false)).unwrap();
    assert!(Cache::open(&fixture.path(), &other).unwrap().load("a").is_none());
}

#[test]
fn a_broken_entry_is_removed() {
    let fixture = fixture();
    let spoil: [fn(&Path); 3] = [
        |path| {
            File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(100)
                .unwrap()
        },
        |path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        |path| fs::set_permissions(path, fs::Permissions::from_mode(0o622)).unwrap(),
    ];
    for spoil in spoil {
        let cache = fixture.open();
        cache.store("a", &fixture.compiled).unwrap();
        spoil(&fixture.entry());
        assert!(cache.load("a").is_none());
        assert_eq!(fs::read_dir(fixture.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_link_in_the_place_of_an_entry_is_not_followed() {
    let fixture = fixture();
    let cache = fixture.open();
    cache.store("a", &fixture.compiled).unwrap();
    let (entry, elsewhere) = (fixture.entry(), fixture.folder.path().join("elsewhere"));
    fs::rename(&entry, &elsewhere).unwrap();
    symlink(&elsewhere, &entry).unwrap();
    assert!(cache.load("a").is_none());
}

#[test]
fn code_that_is_not_of_wasmtime_is_an_error_and_not_run() {
    let fixture = fixture();
    assert!(fixture.open().store("a", b"garbage").is_err());
    assert!(fixture.open().load("a").is_none());
}

#[test]
fn a_directory_that_others_have_access_to_is_refused() {
    let fixture = fixture();
    drop(fixture.open());
    fs::set_permissions(fixture.path(), fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(
        Cache::open(&fixture.path(), &fixture.engine),
        Err(CacheError::Untrusted { .. })
    ));
}

#[test]
fn the_directory_of_a_foreign_owner_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        println!("the_directory_of_a_foreign_owner_is_refused needs root, skipped");
        return;
    }
    let fixture = fixture();
    drop(fixture.open());
    std::os::unix::fs::chown(fixture.path(), Some(12_345), None).unwrap();
    assert!(Cache::open(&fixture.path(), &fixture.engine).is_err());
}

#[test]
fn what_a_killed_worker_was_writing_is_removed_once_it_is_old() {
    let fixture = fixture();
    drop(fixture.open());
    let (old, young) = (
        fixture.path().join(".unfinished-old"),
        fixture.path().join(".unfinished-young"),
    );
    for path in [&old, &young] {
        fs::write(path, b"x").unwrap();
    }
    let long_ago = SystemTime::now() - ABANDONED_AFTER * 2;
    File::options()
        .write(true)
        .open(&old)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    drop(fixture.open());
    assert!(!old.exists() && young.exists());
}
