//! What is known of one file in the plugin directory, for people and for `--json`.

use engine_api::chain;
use serde::Serialize;
use serde_json::Value;

use crate::{grants::Grants, refusal::Refusal, refusals::Refusals, state::printable};

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
    /// What the config grants to it, needed or not, as the config says it.
    pub granted: Option<Grants>,
    /// The interfaces of WASI that it imports. They are served empty.
    pub wasi: Vec<String>,
    /// The JSON schema of its config.
    pub config_schema: Option<Value>,
    /// The JSON schema of its part of a task's payload.
    pub payload_schema: Option<Value>,
    /// What an operator should look into.
    pub warnings: Vec<String>,
    /// Who signed it; none where nothing lies beside it as its signature.
    pub signature: Option<SignatureReport>,
    /// Whether it is loaded, and if not why: the first reason.
    pub verdict: Verdict,
    /// Everything that keeps it from being loaded, the first reason too. Empty where it is loaded.
    pub problems: Vec<Problem>,
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

/// Who signed a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignatureReport {
    /// The name that the config gives the key. None where it is a key that the config does not have, and then nothing is
    /// verified.
    pub key: Option<String>,
    /// What the signature says of the file, signed too: minisign's trusted comment.
    pub comment: Option<String>,
}

/// One reason for which a file is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// One word for the kind of reason. It does not change between versions of the worker.
    pub reason: &'static str,
    /// Why, in a line.
    pub message: String,
    /// What would help.
    pub advice: Option<String>,
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
    #[must_use]
    pub fn new(file: &str) -> Self {
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
            granted: None,
            wasi: Vec::new(),
            config_schema: None,
            payload_schema: None,
            warnings: Vec::new(),
            signature: None,
            verdict: Verdict::Loaded,
            problems: Vec::new(),
            kept: None,
        }
    }

    /// The same, refused.
    pub(crate) fn refused(mut self, refusals: &Refusals) -> Self {
        self.verdict = refusals.verdict();
        self.problems = refusals.problems();
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
        let Problem {
            reason,
            message,
            advice,
        } = refusal.into();
        Self::Refused {
            reason,
            message,
            advice,
        }
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        Self {
            reason: refusal.word(),
            // Compilers and parsers quote what they have read.
            message: printable(&chain(refusal)).into_owned(),
            advice: refusal.advice(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_refusal_quotes_does_nothing_to_a_terminal() {
        let quoting = Refusal::Broken("there is no type \u{1b}[2J\r\n[taskcluster] forged".to_owned());
        let Verdict::Refused { message, .. } = Verdict::from(&quoting) else {
            panic!("it is refused");
        };
        assert!(
            message.contains("\\u{1b}[2J\\r\\n[taskcluster] forged"),
            "{message}"
        );
    }
}
