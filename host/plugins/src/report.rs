//! What is known of one file in the plugin directory, for people and for `--json`.

use serde::Serialize;
use serde_json::Value;

use crate::{loader::chain, refusal::Refusal};

/// One file, and whether it is loaded. What could not be learned before it was refused is empty.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginReport {
    /// The file's name. Of a plugin that the config names and no file bears: `plugins.<name>`.
    pub file: String,
    /// Of its bytes, hexadecimal.
    pub sha256: Option<String>,
    /// In bytes.
    pub size: Option<u64>,
    /// What the plugin calls itself.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// What it is for, in a line.
    pub summary: Option<String>,
    /// For the authors of tasks: titles and Markdown.
    pub documentation: Vec<Section>,
    /// The interfaces of the contract that it exports: `plugin`, `task-hooks`, `worker-hooks`.
    pub exports: Vec<String>,
    /// The capabilities that it imports and that need a grant.
    pub capabilities: Vec<String>,
    /// The interfaces of WASI that it imports. They are served empty.
    pub wasi: Vec<String>,
    /// The JSON schema of its config.
    pub config_schema: Option<Value>,
    /// The JSON schema of its part of a task's payload.
    pub payload_schema: Option<Value>,
    /// What an operator should look into.
    pub warnings: Vec<String>,
    /// Whether it is loaded, and if not why.
    pub verdict: Verdict,
    /// Of a file that is refused or gone: the hash of its former version, which stays in service.
    pub kept: Option<String>,
}

/// A part of a plugin's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Section {
    /// One line.
    pub title: String,
    /// Markdown.
    pub content: String,
}

/// What came of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Verdict {
    /// It is in service, or would be.
    Loaded,
    /// It is not.
    Refused {
        /// One word for the kind of reason, which does not change between versions of the worker.
        reason: &'static str,
        /// What is wrong.
        message: String,
        /// What would help, where that is known.
        advice: Option<String>,
    },
}

impl PluginReport {
    /// The report of a file of which nothing is known yet.
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            sha256: None,
            size: None,
            name: None,
            version: None,
            summary: None,
            documentation: Vec::new(),
            exports: Vec::new(),
            capabilities: Vec::new(),
            wasi: Vec::new(),
            config_schema: None,
            payload_schema: None,
            warnings: Vec::new(),
            verdict: Verdict::Loaded,
            kept: None,
        }
    }

    /// The same, refused.
    pub(crate) fn refused(mut self, refusal: &Refusal) -> Self {
        self.verdict = refusal.into();
        self
    }

    /// Whether the verdict is [`Verdict::Loaded`].
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.verdict == Verdict::Loaded
    }
}

impl From<&Refusal> for Verdict {
    fn from(refusal: &Refusal) -> Self {
        Self::Refused {
            reason: refusal.word(),
            message: chain(refusal),
            advice: refusal.advice(),
        }
    }
}
