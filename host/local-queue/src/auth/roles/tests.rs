//! What roles make of scopes.

use proptest::prelude::*;

use super::*;
use crate::auth::{Access, scopes::satisfies};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn role(role_id: &str, scopes: &[&str]) -> Role {
    Role {
        role_id: role_id.to_owned(),
        scopes: texts(scopes),
    }
}

/// Whether scopes expand to these, beside themselves.
fn check(roles: &[Role], scopes: &[&str], granted: &[&str]) {
    let expanded = Roles::compile(roles).unwrap().expand(&texts(scopes));
    let expected = normal_form(texts(&[scopes, granted].concat()));
    assert_eq!(expanded, expected, "{scopes:?}");
}

#[test]
fn whoever_assumes_a_role_has_what_it_grants_and_what_that_leads_to() {
    let roles = [
        role("a", &["A", "assume:b"]),
        role("b", &["B*", "assume:c"]),
        role("c", &["C"]),
        role("d", &["D"]),
    ];
    check(&roles, &["assume:a"], &["A", "B*", "C", "assume:b", "assume:c"]);
    check(&roles, &["assume:d", "x"], &["D"]);
    check(&roles, &["assume:e", "assume:ab", "assume:", "a"], &[]);
    check(&roles, &[], &[]);
}

#[test]
fn a_star_reaches_every_role_that_begins_so() {
    let roles = [role("a", &["A"]), role("ab", &["AB"]), role("b", &["B"])];
    check(&roles, &["assume:a*"], &["A", "AB"]);
    check(&roles, &["assume:ab*"], &["AB"]);
    for all in ["assume:*", "assume*", "as*", "a*"] {
        check(&roles, &[all], &["A", "AB", "B"]);
    }
    check(&roles, &["*"], &[]);
    // These assume nothing.
    check(&roles, &[":*", "x*", "assume"], &[]);
}

#[test]
fn a_role_that_ends_in_a_star_is_reached_by_whatever_begins_so() {
    let roles = [
        role("project:*", &["P"]),
        role("project:x", &["X"]),
        role("*", &["ALL"]),
    ];
    check(&roles, &["assume:project:x"], &["P", "X", "ALL"]);
    check(&roles, &["assume:project:"], &["P", "ALL"]);
    check(&roles, &["assume:projec"], &["ALL"]);
    check(&roles, &["assume:pro*"], &["P", "X", "ALL"]);
}

#[test]
fn the_rest_of_the_name_is_filled_in() {
    let roles = [
        role(
            "admin:*",
            &["assume:owner:p-<..>/*", "secrets:get:<..>/*", "index:<..>"],
        ),
        role("owner:*", &["create:<..>"]),
        role("exact", &["literally:<..>"]),
    ];
    check(
        &roles,
        &["assume:admin:x"],
        &["assume:owner:p-x/*", "create:p-x/*", "secrets:get:x/*", "index:x"],
    );
    // What stands for many does so in what is filled in, and nothing can follow it.
    check(
        &roles,
        &["assume:admin:x*"],
        &["assume:owner:p-x*", "create:p-x*", "secrets:get:x*", "index:x*"],
    );
    check(
        &roles,
        &["assume:ad*"],
        &["assume:owner:p-*", "create:p-*", "secrets:get:*", "index:*"],
    );
    check(&roles, &["assume:exact"], &["literally:<..>"]);
}

#[test]
fn roles_that_make_no_sense_are_refused() {
    let refusal = |roles: &[Role]| Roles::compile(roles).err();
    let cycle = |names: &[&str]| Some(RoleError::Cycle(texts(names)));
    assert_eq!(
        refusal(&[role("a", &["assume:a"])]),
        cycle(&["assume:a", "assume:a"])
    );
    assert_eq!(
        refusal(&[
            role("z", &["assume:a"]),
            role("a", &["assume:b"]),
            role("b", &["assume:a*"])
        ]),
        cycle(&["assume:a", "assume:b", "assume:a"])
    );
    assert_eq!(
        refusal(&[role("x*", &["assume:x<..>y"])]),
        cycle(&["assume:x*", "assume:x*"])
    );
    assert_eq!(refusal(&[role("a", &["*"])]), cycle(&["assume:a", "assume:a"]));
    assert_eq!(
        refusal(&[role("x*", &["a<..>b<..>"])]),
        Some(RoleError::TwoParameters("a<..>b<..>".to_owned()))
    );
    assert_eq!(
        refusal(&[role("x*", &["a*<..>"])]),
        Some(RoleError::StarBeforeParameter("a*<..>".to_owned()))
    );
    assert_eq!(refusal(&[role("x*", &["a*<..>b", "assume:y:<..>"])]), None);
}

#[test]
fn roles_that_multiply_scopes_come_to_an_end() {
    let letters: Vec<char> = ('a'..='z').collect();
    let roles: Vec<Role> = letters
        .windows(2)
        .map(|pair| {
            let grants = [0, 1].map(|digit| format!("assume:{}<..>{digit}", pair[1]));
            role(&format!("{}*", pair[0]), &[&grants[0], &grants[1]])
        })
        .collect();
    let expanded = Roles::compile(&roles).unwrap().expand(&texts(&["assume:a"]));
    assert!(expanded.len() <= MAX_SCOPES + 1);
}

/// Few letters, so that much fits to much. What ends in two stars is refused wherever scopes come in.
fn scope() -> impl Strategy<Value = String> {
    prop_oneof![
        "assume:[abc][xy*]{0,2}[xy]\\*?",
        "assume:[abc]?\\*?",
        "(as?)?\\*",
        "[stu][xy]{0,3}\\*?"
    ]
}

fn scopes() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(scope(), 0..6)
}

/// Roles of three levels, which lead down alone.
fn roles() -> impl Strategy<Value = Roles> {
    let level = |name: &'static str, below: &'static str| {
        let grant = prop_oneof![below, "[stu][xy]{0,2}(<\\.\\.>)?[xy]?\\*?"];
        let role_id = "[xy]{0,2}\\*?".prop_map(move |rest| format!("{name}{rest}"));
        let role = (role_id, prop::collection::vec(grant, 0..4));
        let role = role.prop_map(|(role_id, scopes)| Role { role_id, scopes });
        prop::collection::vec(role, 0..4)
    };
    (
        level("a", "assume:[bc][xy]{0,2}(<\\.\\.>)?[xy]?\\*?"),
        level("b", "assume:c[xy]{0,2}(<\\.\\.>)?[xy]?\\*?"),
        level("c", "[stu]<\\.\\.>"),
    )
        .prop_map(|(a, b, c)| Roles::compile(a.iter().chain(&b).chain(&c)).unwrap())
}

proptest! {
    #[test]
    fn expanding_again_adds_nothing(roles in roles(), scopes in scopes()) {
        let expanded = roles.expand(&scopes);
        prop_assert_eq!(roles.expand(&expanded), expanded);
    }

    #[test]
    fn expanding_takes_nothing_away(roles in roles(), scopes in scopes()) {
        let expanded = roles.expand(&scopes);
        prop_assert!(scopes.iter().all(|scope| satisfies(&expanded, scope)));
        prop_assert_eq!(normal_form(expanded.clone()), expanded);
    }

    #[test]
    fn who_may_less_is_not_led_to_more(roles in roles(), scopes in scopes(), other in scopes()) {
        let less: Vec<String> = other.into_iter().filter(|scope| satisfies(&scopes, scope)).collect();
        let expanded = roles.expand(&scopes);
        for scope in roles.expand(&less) {
            prop_assert!(satisfies(&expanded, &scope), "{scope} of {less:?} is not in {expanded:?}");
        }
    }

    #[test]
    fn everybody_may_what_the_anonymous_may(scopes in scopes(), grants in scopes()) {
        let anonymous = Role { role_id: "anonymous".to_owned(), scopes: grants };
        // Roles that lead to themselves are none.
        let Ok(roles) = Roles::compile([&anonymous]) else { return Ok(()) };
        let access = Access::new([], roles);
        let caller = access.expand_for_caller(&scopes);
        prop_assert!(satisfies(&caller, "assume:anonymous"));
        prop_assert!(anonymous.scopes.iter().all(|scope| satisfies(&caller, scope)));
        prop_assert!(scopes.iter().all(|scope| satisfies(&caller, scope)));
    }
}
