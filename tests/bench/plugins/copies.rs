//! Many plugins: `exit-status` again and again, each copy under a name of its own, and so with a hash of its own.

use std::{fs, path::Path};

use super::super::kit::Plugin;

const ORIGINAL: &str = "exit-status";

/// Fills a directory with so many plugins, up to 1000. Answers their names and files.
pub(super) fn fill(directory: &Path, count: usize) -> Vec<Plugin> {
    fs::create_dir_all(directory).unwrap();
    let original = fs::read(Plugin::ordinary(ORIGINAL).file).unwrap();
    let places: Vec<usize> = (0..=original.len() - ORIGINAL.len())
        .filter(|at| original[*at..].starts_with(ORIGINAL.as_bytes()))
        .collect();
    assert!(!places.is_empty(), "the plugin does not know its name");
    let copy = |number: usize| {
        let name = format!("exit-st-{number:03}");
        assert_eq!(name.len(), ORIGINAL.len());
        let mut bytes = original.clone();
        for at in &places {
            bytes[*at..*at + name.len()].copy_from_slice(name.as_bytes());
        }
        let file = directory.join(format!("{name}.wasm"));
        fs::write(&file, bytes).unwrap();
        Plugin {
            name,
            file,
            grants: Vec::new(),
        }
    };
    (0..count).map(copy).collect()
}
