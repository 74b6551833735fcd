//! Attack 13, and 7 in its strictest form: plugins that nobody vouches for.

use std::{fs, io::Cursor};

use minisign::KeyPair;
use serde_json::json;

use super::{
    files::{Refused, put, run, sha256},
    harness::SiegeOptions,
    hostile,
    table::{Attack, attack},
};
use crate::{
    kit::Plugin,
    named_by_tests::{ATTACK_13_UNSIGNED, ENV, FILE_07_OPEN_TO_OTHERS, LIVELOG, VERSIONED_A, VERSIONED_B},
};

pub(super) const ATTACKS: &[Attack] = &[
    attack!(
        7,
        "the same where a pool is strict: a file or a directory that a group can write, a file that nobody vouches for",
        "nothing is loaded that is neither pinned nor signed, or that a group could have changed",
        "`pluginTrust.strict`",
        a_strict_pool_trusts_no_group_and_no_file_that_nobody_vouches_for
    ),
    attack!(
        13,
        "a plugin without a signature, with that of another file or by another key, or an old version that was signed",
        "a signature is verified over the very bytes that are run, before they are compiled, by the keys that the config names; versions have a minimum",
        "`signedBy`, `minVersion`",
        what_the_right_key_has_not_signed_is_not_loaded
    ),
];

/// What is dropped, its signature, and why it is refused.
type SignedBytes<'a> = (&'a [u8], Option<Vec<u8>>, &'static str);

/// What the tool minisign writes for a file.
fn signature(pair: &KeyPair, bytes: &[u8]) -> Vec<u8> {
    let signed = minisign::sign(Some(&pair.pk), &pair.sk, Cursor::new(bytes), None, None);
    signed.unwrap().into_string().into_bytes()
}

fn pair() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

#[tokio::test]
async fn what_the_right_key_has_not_signed_is_not_loaded() {
    let [old, new] =
        [VERSIONED_A, VERSIONED_B].map(|name| fs::read(Plugin::misbehaving(name, &[]).file).unwrap());
    let evil = hostile::component(ATTACK_13_UNSIGNED, "versioned");
    let (right, wrong) = (pair(), pair());
    let mut siege = SiegeOptions::by([])
        .set("/pluginTrust/keys/release", json!(right.pk.to_base64()))
        .set(
            "/plugins/versioned",
            json!({"signedBy": "release", "minVersion": "2.0.0", "required": false}),
        )
        .lay()
        .await;
    let attacks: [SignedBytes<'_>; 4] = [
        (
            &evil,
            None,
            "plugin versioned must be signed by release, and has no valid signature",
        ),
        (
            &evil,
            Some(signature(&right, &new)),
            "its signature is not of this file: it claims to be by release, and does not verify",
        ),
        (
            &evil,
            Some(signature(&wrong, &evil)),
            "plugin versioned must be signed by release, and is signed by a key that pluginTrust.keys does not have",
        ),
        (
            &old,
            Some(signature(&right, &old)),
            "plugin versioned is of version \"1.0.0\", and plugins.versioned.minVersion is 2.0.0",
        ),
    ];
    let signed = signature(&right, &new);
    let place = |directory: &std::path::Path, bytes: &[u8], signature: Option<&[u8]>| {
        match signature {
            Some(signature) => put(directory, "versioned.wasm.minisig", signature),
            None => drop(fs::remove_file(directory.join("versioned.wasm.minisig"))),
        }
        put(directory, "versioned.wasm", bytes);
    };
    siege
        .stays_flat(async |siege, number| {
            let directory = siege.dropped(".");
            let before = siege.said("versioned.wasm", "plugin loaded");
            place(&directory, &new, Some(&signed));
            siege.peace().await;
            siege.until_said("versioned.wasm", "plugin loaded", before).await;
            let (bytes, signature, reason) = &attacks[number as usize % attacks.len()];
            let reason = format!("plugin refused: {reason}");
            let before = siege.said("versioned.wasm", &reason);
            place(&directory, bytes, signature.as_deref());
            siege.until_said("versioned.wasm", &reason, before).await;
            let task_id = siege.create_peace().await;
            siege.check_peace(&task_id).await;
            let log = siege.scene().log(&task_id).await;
            assert!(log.contains("versioned 2.0.0: stopped"), "{log}");
        })
        .await;
    let log = siege.worker().err();
    assert!(
        !log.contains("13: was run") && !log.contains("versioned 1.0.0: "),
        "{log}"
    );
}

#[tokio::test]
async fn a_strict_pool_trusts_no_group_and_no_file_that_nobody_vouches_for() {
    let plugin = Plugin::misbehaving(VERSIONED_A, &[]).file;
    let pin = |plugin: Plugin| json!(sha256(&plugin.file));
    let mut siege = SiegeOptions::by([])
        .set("/pluginTrust/strict", json!(true))
        .set("/plugins/env/sha256", pin(Plugin::ordinary(ENV)))
        .set("/plugins/livelog/sha256", pin(Plugin::ordinary(LIVELOG)))
        .lay()
        .await;
    let group: [Refused; 1] = [(
        "open.wasm",
        "it can't be trusted: the file can be written by its group",
    )];
    let nobodys: [Refused; 1] = [(
        "nobodys.wasm",
        "pluginTrust.strict is on, and this file is neither pinned by a sha256 of the config nor signed by a key",
    )];
    siege
        .stays_flat(async |siege, _| {
            siege
                .repels_once(&group, |directory| {
                    run(FILE_07_OPEN_TO_OTHERS, &["group".as_ref(), directory, &plugin]);
                })
                .await;
            siege
                .repels_once(&nobodys, |directory| {
                    put(directory, "nobodys.wasm", &fs::read(&plugin).unwrap());
                })
                .await;
        })
        .await;
    assert!(!siege.worker().err().contains("versioned 1.0.0: "));
}
