//! Scopes and certificates, without a queue. Signatures are tested through HTTP.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::{
    certificate::Certificate,
    scopes::{Expression, normal_form, satisfies},
    *,
};
use crate::clock;

fn scopes(scopes: &[&str]) -> Vec<String> {
    scopes.iter().map(|scope| (*scope).to_owned()).collect()
}

#[test]
fn a_star_at_the_end_satisfies_whatever_begins_so() {
    for (given, required, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "ab", true),
        ("a*", "a", true),
        ("a*", "a*", true),
        ("*", "anything", true),
        ("a*b", "axb", false),
        ("ab*", "a*", false),
        ("", "a", false),
        ("a**", "a*", false),
        ("a**", "a*b", true),
        ("a*", "a**", true),
    ] {
        assert_eq!(
            satisfies(&scopes(&[given]), required),
            expected,
            "{given} {required}"
        );
    }
}

#[test]
fn a_normal_form_has_each_authority_once() {
    let normal = |given: &[&str]| normal_form(scopes(given)).join(" ");
    assert_eq!(normal(&["b", "a", "b"]), "a b");
    assert_eq!(normal(&["ab", "a", "a*", "b", "abc*"]), "a* b");
    assert_eq!(normal(&["a-b", "a*", "a", "aB"]), "a*");
    assert_eq!(normal(&["x", "*", ""]), "*");
}

fn any_scopes() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[ab*-]{0,4}", 0..8)
}

proptest! {
    #[test]
    fn a_normal_form_is_the_same_authority(given in any_scopes(), required in "[ab*-]{0,4}") {
        let normal = normal_form(given.clone());
        prop_assert_eq!(satisfies(&normal, &required), satisfies(&given, &required));
        prop_assert!(normal.len() <= given.len());
    }

    #[test]
    fn a_normal_form_does_not_depend_on_order(given in any_scopes().prop_shuffle()) {
        let mut sorted = given.clone();
        sorted.sort();
        prop_assert_eq!(normal_form(given), normal_form(sorted));
    }

    #[test]
    fn who_satisfies_a_scope_satisfies_what_that_would(a in "[ab*]{0,4}", b in "[ab*]{0,4}", c in "[ab*]{0,4}") {
        let covers = |scope: &String, required: &str| satisfies(std::slice::from_ref(scope), required);
        prop_assert!(!(covers(&a, &b) && covers(&b, &c)) || covers(&a, &c));
    }
}

#[test]
fn expressions_say_what_is_missing() {
    let scope = |text: &str| Expression::Scope(text.to_owned());
    let expression = Expression::All(vec![
        scope("a"),
        Expression::Any(vec![scope("b"), Expression::All(vec![scope("c"), scope("d")])]),
    ]);
    assert!(expression.satisfied_by(&scopes(&["a", "b"])));
    assert!(expression.satisfied_by(&scopes(&["a", "c", "d"])));
    assert_eq!(expression.unsatisfied_by(&scopes(&["*"])), None);
    let missing = expression.unsatisfied_by(&scopes(&["a", "c"])).unwrap();
    assert_eq!(
        missing.to_json().to_string(),
        r#"{"AllOf":[{"AnyOf":["b",{"AllOf":["d"]}]}]}"#
    );
    assert!(Expression::All(Vec::new()).satisfied_by(&[]));
    assert!(!Expression::Any(Vec::new()).satisfied_by(&scopes(&["*"])));
}

fn issuer(given: &[&str]) -> Client {
    Client {
        client_id: "issuer".to_owned(),
        access_token: "very-secret".to_owned(),
        scopes: scopes(given),
    }
}

fn wanted(client_id: Option<&str>, given: &[&str]) -> TemporaryCredentials {
    TemporaryCredentials {
        client_id: client_id.map(str::to_owned),
        start: clock::now(),
        expiry: clock::now() + TimeDelta::hours(1),
        scopes: scopes(given),
    }
}

fn check(issuer: &Client, wanted: TemporaryCredentials) -> Result<String, AuthFailure> {
    let credentials = issue(issuer, wanted).unwrap();
    let certificate: Certificate = serde_json::from_str(credentials.certificate.as_deref().unwrap()).unwrap();
    let granted = certificate.check(&credentials.client_id, issuer, clock::now())?;
    assert_eq!(granted.access_token, credentials.access_token);
    Ok(granted.scopes.join(" "))
}

#[test]
fn what_is_issued_is_accepted() {
    let root = issuer(&["*"]);
    assert_eq!(check(&root, wanted(None, &["a", "b*"])), Ok("a b*".to_owned()));
    assert_eq!(check(&root, wanted(Some("named"), &[])), Ok(String::new()));
}

#[test]
fn nobody_can_give_more_than_they_have() {
    let some = issuer(&["x:*", "auth:create-client:me/*"]);
    assert!(check(&some, wanted(None, &["x:y"])).is_ok());
    assert!(check(&some, wanted(None, &["y:z"])).is_err());
    assert!(check(&some, wanted(Some("me/x"), &["x:y"])).is_ok());
    assert!(check(&some, wanted(Some("you/x"), &["x:y"])).is_err());
}

#[test]
fn certificates_have_their_time() {
    let root = issuer(&["*"]);
    let now = clock::now();
    for (start, expiry, good) in [
        (-60, 60, true),
        (4, 60, true),
        (6, 60, false),
        (-60, -4, true),
        (-60, -6, false),
        (0, 31 * 24 * 60, true),
        (0, 31 * 24 * 60 + 1, false),
    ] {
        let wanted = TemporaryCredentials {
            start: now + TimeDelta::minutes(start),
            expiry: now + TimeDelta::minutes(expiry),
            ..wanted(None, &["a"])
        };
        assert_eq!(check(&root, wanted).is_ok(), good, "{start} {expiry}");
    }
}

#[test]
fn a_certificate_that_was_tampered_with_is_refused() {
    let root = issuer(&["*"]);
    let credentials = issue(&root, wanted(Some("named"), &["a"])).unwrap();
    let text = credentials.certificate.unwrap();
    let broken = [
        text.replace("[\"a\"]", "[\"b\"]"),
        text.replace("\"issuer\":\"issuer\"", "\"issuer\":\"other\""),
        text.replace("\"version\":1", "\"version\":2"),
        text.replace("\"signature\":\"", "\"signature\":\"A"),
    ];
    for broken in broken {
        assert_ne!(broken, text);
        let certificate: Certificate = serde_json::from_str(&broken).unwrap();
        assert!(
            certificate.check("named", &root, clock::now()).is_err(),
            "{broken}"
        );
    }
    let certificate: Certificate = serde_json::from_str(&text).unwrap();
    assert!(certificate.check("other-name", &root, clock::now()).is_err());
    let other = Client {
        access_token: "other-secret".to_owned(),
        ..root
    };
    assert!(certificate.check("named", &other, clock::now()).is_err());
}
