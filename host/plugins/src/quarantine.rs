//! Keeping plugins with too many faults out of service, and knowing which of those that are required are not there. No I/O.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    assemble::{Assembled, Rules, assemble, is_required},
    config::HostConfig,
    faults::Faults,
    loader::Outcome,
    refusal::Refusal,
    report::{PluginReport, Verdict},
    set::{Lacking, Loaded},
};

/// What is in service, given what came of each file and what was in service before. What is in quarantine is not, and no former
/// version that is in quarantine stays.
pub(crate) fn assemble_without(
    faults: &Faults,
    outcomes: BTreeMap<String, Outcome>,
    former: &[Arc<Loaded>],
    rules: &Rules<'_>,
) -> Assembled {
    let outcomes = outcomes
        .into_iter()
        .map(|(file, outcome)| (file, keep_out(faults, outcome)))
        .collect();
    let is_good = |loaded: &&Arc<Loaded>| !faults.is_quarantined(&loaded.sha256);
    let former: Vec<Arc<Loaded>> = former.iter().filter(is_good).cloned().collect();
    assemble(&outcomes, &former, rules)
}

/// The plugins that the config names and requires, and that are not in service.
pub(crate) fn lacking(assembled: &Assembled, config: &HostConfig) -> Vec<Lacking> {
    let is_loaded = |name: &str| assembled.plugins.iter().any(|loaded| &*loaded.name == name);
    config
        .plugins
        .keys()
        .filter(|name| is_required(name, config) && !is_loaded(name))
        .map(|name| Lacking {
            plugin: name.clone(),
            why: why(name, &assembled.reports),
        })
        .collect()
}

/// Whether everything that is lacking is so because it is in quarantine. That may mend itself while the worker waits for it.
pub(crate) fn is_all_quarantined(lacking: &[Lacking], reports: &[PluginReport]) -> bool {
    lacking.iter().all(|lacking| {
        reports.iter().any(|report| {
            report.name.as_ref() == Some(&lacking.plugin)
                && matches!(&report.verdict, Verdict::Refused { reason, .. } if *reason == Refusal::QUARANTINED)
        })
    })
}

/// The same outcome, refused where the file is in quarantine.
fn keep_out(faults: &Faults, outcome: Outcome) -> Outcome {
    let Ok(loaded) = &outcome.result else {
        return outcome;
    };
    match faults.quarantine(&loaded.sha256) {
        Some(quarantine) => {
            let refusal = Refusal::Quarantined {
                name: loaded.name.to_string(),
                faults: quarantine.faults,
                window: quarantine.window,
                last: quarantine.last,
            };
            Outcome::refused(outcome.report.clone(), refusal)
        }
        None => outcome,
    }
}

fn why(name: &str, reports: &[PluginReport]) -> String {
    let refused = reports
        .iter()
        .filter(|report| report.name.as_deref() == Some(name))
        .find_map(|report| match &report.verdict {
            Verdict::Refused { message, .. } => Some(message.clone()),
            Verdict::Loaded => None,
        });
    refused.unwrap_or_else(|| "it is not there".to_owned())
}
