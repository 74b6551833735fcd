//! Files and ways that must not be trusted, and changes that must be seen.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use tempfile::TempDir;

use super::*;

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
        set_mode(&folder.path().join(name), 0o644);
    }
    folder
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn open_trusted(path: &Path) -> Directory {
    Directory::open(path, Trust::Demanded).unwrap()
}

fn refusal(folder: &TempDir, name: &str) -> ReadError {
    open_trusted(folder.path())
        .read(name, Trust::Demanded)
        .unwrap_err()
}

fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("{test} needs root, skipped");
    }
    root
}

#[test]
fn only_visible_wasm_files_are_listed() {
    let folder = folder(&[
        ("a.wasm", b"1"),
        ("b.wasm", b"2"),
        (".c.wasm", b"3"),
        ("a.wasm.part", b"4"),
        ("wasm", b"5"),
    ]);
    let listed = open_trusted(folder.path()).list().unwrap();
    assert_eq!(listed.keys().collect::<Vec<_>>(), ["a.wasm", "b.wasm"]);
}

#[test]
fn a_file_is_read_whole_with_its_hash() {
    let folder = folder(&[("a.wasm", b"abc")]);
    let file = open_trusted(folder.path())
        .read("a.wasm", Trust::Demanded)
        .unwrap();
    assert_eq!(&*file.bytes, b"abc");
    assert_eq!(
        file.sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(file.warnings, Vec::<String>::new());
}

#[test]
fn a_symbolic_link_is_refused() {
    let folder = folder(&[("a.wasm", b"abc")]);
    symlink(folder.path().join("a.wasm"), folder.path().join("b.wasm")).unwrap();
    assert!(matches!(refusal(&folder, "b.wasm"), ReadError::Link));
}

#[test]
fn a_pipe_is_refused_without_waiting_for_a_writer() {
    let folder = folder(&[]);
    nix::unistd::mkfifo(&folder.path().join("a.wasm"), Mode::from_bits_truncate(0o644)).unwrap();
    assert!(matches!(
        refusal(&folder, "a.wasm"),
        ReadError::NotRegular("a pipe")
    ));
}

#[test]
fn a_directory_is_refused() {
    let folder = folder(&[]);
    fs::create_dir(folder.path().join("a.wasm")).unwrap();
    assert!(matches!(
        refusal(&folder, "a.wasm"),
        ReadError::NotRegular("a directory")
    ));
}

#[test]
fn a_huge_sparse_file_is_refused_before_it_is_read() {
    let folder = folder(&[("a.wasm", b"")]);
    let file = File::options()
        .write(true)
        .open(folder.path().join("a.wasm"))
        .unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(matches!(refusal(&folder, "a.wasm"), ReadError::TooLarge { size, .. } if size == 1 << 40));
}

#[test]
fn a_file_that_everybody_can_write_is_refused_and_one_that_a_group_can_is_a_warning() {
    let folder = folder(&[("a.wasm", b"abc")]);
    let path = folder.path().join("a.wasm");
    set_mode(&path, 0o646);
    assert!(matches!(refusal(&folder, "a.wasm"), ReadError::Untrusted(_)));
    set_mode(&path, 0o664);
    let file = open_trusted(folder.path())
        .read("a.wasm", Trust::Demanded)
        .unwrap();
    assert_eq!(file.warnings.len(), 1, "{:?}", file.warnings);
}

#[test]
fn a_file_of_a_foreign_owner_is_refused() {
    if !is_root("a_file_of_a_foreign_owner_is_refused") {
        return;
    }
    let folder = folder(&[("a.wasm", b"abc")]);
    std::os::unix::fs::chown(folder.path().join("a.wasm"), Some(12_345), None).unwrap();
    assert!(matches!(refusal(&folder, "a.wasm"), ReadError::Untrusted(why) if why.contains("12345")));
}

#[test]
fn a_directory_below_one_that_everybody_can_write_is_refused_unless_that_is_sticky() {
    let folder = folder(&[]);
    let (above, plugins) = (folder.path().join("above"), folder.path().join("above/plugins"));
    fs::create_dir_all(&plugins).unwrap();
    set_mode(&above, 0o777);
    let refused = Directory::open(&plugins, Trust::Demanded).unwrap_err();
    assert!(matches!(refused, DirectoryError::Untrusted { path, .. } if path == above));
    set_mode(&above, 0o1777);
    open_trusted(&plugins);
    // Whoever can put something beside the plugins can keep them from being loaded.
    set_mode(&plugins, 0o1777);
    let refused = Directory::open(&plugins, Trust::Demanded).unwrap_err();
    assert!(matches!(refused, DirectoryError::Untrusted { path, .. } if path == plugins));
}

#[test]
fn a_directory_below_one_of_a_foreign_owner_is_refused_through_links_too() {
    if !is_root("a_directory_below_one_of_a_foreign_owner_is_refused_through_links_too") {
        return;
    }
    let folder = folder(&[]);
    let (above, link) = (folder.path().join("above"), folder.path().join("link"));
    fs::create_dir_all(above.join("plugins")).unwrap();
    symlink("above/plugins", &link).unwrap();
    open_trusted(&link);
    std::os::unix::fs::chown(&above, Some(12_345), None).unwrap();
    let refused = Directory::open(&link, Trust::Demanded).unwrap_err();
    assert!(matches!(refused, DirectoryError::Untrusted { path, .. } if path == above));
}

#[test]
fn a_ring_of_links_is_an_error() {
    let folder = folder(&[]);
    symlink(folder.path().join("b"), folder.path().join("a")).unwrap();
    symlink(folder.path().join("a"), folder.path().join("b")).unwrap();
    let refused = Directory::open(&folder.path().join("a"), Trust::Demanded).unwrap_err();
    assert!(matches!(
        refused,
        DirectoryError::Os {
            errno: Errno::ELOOP,
            ..
        }
    ));
}

#[test]
fn a_stamp_changes_with_the_file_and_settles_only_after_a_while() {
    let folder = folder(&[("a.wasm", b"abc")]);
    let directory = open_trusted(folder.path());
    let before = directory.list().unwrap()["a.wasm"];
    fs::write(folder.path().join("new"), b"abd").unwrap();
    fs::rename(folder.path().join("new"), folder.path().join("a.wasm")).unwrap();
    let after = directory.list().unwrap()["a.wasm"];
    assert_ne!(before, after);
    assert!(!after.are_settled(SystemTime::now()));
    assert!(after.are_settled(SystemTime::now() + Duration::from_secs(10)));
}

#[test]
fn a_file_is_left_alone_for_a_while_where_the_kernel_does_not_say_who_writes_it() {
    let folder = folder(&[("a.wasm", b"abc")]);
    let stamp = open_trusted(folder.path()).list().unwrap()["a.wasm"].component;
    let at = stamp.changed_at();
    assert!(!stamp.is_quiet(at + Duration::from_millis(900)));
    assert!(stamp.is_quiet(at + Duration::from_millis(1100)));
    // Where the clock is wrong there would be no end of waiting.
    assert!(stamp.is_quiet(at - Duration::from_secs(1)));
}

#[test]
fn a_file_that_is_open_for_writing_is_not_read() {
    let folder = folder(&[("a.wasm", b"abc")]);
    let writer = File::options()
        .append(true)
        .open(folder.path().join("a.wasm"))
        .unwrap();
    assert!(matches!(refusal(&folder, "a.wasm"), ReadError::BeingWritten));
    drop(writer);
    open_trusted(folder.path())
        .read("a.wasm", Trust::Demanded)
        .unwrap();
}

#[test]
fn a_signature_is_read_with_its_plugin_and_is_part_of_its_stamps() {
    let folder = folder(&[("a.wasm", b"abc")]);
    let directory = open_trusted(folder.path());
    let read = || directory.read("a.wasm", Trust::Demanded).unwrap();
    assert!(read().signature.is_none());
    let before = directory.list().unwrap()["a.wasm"];
    fs::write(folder.path().join("a.wasm.minisig"), "signature").unwrap();
    set_mode(&folder.path().join("a.wasm.minisig"), 0o644);
    assert_eq!(&*read().signature.unwrap().unwrap(), b"signature");
    assert_ne!(directory.list().unwrap()["a.wasm"], before);
    assert_eq!(directory.list().unwrap().len(), 1);
    fs::write(folder.path().join("a.wasm.minisig"), [0; 5000]).unwrap();
    assert!(matches!(
        read().signature,
        Some(Err(ReadError::TooLarge { size: 5000, .. }))
    ));
}
