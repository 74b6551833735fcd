//! Attacks 3 to 8 and 10: what is put into the plugin directory, and into the cache of what was compiled of it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::{
    files::{put, run, sha256, start, text},
    harness::SiegeOptions,
    hostile::{self, Hostile},
    table::{Attack, attack},
};
use crate::{
    kit::{Plugin, eventually, places},
    named_by_tests::{
        ATTACK_10_REPLACED_FILE, FILE_03_COMPILED_CODE, FILE_04_TEXT, FILE_05_SWAP, FILE_06_NO_REGULAR_FILE,
        FILE_07_OPEN_TO_OTHERS, FILE_08_SLOW_COPY, UNGRANTED, VERSIONED_A, VERSIONED_B,
    },
};

pub(super) const ATTACKS: &[Attack] = &[
    attack!(
        3,
        "code that somebody else has compiled, in place of a plugin",
        "only components are taken, and the worker compiles them",
        "",
        compiled_code_is_not_run
    ),
    attack!(
        3,
        "compiled code that is put into the worker's cache, in place of what it has compiled",
        "the directory is the worker's alone; an entry's name has the hash of its content, which is checked before it is loaded",
        "",
        a_cache_that_was_tampered_with_is_not_believed
    ),
    attack!(
        4,
        "WebAssembly as text, which a loader might assemble",
        "nothing is assembled",
        "",
        text_is_not_assembled
    ),
    attack!(
        5,
        "a file that is swapped between the check and its use",
        "it is read once, and what is hashed, checked, compiled and run are those bytes",
        "",
        a_file_that_is_swapped_is_never_run_unchecked
    ),
    attack!(
        6,
        "a link, a pipe, a device, a folder or a huge sparse file",
        "opened without following or waiting, asked what it is, and measured before it is read",
        "32 MiB",
        what_is_no_file_of_bounded_size_is_not_read
    ),
    attack!(
        7,
        "a file or a directory that others can write",
        "owner and mode of the file and of all directories above it are checked",
        "`pluginTrust.strict` for the group",
        what_others_can_write_is_not_trusted
    ),
    attack!(
        8,
        "a file that is loaded before it is whole",
        "a file that is being written is left alone until it is not",
        "",
        half_a_file_is_not_loaded_and_the_whole_is
    ),
    attack!(
        10,
        "a file in the place of one that has grants",
        "a pin binds the grants to the bytes; the version before stays in service",
        "`sha256`, `signedBy`",
        a_replaced_file_does_not_inherit_what_a_pin_grants
    ),
];

#[tokio::test]
async fn compiled_code_is_not_run() {
    let mut siege = SiegeOptions::by([]).lay().await;
    let cache = places::plugin_cache();
    let refused = [(
        "compiled.wasm",
        "it is not a WebAssembly component but compiled code",
    )];
    siege
        .repels(&refused, |directory| {
            run(FILE_03_COMPILED_CODE, &[directory, &cache])
        })
        .await;
}

#[tokio::test]
async fn a_cache_that_was_tampered_with_is_not_believed() {
    let mut siege = SiegeOptions::by([]).with_a_cache_of_its_own().lay().await;
    siege.peace().await;
    let entries = || {
        let entries = fs::read_dir(siege.scene().home().path().join("cache")).unwrap();
        let is_code = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "cwasm");
        let mut code: Vec<PathBuf> = entries
            .map(|entry| entry.unwrap().path())
            .filter(is_code)
            .collect();
        code.sort();
        code
    };
    let [one, other] = &entries()[..] else {
        panic!("{:?}", entries())
    };
    // Each is code that the worker itself has compiled, but of the other plugin.
    let aside = siege.scene().home().path().join("aside");
    fs::rename(one, &aside).unwrap();
    fs::rename(other, one).unwrap();
    fs::rename(&aside, other).unwrap();
    siege.restart();
    siege.stays_flat(async |siege, _| siege.peace().await).await;
    let broken = siege
        .worker()
        .err()
        .matches("an entry in the cache of compiled plugins is broken, compiling anew")
        .count();
    assert_eq!(broken, 2);
}

#[tokio::test]
async fn text_is_not_assembled() {
    let text = text(FILE_04_TEXT);
    let mut siege = SiegeOptions::by([]).lay().await;
    let refused = [("text.wasm", "it is not a WebAssembly component but text")];
    siege
        .repels(&refused, |directory| put(directory, "text.wasm", text.as_bytes()))
        .await;
}

#[tokio::test]
async fn a_file_that_is_swapped_is_never_run_unchecked() {
    let good = Plugin::misbehaving(VERSIONED_A, &[]).file;
    let evil = Plugin::misbehaving(VERSIONED_B, &[]).file;
    let pinned = Hostile::of("versioned", fs::read(&good).unwrap());
    let pinned = pinned.set("sha256", json!(sha256(&good)));
    let mut siege = SiegeOptions::by([pinned]).lay().await;
    siege
        .stays_flat(async |siege, _| {
            let mut swapping = start(
                FILE_05_SWAP,
                &[&siege.dropped("."), Path::new("versioned"), &good, &evil],
            );
            siege.peace().await;
            siege.peace().await;
            assert!(swapping.wait().unwrap().success());
        })
        .await;
    // However the two raced: this one it has seen.
    put(&siege.dropped("."), "versioned.wasm", &fs::read(&evil).unwrap());
    siege.peace().await;
    siege
        .until_said(
            "versioned.wasm",
            "plugin versioned is pinned by plugins.versioned.sha256 to",
            0,
        )
        .await;
    let log = siege.worker().err();
    assert!(log.contains("versioned 1.0.0: stopped") && !log.contains("versioned 2.0.0"));
}

#[tokio::test]
async fn what_is_no_file_of_bounded_size_is_not_read() {
    let plugin = Plugin::misbehaving(VERSIONED_A, &[]).file;
    let mut siege = SiegeOptions::by([]).lay().await;
    let refused = [
        ("link.wasm", "it is a symbolic link"),
        ("pipe.wasm", "it is a pipe and not a regular file"),
        ("folder.wasm", "it is a directory and not a regular file"),
        ("huge.wasm", "it has 8589934592 bytes, and the limit is 33554432"),
        // Only root can make one.
        ("device.wasm", "it is a device and not a regular file"),
    ];
    siege
        .repels(&refused, |directory| {
            run(FILE_06_NO_REGULAR_FILE, &[directory, &plugin])
        })
        .await;
    assert!(!siege.worker().err().contains("versioned 1.0.0"));
}

#[tokio::test]
async fn what_others_can_write_is_not_trusted() {
    let plugin = Plugin::misbehaving(VERSIONED_A, &[]).file;
    let mut siege = SiegeOptions::by([]).lay().await;
    let open = |what: &'static str| {
        let plugin = &plugin;
        move |directory: &Path| run(FILE_07_OPEN_TO_OTHERS, &[Path::new(what), directory, plugin])
    };
    let is_root = nix::unistd::geteuid().is_root();
    siege
        .stays_flat(async |siege, _| {
            let by_all = [("open.wasm", "it can't be trusted: everybody can write it")];
            siege.repels_once(&by_all, open("file")).await;
            if is_root {
                let foreign = [("open.wasm", "it can't be trusted: it belongs to user 65534")];
                siege.repels_once(&foreign, open("owner")).await;
            }
            let directory = siege.dropped(".");
            let said = |log: &str| log.matches("can't be trusted: everybody can write there").count();
            let before = said(&siege.worker().err());
            open("directory")(&directory);
            siege.peace().await;
            eventually("the directory is not trusted", async || {
                (said(&siege.worker().err()) > before).then_some(())
            })
            .await;
            fs::remove_file(directory.join("open.wasm")).unwrap();
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
            siege.peace().await;
        })
        .await;
    assert!(!siege.worker().err().contains("versioned 1.0.0"));
}

#[tokio::test]
async fn half_a_file_is_not_loaded_and_the_whole_is() {
    let plugin = Plugin::misbehaving(VERSIONED_A, &[]).file;
    let mut siege = SiegeOptions::by([]).lay().await;
    siege
        .stays_flat(async |siege, number| {
            let gate = siege.scene().home().path().join(format!("gate-{number}"));
            let before = siege.said("slow.wasm", "plugin loaded");
            let gone = siege.said("slow.wasm", "file is gone");
            let written = siege.said("slow.wasm", "file is being written");
            let mut copying = start(FILE_08_SLOW_COPY, &[&siege.dropped("."), &plugin, &gate]);
            siege.peace().await;
            siege
                .until_said("slow.wasm", "file is being written", written)
                .await;
            siege.peace().await;
            assert_eq!(siege.said("slow.wasm", "plugin loaded"), before);
            fs::write(&gate, "").unwrap();
            assert!(copying.wait().unwrap().success());
            eventually("the whole file is loaded", async || {
                siege.peace().await;
                (siege.said("slow.wasm", "plugin loaded") > before).then_some(())
            })
            .await;
            fs::remove_file(siege.dropped("slow.wasm")).unwrap();
            siege.peace().await;
            siege.until_said("slow.wasm", "file is gone", gone).await;
        })
        .await;
}

#[tokio::test]
async fn a_replaced_file_does_not_inherit_what_a_pin_grants() {
    let file = Plugin::misbehaving(UNGRANTED, &[]).file;
    let good = fs::read(&file).unwrap();
    let evil = hostile::component(ATTACK_10_REPLACED_FILE, UNGRANTED);
    let pinned = Hostile::of(UNGRANTED, good.clone()).granted(&["kill"]);
    let pinned = pinned.set("sha256", json!(sha256(&file)));
    let mut siege = SiegeOptions::by([pinned]).lay().await;
    siege
        .stays_flat(async |siege, _| {
            let directory = siege.dropped(".");
            let refused = "plugin ungranted is pinned by plugins.ungranted.sha256 to";
            let before = siege.said("ungranted.wasm", refused);
            put(&directory, "ungranted.wasm", &evil);
            // It would have been killed.
            siege.peace().await;
            siege.until_said("ungranted.wasm", refused, before).await;
            let loaded = siege.said("ungranted.wasm", "plugin loaded");
            put(&directory, "ungranted.wasm", &good);
            siege.peace().await;
            siege.until_said("ungranted.wasm", "plugin loaded", loaded).await;
        })
        .await;
}
