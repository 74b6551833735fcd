//! Signatures that hold, and the ways in which one does not.

use std::io::Cursor;

use minisign::KeyPair;
use serde_json::json;

use super::*;

const BYTES: &[u8] = b"\0asm and so on";

/// Signs as the tool does.
fn sign(pair: &KeyPair, bytes: &[u8], comment: &str) -> Result<Vec<u8>, ReadError> {
    let signed = minisign::sign(Some(&pair.pk), &pair.sk, Cursor::new(bytes), Some(comment), None);
    Ok(signed.unwrap().into_string().into_bytes())
}

fn pair() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().unwrap()
}

/// A pool with these keys.
fn pool(keys: &[(&str, &KeyPair)]) -> TrustConfig {
    let keys: serde_json::Map<_, _> = keys
        .iter()
        .map(|(name, pair)| ((*name).to_owned(), json!(pair.pk.to_base64())))
        .collect();
    serde_json::from_value(json!({ "keys": keys })).unwrap()
}

#[test]
fn a_signature_names_the_key_that_made_it_and_its_comment() {
    let (a, b) = (pair(), pair());
    let signature = sign(&b, BYTES, "release\t7\u{1b}[2J");
    let report = verify(BYTES, &signature, &pool(&[("a", &a), ("b", &b)])).unwrap();
    assert_eq!(report.key.as_deref(), Some("b"));
    assert_eq!(report.comment.as_deref(), Some("release 7 [2J"));
}

#[test]
fn a_signature_by_a_key_that_the_pool_does_not_have_is_nobodys() {
    let report = verify(BYTES, &sign(&pair(), BYTES, "x"), &pool(&[("a", &pair())])).unwrap();
    assert_eq!((report.key, report.comment), (None, None));
}

#[test]
fn other_bytes_and_another_comment_do_not_verify() {
    let a = pair();
    let keys = pool(&[("a", &a)]);
    let signature = sign(&a, BYTES, "version 1");
    let other_bytes = verify(b"\0asm and so forth", &signature, &keys);
    assert!(matches!(other_bytes, Err(SignatureError::Invalid { key }) if key == "a"));
    let text = String::from_utf8(signature.unwrap()).unwrap();
    let other_comment = Ok(text.replace("version 1", "version 2").into_bytes());
    let other_comment = verify(BYTES, &other_comment, &keys);
    assert!(matches!(other_comment, Err(SignatureError::Invalid { .. })));
}

#[test]
fn a_key_of_the_same_number_does_not_verify_what_another_has_signed() {
    let (a, b) = (pair(), pair());
    let signature = String::from_utf8(sign(&a, BYTES, "x").unwrap()).unwrap();
    // The number of a key is in the open, in front of the signature itself.
    let number = |pair: &KeyPair| pair.pk.to_base64()[3..12].to_owned();
    let forged = signature.replacen(&number(&a), &number(&b), 1);
    assert_ne!(forged, signature);
    let verified = verify(BYTES, &Ok(forged.into_bytes()), &pool(&[("b", &b)]));
    assert!(
        !matches!(verified, Ok(SignatureReport { key: Some(_), .. })),
        "{verified:?}"
    );
}

#[test]
fn what_is_no_signature_is_an_error() {
    let keys = pool(&[("a", &pair())]);
    for none in ["", "untrusted comment: x", "\u{1}\n\n\n\n", "a\nb\nc\nd"] {
        let verified = verify(BYTES, &Ok(none.as_bytes()), &keys);
        assert!(matches!(verified, Err(SignatureError::Malformed)), "{none:?}");
    }
    let verified = verify(BYTES, &Ok([0xff, 0xfe]), &keys);
    assert!(matches!(verified, Err(SignatureError::Malformed)));
    let verified = verify(BYTES, &Err::<Vec<u8>, _>(ReadError::Link), &keys);
    assert!(matches!(
        verified,
        Err(SignatureError::Unreadable(ReadError::Link))
    ));
}
