//! Keys, and who is to sign what.

use minisign::KeyPair;

use super::*;

fn key() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

/// The good config, with more at its end.
fn with(more: &str) -> Result<Config, String> {
    parsed(&format!("{GOOD}{more}"))
}

#[test]
fn keys_are_lines_or_whole_files_of_the_tool() {
    let key = key();
    let (line, file) = (key.pk.to_base64(), key.pk.to_box().unwrap().to_string());
    let file = serde_json::to_string(&file).unwrap();
    let config = with(&format!(
        "  a: {{signedBy: line, minVersion: 1.2.0}}\n  b: {{signedBy: [line, file], sha256: '{hash}'}}\n\
         pluginTrust: {{strict: true, keys: {{line: {line}, file: {file}}}}}\n",
        hash = "0aF".repeat(21) + "0",
    ))
    .unwrap();
    let host = config.plugin_host(Path::new("/plugins"));
    assert!(host.trust.strict);
    assert_eq!(host.trust.keys.len(), 2);
    assert_eq!(
        host.plugins["b"].signed_by.as_ref().unwrap().names(),
        ["line", "file"]
    );
    assert!(!with("").unwrap().plugin_trust.strict);
}

#[test]
fn a_key_that_is_read_from_a_file_may_be_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("release.pub");
    std::fs::write(&file, key().pk.to_box().unwrap().to_string()).unwrap();
    let trust = format!(
        "pluginTrust: {{keys: {{release: {{$file: {}}}}}}}\n",
        file.display()
    );
    assert!(with(&trust).is_ok());
}

#[test]
fn who_is_to_sign_must_have_a_key() {
    let trust = format!("pluginTrust: {{keys: {{release: {}}}}}\n", key().pk.to_base64());
    let told = with(&format!("  a: {{signedBy: relaese}}\n{trust}")).unwrap_err();
    for part in ["plugins.a.signedBy", "one of pluginTrust.keys", "release"] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let told = with("  a: {signedBy: [x, y]}\n").unwrap_err();
    assert!(
        told.contains("plugins.a.signedBy[0]") && told.contains("plugins.a.signedBy[1]"),
        "{told}"
    );
}

#[test]
fn what_looks_like_a_demand_and_is_none_is_an_error() {
    for entry in [
        "sha256: 0123",
        "sha256: ''",
        "signedBy: []",
        "minVersion: '1.2'",
        "minVersion: latest",
    ] {
        assert!(with(&format!("  a: {{{entry}}}\n")).is_err(), "{entry}");
    }
    assert!(with("pluginTrust: {keys: {a: RWQx}}\n").is_err());
    assert!(with("pluginTrust: {strikt: true}\n").is_err());
}
