//! Lists the guests for the tests: a constant for each plugin under `guest-plugins` and each guest under
//! `tests/plugins/examples`, with its name, each attack under `tests/plugins/wat`, and each file that is no guest under
//! `tests/plugins/files`. `tests/it/named_by_tests.rs` includes what this writes.

use std::{env, error::Error, fs, path::Path};

const PLUGINS: &str = "../../guest-plugins";
const TEST_GUESTS: &str = "../../tests/plugins/examples";
const ATTACKS: &str = "../../tests/plugins/wat";
const FILES: &str = "../../tests/plugins/files";

fn main() -> Result<(), Box<dyn Error>> {
    // Every crate of the workspace is in the lock file: a new plugin changes it, one that is edited does not.
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    println!("cargo::rerun-if-changed={TEST_GUESTS}");
    println!("cargo::rerun-if-changed={ATTACKS}");
    println!("cargo::rerun-if-changed={FILES}");
    let mut guests = names(PLUGINS, |path| {
        path.join("Cargo.toml").is_file() && !path.ends_with("sdk")
    })?;
    guests.extend(names(TEST_GUESTS, |path| {
        path.extension().is_some_and(|it| it == "rs")
    })?);
    let attacks = names(ATTACKS, |path| path.extension().is_some_and(|it| it == "wat"))?;
    let files = names(FILES, |path| path.is_file())?;
    let constants: String = guests
        .iter()
        .map(|name| constant("", name))
        .chain(attacks.iter().map(|name| constant("ATTACK_", name)))
        .chain(files.iter().map(|name| constant("FILE_", name)))
        .collect();
    let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    fs::write(Path::new(&out).join("guests.rs"), constants)?;
    Ok(())
}

/// The sorted names of those entries of a folder that are guests, without their extension.
fn names(folder: &str, is_guest: impl Fn(&Path) -> bool) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_guest(&path) {
            let name = path.file_stem().and_then(|name| name.to_str());
            names.push(name.ok_or("a guest's name is not UTF-8")?.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The constant of a guest. Its value is the name of its file, as `tests/install-plugins.sh` has it.
fn constant(prefix: &str, name: &str) -> String {
    let identifier = format!("{prefix}{}", name.replace('-', "_").to_uppercase());
    let name = name.replace('_', "-");
    format!("/// The guest `{name}`.\npub(crate) const {identifier}: &str = {name:?};\n")
}
