//! Who vouches for a plugin: pins, signatures, versions, and what `strict` makes of them.

use std::{io::Cursor, os::unix::fs::PermissionsExt as _};

use minisign::KeyPair;

use super::*;
use crate::report::SignatureReport;

/// The bytes of a signature, as the tool makes them.
fn sign(pair: &KeyPair, bytes: &[u8]) -> Vec<u8> {
    let comment = Some("release 7");
    let signed = minisign::sign(Some(&pair.pk), &pair.sk, Cursor::new(bytes), comment, None);
    signed.unwrap().into_string().into_bytes()
}

fn pair() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

impl Place {
    /// Adds a key to the pool's.
    fn trusting(mut self, name: &str, pair: &KeyPair) -> Self {
        let key = pair.pk.to_base64().try_into().unwrap();
        self.config.trust.keys.insert(name.to_owned(), key);
        self
    }

    fn strict(mut self) -> Self {
        self.config.trust.strict = true;
        self
    }

    /// Puts a plugin in place with a signature beside it.
    fn put_signed(&self, wasm: &[u8], signature: &[u8]) {
        self.put("a.wasm.minisig", signature);
        self.put("a.wasm", wasm);
    }

    async fn report(&self) -> PluginReport {
        let mut reports = inspect_directory(self.inspecting()).await.unwrap();
        reports.remove(0)
    }
}

#[tokio::test]
async fn a_plugin_that_must_be_signed_is_loaded_with_a_signature_by_the_right_key_only() {
    let (release, other, unknown) = (pair(), pair(), pair());
    let wasm = Guest::default().wasm();
    let place = Place::new()
        .with("a", json!({"signedBy": "release"}))
        .trusting("release", &release)
        .trusting("other", &other);
    place.put("a.wasm", &wasm);
    let (reason, text) = refusal(&place.report().await);
    assert_eq!(reason, "not-signed");
    assert!(
        text.contains("plugin a must be signed by release, and has no valid signature"),
        "{text}"
    );
    for (pair, who) in [
        (&other, "is signed by other"),
        (&unknown, "is signed by a key that"),
    ] {
        place.put_signed(&wasm, &sign(pair, &wasm));
        let (reason, text) = refusal(&place.report().await);
        assert_eq!(reason, "not-signed");
        assert!(text.contains(who), "{text}");
    }
    place.put_signed(&wasm, &sign(&release, &wasm));
    let report = place.report().await;
    assert!(report.is_loaded(), "{report:?}");
    let expected = SignatureReport {
        key: Some("release".to_owned()),
        comment: Some("release 7".to_owned()),
    };
    assert_eq!(report.signature, Some(expected));
}

#[tokio::test]
async fn a_file_that_is_not_what_was_signed_is_refused_before_it_is_compiled() {
    let release = pair();
    let signed = Guest::default().wasm();
    let wasm = Guest {
        version: "1.0.1",
        ..Guest::default()
    }
    .wasm();
    // Whoever demands no signature is still told that this one is broken.
    let place = Place::new()
        .with("a", json!({"required": false}))
        .trusting("release", &release);
    for signature in [sign(&release, &signed), b"no signature".to_vec()] {
        place.put_signed(&wasm, &signature);
        let report = place.report().await;
        assert_eq!(verdict(&report), "bad-signature", "{report:?}");
        assert_eq!((report.name, report.signature), (None, None));
        assert_eq!(place.compiled.take(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_signature_is_read_as_carefully_as_a_plugin() {
    let release = pair();
    let wasm = Guest::default().wasm();
    let place = Place::new().trusting("release", &release);
    place.put("a.wasm", &wasm);
    let elsewhere = place.config.directory.with_file_name("elsewhere");
    fs::write(&elsewhere, sign(&release, &wasm)).unwrap();
    let signature = place.path("a.wasm.minisig");
    std::os::unix::fs::symlink(&elsewhere, &signature).unwrap();
    let (reason, text) = refusal(&place.report().await);
    assert_eq!(reason, "bad-signature");
    assert!(text.contains("symbolic link"), "{text}");
    fs::remove_file(&signature).unwrap();
    fs::copy(&elsewhere, &signature).unwrap();
    fs::set_permissions(&signature, fs::Permissions::from_mode(0o666)).unwrap();
    let (_, text) = refusal(&place.report().await);
    assert!(text.contains("everybody can write it"), "{text}");
}

#[tokio::test]
async fn a_signature_that_comes_after_its_plugin_is_taken_up() {
    let release = pair();
    let wasm = Guest::default().wasm();
    let place = Place::new()
        .with("a", json!({"signedBy": ["release"], "required": false}))
        .trusting("release", &release);
    place.put("a.wasm", &wasm);
    let host = place.open().await.unwrap();
    assert_eq!(verdict_of(host.current().await.reports(), "a.wasm"), "not-signed");
    place.put("a.wasm.minisig", &sign(&release, &wasm));
    assert_eq!(in_service(&*host.current().await).len(), 1);
    host.shutdown().await;
}

#[tokio::test]
async fn strict_compiles_nothing_that_nobody_vouches_for() {
    let release = pair();
    let wasm = Guest::default().wasm();
    let place = Place::new().trusting("release", &release).strict();
    place.put_signed(&wasm, &sign(&release, &wasm));
    // The key is the pool's, and no plugin is said to be signed by it.
    let report = place.report().await;
    assert_eq!(verdict(&report), "not-trusted", "{report:?}");
    assert_eq!(place.compiled.take(), Vec::<String>::new());
    // One of another name is.
    let place = place.with("b", json!({"signedBy": "release", "required": false}));
    let (reason, text) = refusal(&place.report().await);
    assert_eq!(reason, "not-trusted");
    assert!(
        text.contains("nor says who signs it (plugins.a.signedBy)"),
        "{text}"
    );
    let place = place.with("a", json!({"signedBy": "release"}));
    assert!(place.report().await.is_loaded());
}

#[tokio::test]
async fn strict_loads_what_is_pinned() {
    let wasm = Guest::default().wasm();
    let place = Place::new().strict();
    place.put("a.wasm", &wasm);
    let report = place.report().await;
    assert_eq!(verdict(&report), "not-trusted");
    let place = place.with("a", json!({"sha256": report.sha256}));
    assert!(place.report().await.is_loaded());
}

#[tokio::test]
async fn strict_refuses_what_a_group_can_write_and_others_are_warned() {
    let wasm = Guest::default().wasm();
    let place = Place::new();
    place.put("a.wasm", &wasm);
    fs::set_permissions(place.path("a.wasm"), fs::Permissions::from_mode(0o664)).unwrap();
    let report = place.report().await;
    assert!(report.is_loaded() && report.warnings.len() == 1, "{report:?}");
    let place = place.with("a", json!({"sha256": report.sha256})).strict();
    assert_eq!(verdict(&place.report().await), "unreadable");
    fs::set_permissions(place.path("a.wasm"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&place.config.directory, fs::Permissions::from_mode(0o775)).unwrap();
    let error = inspect_directory(place.inspecting()).await.unwrap_err();
    assert!(matches!(error, OpenError::Directory(_)), "{error}");
}

#[tokio::test]
async fn an_older_version_than_the_config_allows_is_refused_though_it_is_signed() {
    let release = pair();
    let place = Place::new()
        .with("a", json!({"signedBy": "release", "minVersion": "1.10.0"}))
        .trusting("release", &release);
    for (version, expected) in [
        ("1.9.0", "too-old"),
        ("1.10.0-rc.1", "too-old"),
        ("ten", "too-old"),
        ("1.10.0", "loaded"),
        ("2.0.0", "loaded"),
    ] {
        let wasm = Guest {
            version,
            ..Guest::default()
        }
        .wasm();
        place.put_signed(&wasm, &sign(&release, &wasm));
        assert_eq!(verdict(&place.report().await), expected, "{version}");
    }
}

#[tokio::test]
async fn a_check_says_everything_that_is_wrong_at_once() {
    let (release, other) = (pair(), pair());
    let guest = Guest {
        imports: &["environment", "kill"],
        config_schema: json!({"required": ["token"]}).to_string(),
        ..Guest::default()
    };
    let wasm = guest.wasm();
    let entry = json!({
        "grants": ["kill"], "sha256": "0".repeat(64), "signedBy": "release", "minVersion": "3.0.0",
    });
    let place = Place::new()
        .with("a", entry)
        .trusting("release", &release)
        .trusting("other", &other)
        .strict();
    place.put_signed(&wasm, &sign(&other, &wasm));
    fs::set_permissions(place.path("a.wasm"), fs::Permissions::from_mode(0o666)).unwrap();
    let report = inspect_file(&place.path("a.wasm"), place.inspecting())
        .await
        .unwrap();
    let reasons = |report: &PluginReport| -> Vec<&str> {
        report.problems.iter().map(|problem| problem.reason).collect()
    };
    let all = [
        "unreadable",
        "pin-mismatch",
        "not-signed",
        "too-old",
        "not-granted",
        "bad-config",
    ];
    assert_eq!(reasons(&report), all, "{report:?}");
    assert_eq!(verdict(&report), "unreadable");
    // Where it lies does not matter of a file that is yet to be put in place; a bad signature matters everywhere.
    let elsewhere = place.config.directory.with_file_name("new.wasm");
    fs::copy(place.path("a.wasm"), &elsewhere).unwrap();
    fs::write(elsewhere.with_file_name("new.wasm.minisig"), sign(&other, b"x")).unwrap();
    let report = inspect_file(&elsewhere, place.inspecting()).await.unwrap();
    let all = [
        "bad-signature",
        "pin-mismatch",
        "not-signed",
        "too-old",
        "not-granted",
        "bad-config",
    ];
    assert_eq!(reasons(&report), all, "{report:?}");
}
