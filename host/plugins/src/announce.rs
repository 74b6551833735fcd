//! What the worker's log says of plugins that come, stay away and go.

use crate::{
    assemble::Assembled,
    refusal::Refusal,
    report::{PluginReport, Problem, Verdict},
};

/// Says in the log what is new: each plugin that is in service, each refusal, once.
pub(crate) fn announce(assembled: &Assembled, former: &[PluginReport]) {
    for report in &assembled.reports {
        let is_old = |old: &PluginReport| {
            old.file == report.file
                && old.sha256 == report.sha256
                && old.verdict == report.verdict
                && old.problems == report.problems
        };
        if former.iter().any(is_old) {
            continue;
        }
        let (file, plugin) = (&report.file, report.name.as_deref().unwrap_or_default());
        for warning in &report.warnings {
            tracing::warn!(file, plugin, warning, "a plugin's file should be looked into");
        }
        match &report.verdict {
            Verdict::Loaded => {
                let signed_by = report
                    .signature
                    .as_ref()
                    .and_then(|signature| signature.key.as_deref());
                tracing::info!(
                    file,
                    plugin,
                    version = report.version.as_deref().unwrap_or_default(),
                    sha256 = report.sha256.as_deref().unwrap_or_default(),
                    signed_by = signed_by.unwrap_or_default(),
                    "plugin loaded"
                );
            }
            Verdict::Refused { reason, .. } if *reason == Refusal::BEING_WRITTEN => {
                tracing::info!(file, "a plugin's file is being written, it is looked at again");
            }
            Verdict::Refused { .. } => {
                let former_version = if report.kept.is_some() {
                    "stays in service"
                } else {
                    "there is none"
                };
                for Problem { message, advice, .. } in &report.problems {
                    let advice = advice.as_deref().unwrap_or_default();
                    tracing::warn!(file, plugin, advice, former_version, "plugin refused: {message}");
                }
            }
        }
    }
    let is_gone = |old: &&PluginReport| !assembled.reports.iter().any(|report| report.file == old.file);
    for old in former.iter().filter(is_gone) {
        tracing::info!(
            file = old.file,
            plugin = old.name.as_deref().unwrap_or_default(),
            "a plugin's file is gone"
        );
    }
}
