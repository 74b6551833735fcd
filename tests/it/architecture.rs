//! The project's own rules, as far as the compiler does not know them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::kit::repository;

/// The longest that a file may be, in lines.
const MAX_LINES: usize = 500;

/// The source files below a folder of the project, with their text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    files(folder, &|path| {
        path.extension().is_some_and(|extension| extension == "rs")
    })
}

fn files(folder: &str, wanted: &dyn Fn(&Path) -> bool) -> Vec<(PathBuf, String)> {
    let root = repository();
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let is_hidden = name.to_string_lossy().starts_with('.') && name != ".ci" && name != ".cargo";
            if name == "target" || is_hidden {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if wanted(&path) {
                // What is no text is none of these files.
                if let Ok(text) = fs::read_to_string(&path) {
                    found.push((path.strip_prefix(&root).unwrap().to_owned(), text));
                }
            }
        }
    }
    assert!(!found.is_empty(), "{folder} is empty");
    found
}

/// The files that hold one of some texts, outside of comments.
fn holding(folder: &str, texts: &[&str]) -> Vec<String> {
    let code = |line: &str| !line.trim_start().starts_with("//");
    let holds = |text: &str| {
        text.lines()
            .any(|line| code(line) && texts.iter().any(|wanted| line.contains(wanted)))
    };
    let mut found: Vec<_> = sources(folder)
        .into_iter()
        .filter(|(_, text)| holds(text))
        .map(|(path, _)| path.display().to_string())
        .collect();
    found.sort();
    found
}

/// The dependencies of a crate, those of its tests included.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
        } else if inside && let Some((name, _)) = line.split_once(['.', ' ', '=']) {
            names.push(name.to_owned());
        }
    }
    names
}

fn manifests() -> Vec<(PathBuf, String)> {
    let all = files(".", &|path| {
        path.file_name().is_some_and(|name| name == "Cargo.toml")
    });
    all.into_iter()
        .filter(|(path, _)| path.parent() != Some(Path::new("")))
        .collect()
}

#[test]
fn the_life_of_a_task_is_decided_without_io() {
    let text = fs::read_to_string(repository().join("host/worker/src/task/stage.rs")).unwrap();
    for word in [
        "tokio",
        "wasmtime",
        "engine_native",
        "engine_mock",
        "engine_api",
        "plugin_host",
        "async ",
        "std::fs",
        "std::net",
    ] {
        let found = text
            .lines()
            .find(|line| !line.trim_start().starts_with("//") && line.contains(word));
        assert_eq!(found, None, "stage.rs knows {word}");
    }
}

#[test]
fn wasmtime_is_a_dependency_of_the_plugin_host_alone() {
    let with: Vec<_> = manifests()
        .into_iter()
        .filter(|(_, text)| dependencies(text).iter().any(|name| name.starts_with("wasmtime")))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(with, [Path::new("host/plugins/Cargo.toml")]);
}

#[test]
fn host_bindings_are_generated_in_one_place() {
    let generating = holding("host", &["bindgen!"]);
    assert!(
        generating
            .iter()
            .all(|path| path.starts_with("host/plugins/src/bindings")),
        "{generating:?}"
    );
    assert!(!generating.is_empty());
}

#[test]
fn only_the_composition_root_names_engines_and_stores() {
    for name in ["engine_native", "engine_mock", "local_queue"] {
        assert_eq!(
            holding("host/worker/src", &[name]),
            ["host/worker/src/app.rs"],
            "{name}"
        );
    }
}

#[test]
fn dependencies_go_one_way() {
    let ours = [
        "engine-api",
        "engine-mock",
        "engine-native",
        "local-queue",
        "plugin-host",
        "plugin-sdk",
        "queue",
        "services",
    ];
    let allowed = |path: &str| -> &[&str] {
        match path {
            "engines/api" | "host/queue" => &[],
            path if path.starts_with("engines/") => &["engine-api"],
            "host/services" => &["engine-api"],
            "host/plugins" => &["engine-api", "services"],
            "host/local-queue" => &["queue"],
            "host/worker" => &[
                "engine-api",
                "engine-mock",
                "engine-native",
                "local-queue",
                "plugin-host",
                "queue",
                "services",
            ],
            "guest-plugins/sdk" => &[],
            path if path.starts_with("guest-plugins/") => &["plugin-sdk"],
            "tests/clients" => &[],
            "tests/fuzz" => &ours,
            "tests/plugins" => &["plugin-sdk"],
            other => panic!("{other} is a crate that the architecture does not know"),
        }
    };
    for (path, text) in manifests() {
        let folder = path.parent().unwrap().to_str().unwrap();
        for name in dependencies(&text)
            .iter()
            .filter(|name| ours.contains(&name.as_str()))
        {
            assert!(
                allowed(folder).contains(&name.as_str()),
                "{folder} depends on {name}"
            );
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_is_short() {
    for folder in ["engines", "host", "guest-plugins", "tests"] {
        for (path, text) in sources(folder) {
            assert!(
                text.starts_with("//! "),
                "{} does not begin with what it is for",
                path.display()
            );
            let lines = text.lines().count();
            assert!(
                lines <= MAX_LINES,
                "{} has {lines} lines, and {MAX_LINES} is the limit",
                path.display()
            );
        }
    }
}

#[test]
fn nothing_refers_to_what_is_outside_of_the_project() {
    // Written so that this file does not.
    let outside = ["..", "shared"].join("/");
    let referring: Vec<_> = files(".", &|_| true)
        .into_iter()
        .filter(|(_, text)| text.contains(&outside))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(referring, Vec::<PathBuf>::new());
}

#[test]
fn every_spawned_task_has_an_owner() {
    // `tokio::spawn` whose handle is dropped on the spot.
    for (path, text) in sources("host").into_iter().chain(sources("engines")) {
        let detached = text.lines().find(|line| {
            let line = line.trim_start();
            line.starts_with("tokio::spawn(") && line.ends_with(';') || line.contains("drop(tokio::spawn(")
        });
        assert_eq!(detached, None, "{}", path.display());
    }
}
