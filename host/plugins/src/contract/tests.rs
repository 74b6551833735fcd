//! Which version a name is of, and that the trial is the contract with one function renamed.

use super::*;

#[test]
fn a_name_is_of_the_version_whose_patch_it_is() {
    let number = |name: &str| match read(name) {
        Some(Name::Served(version, interface)) => Some((version.number, interface.to_owned())),
        Some(Name::NotServed) => Some(("another", String::new())),
        None => None,
    };
    let served = |number, interface: &str| Some((number, interface.to_owned()));
    assert_eq!(number("taskcluster:plugin/log@0.1.0"), served("0.1.0", "log"));
    assert_eq!(number("taskcluster:plugin/log@0.1.12"), served("0.1.0", "log"));
    assert_eq!(number("taskcluster:plugin/log@0.2.1"), served("0.2.0", "log"));
    for other in ["0.3.0", "1.1.0", "0.0.1", "0.1.1-pre", "0.1", "", "x"] {
        assert_eq!(
            number(&format!("taskcluster:plugin/log@{other}")),
            served("another", ""),
            "{other}"
        );
    }
    assert_eq!(number("taskcluster:plugin/log"), served("another", ""));
    for foreign in [
        "taskcluster:plugins/log@0.1.0",
        "taskcluster:plugin",
        "wasi:io/error@0.1.0",
    ] {
        assert_eq!(number(foreign), None, "{foreign}");
    }
}

#[test]
fn no_two_versions_are_compatible_since_a_plugin_is_made_for_one() {
    for version in SERVED {
        let serving: Vec<_> = SERVED
            .iter()
            .filter(|other| other.serves(version.number))
            .collect();
        assert_eq!(serving, [version]);
    }
}

/// The interfaces of a file of WIT without comments, by name.
fn interfaces(text: &str) -> std::collections::BTreeMap<String, String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    code.split("@since(version = ")
        .skip(1)
        .map(|interface| {
            let (_version, interface) = interface.split_once(")\n").unwrap();
            // An interface ends where its first line's brace does, in the first column.
            let interface = interface.split_once("\n}").unwrap().0;
            let name = interface.split_whitespace().nth(1).unwrap();
            (name.to_owned(), interface.to_owned())
        })
        .collect()
}

#[test]
fn the_trial_is_the_contract_with_one_function_renamed() {
    let contract = interfaces(include_str!("../../../../wit/plugin.wit"));
    let trial = interfaces(include_str!("trial.wit"));
    assert!(trial.len() > 5);
    for (name, interface) in trial {
        let expected = contract[&name].replace("set-variable:", "set:");
        assert_eq!(interface, expected, "{name}");
    }
}
