//! Plugins of a few lines, a directory for them, and a host.

use std::{
    ffi::OsString,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    compile::{self, CompilerCommand},
    config::{HostConfig, PluginConfig},
    faults::FaultPolicy,
    host::*,
    inspection::InspectOptions,
    limits::Limits,
    loader::Progress,
    ports::{AnySchemas, Lifecycle, PayloadSchemas, WorkerInfo},
    report::PluginReport,
    trust::TrustConfig,
    updater::Pace,
};

/// A plugin that says of itself what it is told to, and whose hooks are never called.
pub(super) struct Guest {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) config_schema: String,
    /// Of the payload; an error where it is none.
    pub(super) payload_schema: Option<String>,
    pub(super) imports: &'static [&'static str],
    /// Of the contract.
    pub(super) contract: &'static str,
    /// What `describe` does before it answers.
    pub(super) describe: &'static str,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            name: "a",
            version: "1.0.0",
            config_schema: "{}".to_owned(),
            payload_schema: Some(json!({"properties": {"a": {"type": "string"}}}).to_string()),
            imports: &[],
            contract: "0.1.0",
            describe: "",
        }
    }
}

/// Where the record that `describe` answers is in memory; the strings come after it.
const DESCRIPTION: usize = 16;
const SCHEMA: usize = 64;
const STRINGS: usize = 128;

impl Guest {
    pub(super) fn named(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    pub(super) fn wasm(&self) -> Vec<u8> {
        let imports: String = self
            .imports
            .iter()
            .map(|name| format!("(import \"taskcluster:plugin/{name}@0.1.0\" (instance))"))
            .collect();
        let text = include_str!("guest.wat")
            .replace("(; imports ;)", &imports)
            .replace("(; data ;)", &self.data())
            .replace("(; describe ;)", self.describe)
            .replace("@0.1.0\"", &format!("@{}\"", self.contract));
        wat::parse_str(text).unwrap()
    }

    /// Both answers, as the canonical ABI lays them out.
    fn data(&self) -> String {
        let (mut strings, mut description) = (Vec::new(), Vec::new());
        let mut place = |text: &str| {
            let at = (STRINGS + strings.len()) as u32;
            strings.extend_from_slice(text.as_bytes());
            [at.to_le_bytes(), (text.len() as u32).to_le_bytes()].concat()
        };
        for text in [self.name, self.version, "for tests"] {
            description.extend(place(text));
        }
        // No documentation: a list of nothing.
        description.extend([0; 8]);
        description.extend(place(&self.config_schema));
        let mut schema = u32::from(self.payload_schema.is_none()).to_le_bytes().to_vec();
        schema.extend(place(
            self.payload_schema.as_deref().unwrap_or("not with this config"),
        ));
        let data = |at: usize, bytes: &[u8]| {
            let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
            format!("(data (i32.const {at}) \"{bytes}\")")
        };
        [
            data(DESCRIPTION, &description),
            data(SCHEMA, &schema),
            data(STRINGS, &strings),
        ]
        .concat()
    }
}

/// A plugin directory and all else that a host needs.
pub(super) struct Place {
    folder: TempDir,
    pub(super) config: HostConfig,
    pub(super) compiled: Arc<Compiled>,
    pub(super) compiler: CompilerCommand,
    pub(super) schemas: Arc<dyn PayloadSchemas>,
    pub(super) pace: Pace,
}

/// Which files were compiled.
#[derive(Debug, Default)]
pub(super) struct Compiled(Mutex<Vec<String>>);

impl Progress for Compiled {
    fn compiling(&self, plugin_file: &str, index: usize, total: usize) {
        assert!(index < total);
        self.0.lock().unwrap().push(plugin_file.to_owned());
    }

    fn compiled(&self, _plugin_file: &str, _took: Duration) {}
}

impl Compiled {
    pub(super) fn take(&self) -> Vec<String> {
        let mut files = std::mem::take(&mut *self.0.lock().unwrap());
        files.sort();
        files
    }
}

#[derive(Debug)]
struct Immortal;

impl Lifecycle for Immortal {
    fn stop_gracefully(&self, _why: &str) {}
    fn stop_now(&self, _why: &str) {}
    fn stopping(&self) -> bool {
        false
    }
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("plugins");
        fs::create_dir(&directory).unwrap();
        let faults = FaultPolicy {
            file: folder.path().join("plugin-faults.json"),
            limit: 3,
            window: Duration::from_hours(1),
        };
        let config = HostConfig {
            directory,
            faults,
            cache_directory: folder.path().join("cache"),
            abort_grace: Duration::from_secs(2),
            default_limits: Limits::default(),
            trust: TrustConfig::default(),
            plugins: [].into(),
        };
        Self {
            folder,
            config,
            compiled: Arc::default(),
            compiler: compile::tests::command(),
            schemas: Arc::new(AnySchemas),
            pace: Pace {
                // Machines that test are overloaded.
                patience: Duration::from_secs(120),
                ..Pace::default()
            },
        }
    }

    /// From now on every compilation waits until the file that is answered is there.
    pub(super) fn hold_compilations(&mut self) -> PathBuf {
        let gate = self.folder.path().join("gate");
        let script = format!(
            "while ! test -e {}; do sleep 0.02; done; exec \"$@\"",
            gate.display()
        );
        let mut args: Vec<OsString> = vec!["-c".into(), script.into(), "sh".into()];
        args.push(self.compiler.program.clone().into());
        args.append(&mut self.compiler.args);
        self.compiler = CompilerCommand {
            program: "/bin/sh".into(),
            args,
        };
        gate
    }

    /// Adds what the config says of a plugin.
    pub(super) fn with(mut self, name: &str, entry: Value) -> Self {
        let entry: PluginConfig = serde_json::from_value(entry).unwrap();
        self.config.plugins.insert(name.to_owned(), entry);
        self
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.config.directory.join(file)
    }

    /// Puts a file in place in one step, as operators should.
    pub(super) fn put(&self, file: &str, bytes: &[u8]) {
        let beside = self.folder.path().join("beside");
        fs::write(&beside, bytes).unwrap();
        fs::rename(beside, self.path(file)).unwrap();
    }

    pub(super) fn remove(&self, file: &str) {
        fs::remove_file(self.path(file)).unwrap();
    }

    pub(super) fn inspecting(&self) -> InspectOptions {
        InspectOptions {
            config: self.config.clone(),
            compiler: self.compiler.clone(),
            progress: self.compiled.clone(),
            schemas: self.schemas.clone(),
        }
    }

    pub(super) async fn open(&self) -> Result<PluginHost, OpenError> {
        let InspectOptions {
            config,
            compiler,
            progress,
            schemas,
        } = self.inspecting();
        let worker = WorkerInfo {
            root_url: "http://localhost".to_owned(),
            task_queue_id: "a/b".to_owned(),
            worker_group: "g".to_owned(),
            worker_id: "w".to_owned(),
            engine: "mock".to_owned(),
            metadata: Vec::new(),
        };
        let host_runtime = tokio::runtime::Handle::current();
        let options = HostOptions {
            config,
            worker,
            lifecycle: Arc::new(Immortal),
            host_runtime,
            compiler,
            progress,
            schemas,
        };
        PluginHost::open_at(options, self.pace).await
    }
}

/// The names that are in service, with the version in the report of the file, and what stays of old ones.
pub(super) fn in_service(set: &crate::set::PluginSet) -> Vec<(String, String)> {
    set.plugins
        .iter()
        .map(|plugin| (plugin.name.to_string(), plugin.file.clone()))
        .collect()
}

/// The word for why a file is refused; `loaded` where it is not.
pub(super) fn verdict(report: &PluginReport) -> &'static str {
    match &report.verdict {
        crate::report::Verdict::Loaded => "loaded",
        crate::report::Verdict::Refused { reason, .. } => reason,
    }
}

/// The same of one file in a directory.
pub(super) fn verdict_of(reports: &[PluginReport], file: &str) -> &'static str {
    verdict(reports.iter().find(|report| report.file == file).unwrap())
}
