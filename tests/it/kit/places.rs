//! Where the program and its plugins are.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// A plugin, with what it is granted in a worker's config.
#[derive(Clone, Debug)]
pub(crate) struct Plugin {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) grants: Vec<&'static str>,
}

impl Plugin {
    /// One that comes with the worker, with what it needs.
    pub(crate) fn ordinary(name: &str) -> Self {
        let grants = match name {
            "env" => vec!["environment"],
            "exit-status" => vec![],
            "artifacts" => vec!["results", "artifacts"],
            "livelog" => vec!["artifacts", "task-log"],
            "maxruntime" => vec!["kill"],
            "stoponerror" | "idle-shutdown" | "lifetime" => {
                return Self::found(&more_plugins(), name, vec!["lifecycle"]);
            }
            other => panic!("there is no plugin {other}"),
        };
        Self::found(&ordinary_plugins(), name, grants)
    }

    /// All that every worker has.
    pub(crate) fn all_ordinary() -> Vec<Self> {
        ["env", "exit-status", "artifacts", "livelog", "maxruntime"]
            .map(Self::ordinary)
            .into()
    }

    /// One of those under tests/plugins.
    pub(crate) fn misbehaving(name: &str, grants: &[&'static str]) -> Self {
        Self::found(&test_plugins(), name, grants.to_vec())
    }

    fn found(folder: &Path, name: &str, grants: Vec<&'static str>) -> Self {
        let file = folder.join(format!("{name}.wasm"));
        assert!(file.is_file(), "there is no {}: run `make test`", file.display());
        Self {
            name: name.to_owned(),
            file,
            grants,
        }
    }
}

/// The program.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_taskcluster-worker"))
}

/// The root of the project.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Where the plugins that come with the worker are built to: beside it.
pub(crate) fn ordinary_plugins() -> PathBuf {
    repository().join("target/debug/plugins")
}

/// Where those are of which a pool chooses: no worker looks into a folder in its plugin directory.
fn more_plugins() -> PathBuf {
    ordinary_plugins().join("more")
}

fn test_plugins() -> PathBuf {
    repository().join("target/test-plugins")
}

/// What `XDG_CACHE_HOME` is for every process of every test: compiling a plugin takes seconds, and is done once.
pub(crate) fn cache_home() -> &'static Path {
    static FILLED: OnceLock<PathBuf> = OnceLock::new();
    FILLED.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        std::fs::create_dir_all(&home).unwrap();
        for plugins in [ordinary_plugins(), more_plugins(), test_plugins()] {
            let mut command = Command::new(program());
            command.args(["plugin", "list", "--plugins"]).arg(&plugins);
            let output = command.env("XDG_CACHE_HOME", &home).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{}: {said}\nrun `make test`",
                plugins.display()
            );
        }
        home
    })
}

/// Where compiled plugins are.
pub(crate) fn plugin_cache() -> PathBuf {
    cache_home().join("taskcluster-worker/plugins")
}
