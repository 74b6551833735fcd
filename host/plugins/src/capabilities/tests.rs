//! The table of capabilities against the contract and the documentation.

use std::{collections::BTreeSet, fs, path::Path};

use wit_parser::{Resolve, WorldId, WorldItem};

use super::*;
use crate::contract;

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The interfaces that a world of the contract imports, those that only others use among them.
fn imports(resolve: &Resolve, world: WorldId) -> BTreeSet<String> {
    let name = |item: &WorldItem| match item {
        WorldItem::Interface { id, .. } => resolve.interfaces[*id].name.clone(),
        WorldItem::Function(_) | WorldItem::Type { .. } => None,
    };
    resolve.worlds[world].imports.values().filter_map(name).collect()
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_table_has_what_the_contract_has() {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(repository().join("wit")).unwrap();
    let world = |name: &str| imports(&resolve, resolve.select_world(&[package], Some(name)).unwrap());
    let always = set(contract::always().iter().copied());
    let granted: BTreeSet<String> = &world("capabilities") - &always;
    assert_eq!(granted, set(Capability::ALL.map(Capability::name)));
    // Nothing that a plugin can import is in neither list.
    let everything: BTreeSet<String> = &always | &granted;
    assert_eq!(world("everything"), everything);
    // Not one interface of the package is left over.
    let exported = set(["plugin", "task-hooks", "worker-hooks"]);
    let all = resolve.packages[package].interfaces.keys().cloned().collect();
    assert_eq!(&everything | &exported, all);
}

#[test]
fn the_documentation_has_the_table() {
    let rows = Capability::ALL.iter().map(|capability| {
        let names = capability.names().map(|names| format!("`names`: {names}"));
        format!(
            "| `{}` | {} | {} |\n",
            capability.name(),
            capability.allows(),
            names.unwrap_or_default()
        )
    });
    let table: String = rows.collect();
    let path = repository().join("docs/plugins.md");
    let text = fs::read_to_string(path).unwrap();
    assert!(
        text.contains(&table),
        "docs/plugins.md, section Capabilities, must have:\n{table}"
    );
}

#[test]
fn a_word_is_of_one_capability() {
    for capability in Capability::ALL {
        assert_eq!(Capability::named(capability.name()), Some(capability));
    }
    assert_eq!(Capability::named("log"), None);
}
