//! The targets `loader` and `plugins`: a file on its way to be a plugin, as `plugin check` takes it. What is valid is compiled
//! in a process of its own, linked, instantiated, and asked who it is.

use std::{fs, path::PathBuf, sync::Arc};

use arbitrary::Unstructured;
use plugin_host::{
    HostConfig, InspectOptions, NoProgress, PluginReport, Verdict, fuzz::Inspector, ports::AnySchemas,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

mod generate;

use crate::{Place, Ready, findings::OrFinding as _, findings::finding, log, place};

/// The longest message about a file that is right, in bytes.
const MAX_MESSAGE: usize = 128 << 10;

/// Looks at files.
struct Loader {
    runtime: Runtime,
    inspector: Inspector,
    config: HostConfig,
    file: PathBuf,
    _folder: TempDir,
}

/// An input is a file.
pub(crate) fn files(place: &Place) -> Ready {
    let loader = Loader::new(place);
    Box::new(move |input| loader.look(input))
}

/// An input is what a file is made of.
pub(crate) fn generated(place: &Place) -> Ready {
    let loader = Loader::new(place);
    Box::new(move |input| {
        // What is too short to choose from makes nothing.
        if let Ok(wasm) = generate::file(&mut Unstructured::new(input)) {
            loader.look(&wasm);
        }
    })
}

impl Loader {
    fn new(place: &Place) -> Self {
        log::watch();
        let folder = place::folder();
        let plugins = json!({
            "granted": {"grants": ["environment", "kill", "results", "artifacts", "task-log"], "required": false},
            "configured": {"config": {"a": 1, "b": ["c"]}, "required": false},
        });
        let config = place::host_config(&plugins, folder.path());
        let inspector = Inspector::start(InspectOptions {
            config: config.clone(),
            compiler: place.compiler.clone(),
            progress: Arc::new(NoProgress),
            schemas: Arc::new(AnySchemas),
        });
        Self {
            runtime: log::runtime(),
            inspector: inspector.or_finding("plugins can't be run here"),
            file: config.directory.join("fuzz.wasm"),
            config,
            _folder: folder,
        }
    }

    fn look(&self, bytes: &[u8]) {
        // In one step, as operators should.
        let beside = self.file.with_extension("new");
        fs::write(&beside, bytes)
            .and_then(|()| fs::rename(&beside, &self.file))
            .or_finding("writing the file");
        let report = self.runtime.block_on(self.inspector.look(&self.file));
        let report = report.or_finding("reading the file");
        check(&report);
        if report.is_loaded() || report.name.is_some() {
            self.empty_the_cache();
        }
    }

    /// No other input is the same, and there are many.
    fn empty_the_cache(&self) {
        let entries = fs::read_dir(&self.config.cache_directory).or_finding("looking into the cache");
        for entry in entries.flatten() {
            fs::remove_file(entry.path()).or_finding("emptying the cache");
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.runtime.block_on(self.inspector.shutdown());
    }
}

/// What is said of a file is fit to be shown, and no fault of the host's.
fn check(report: &PluginReport) {
    serde_json::to_string(report).or_finding("writing a report");
    let shown = [&report.name, &report.version, &report.summary]
        .into_iter()
        .flatten()
        .chain(&report.capabilities)
        .chain(&report.wasi)
        .chain(&report.exports)
        .chain(&report.warnings);
    for text in shown {
        assert!(
            text.len() <= MAX_MESSAGE && !text.chars().any(char::is_control),
            "{text:?}"
        );
    }
    if let Verdict::Refused {
        reason,
        message,
        advice,
    } = &report.verdict
    {
        if matches!(*reason, "host-failed" | "cache") {
            finding(&format!("{reason}: {message}"));
        }
        for text in [Some(message), advice.as_ref()].into_iter().flatten() {
            let is_clean = |c: char| c == '\t' || !c.is_control();
            assert!(
                text.len() <= MAX_MESSAGE && text.chars().all(is_clean),
                "{text:?}"
            );
        }
    }
}
