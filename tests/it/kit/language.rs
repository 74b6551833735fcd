//! The plugin `env` in the languages that it is written in: guest-plugins/env in Rust, those of examples/plugins in others.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Plugin, places};

/// What the plugin is called. (The kit is a part of the bench too, which has no list of guests.)
const ENV: &str = "env";

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    Python,
    JavaScript,
}

/// The plugin `env` in a language.
#[derive(Clone, Debug)]
pub(crate) struct EnvPlugin {
    pub(crate) plugin: Plugin,
    /// The hash of its file. Whoever grants something to a plugin with an interpreter in it pins it: its functions are larger
    /// than those of a file that just lies there may be.
    pub(crate) sha256: String,
}

impl Language {
    /// The plugin; none where what builds it could not be installed, which is said, and which a machine that must have it
    /// does not get away with.
    pub(crate) fn env_plugin(self) -> Option<EnvPlugin> {
        let Some(folder) = self.example() else {
            return Some(EnvPlugin::new(Plugin::ordinary(ENV)));
        };
        let file = places::repository()
            .join("target/example-plugins")
            .join(folder)
            .join("env.wasm");
        if !file.is_file() {
            let why = format!(
                "{self:?}: there is no {}: `make example-plugins` says why",
                file.display()
            );
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
            // Not by a macro: what they print is shown of tests that fail.
            let _ = writeln!(io::stderr(), "skipped: {why}");
            return None;
        }
        let plugin = EnvPlugin::new(Plugin {
            file,
            ..Plugin::ordinary(ENV)
        });
        self.compile(&plugin);
        Some(plugin)
    }

    /// Its folder, if it is one of the examples.
    fn example(self) -> Option<&'static str> {
        match self {
            Self::Rust => None,
            Self::Python => Some("python"),
            Self::JavaScript => Some("javascript"),
        }
    }

    /// Has it in the cache that all tests use, since an interpreter takes half a minute to compile.
    fn compile(self, plugin: &EnvPlugin) {
        static COMPILED: [OnceLock<()>; 2] = [const { OnceLock::new() }; 2];
        let compiled = &COMPILED[usize::from(self == Self::Python)];
        compiled.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let report = plugin.check(folder.path(), places::cache_home(), Some(&plugin.sha256));
            assert_eq!(report["verdict"]["kind"], "loaded", "{report:#}");
        });
    }
}

impl EnvPlugin {
    fn new(plugin: Plugin) -> Self {
        let hash = Sha256::digest(fs::read(&plugin.file).unwrap());
        Self {
            plugin,
            sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// What `plugin check` says of it, with a config that pins it or does not.
    pub(crate) fn check(&self, folder: &Path, cache_home: &Path, pin: Option<&str>) -> Value {
        let config = json!({
            "taskcluster": {"embedded": {"directory": folder.join("queue")}},
            "worker": {"taskQueueId": "test/it", "directory": folder.join("state")},
            "plugins": {ENV: {"grants": self.plugin.grants, "sha256": pin}},
        });
        let file: PathBuf = folder.join("worker.yml");
        fs::write(&file, format!("{config:#}")).unwrap();
        let mut command = Command::new(places::program());
        command
            .args(["plugin", "check", "--json", "--config"])
            .arg(&file)
            .arg(&self.plugin.file);
        let output = command.env("XDG_CACHE_HOME", cache_home).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let mut reports: Vec<Value> =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!(reports.len(), 1);
        reports.remove(0)
    }
}
