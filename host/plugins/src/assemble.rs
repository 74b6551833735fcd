//! Which plugins are in service, given what came of each file and what was in service before. No I/O.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{config::HostConfig, loader::Outcome, refusal::Refusal, report::PluginReport, set::Loaded};

/// What is in service from now on.
#[derive(Debug, Default)]
pub(crate) struct Assembled {
    /// In the order of their names.
    pub(crate) plugins: Vec<Arc<Loaded>>,
    /// In the order of the files' names; then the required plugins that no file has.
    pub(crate) reports: Vec<PluginReport>,
}

/// Decides by these rules:
///
/// - a name that two files bear is in service from neither;
/// - a plugin that was in service stays when its file is there and is refused, or when its name has become ambiguous;
/// - it stays, too, when its file is gone and the config requires it; else it goes with its file.
pub(crate) fn assemble(
    outcomes: &BTreeMap<String, Outcome>,
    former: &[Arc<Loaded>],
    config: &HostConfig,
) -> Assembled {
    let outcomes = refuse_duplicates(outcomes);
    let mut plugins: BTreeMap<Arc<str>, Arc<Loaded>> = outcomes
        .values()
        .filter_map(|outcome| outcome.result.as_ref().ok())
        .map(|loaded| (loaded.name.clone(), loaded.clone()))
        .collect();
    let ambiguous: BTreeSet<&str> = outcomes
        .values()
        .filter_map(|outcome| match &outcome.result {
            Err(Refusal::Duplicate { name, .. }) => Some(name.as_str()),
            Ok(_) | Err(_) => None,
        })
        .collect();
    for old in former {
        let refused = outcomes
            .get(&old.file)
            .is_some_and(|outcome| outcome.result.is_err());
        if !plugins.contains_key(&old.name)
            && (refused || ambiguous.contains(&*old.name) || is_required(&old.name, config))
        {
            plugins.insert(old.name.clone(), old.clone());
        }
    }
    let kept = |file: &str| {
        plugins
            .values()
            .find(|loaded| loaded.file == file)
            .map(|loaded| loaded.sha256.clone())
    };
    let mut reports: Vec<PluginReport> = outcomes
        .values()
        .map(|outcome| {
            let kept = if outcome.result.is_err() {
                kept(&outcome.report.file)
            } else {
                None
            };
            PluginReport {
                kept,
                ..outcome.report.clone()
            }
        })
        .collect();
    reports.extend(missing(&reports, &plugins, config));
    Assembled {
        plugins: plugins.into_values().collect(),
        reports,
    }
}

/// The same, with what bears one name refused.
fn refuse_duplicates(outcomes: &BTreeMap<String, Outcome>) -> BTreeMap<String, Outcome> {
    let mut bearers: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for (file, outcome) in outcomes {
        if let Ok(loaded) = &outcome.result {
            bearers.entry(&loaded.name).or_default().push(file);
        }
    }
    let refusal = |file: &String, loaded: &Loaded| {
        let others: Vec<String> = bearers
            .get(&*loaded.name)?
            .iter()
            .filter(|other| **other != file)
            .map(|other| (*other).clone())
            .collect();
        (!others.is_empty()).then(|| Refusal::Duplicate {
            name: loaded.name.to_string(),
            others,
        })
    };
    let judged = |(file, outcome): (&String, &Outcome)| {
        let duplicate = outcome
            .result
            .as_ref()
            .ok()
            .and_then(|loaded| refusal(file, loaded));
        let outcome = match duplicate {
            Some(refusal) => Outcome::refused(outcome.report.clone(), refusal),
            None => outcome.clone(),
        };
        (file.clone(), outcome)
    };
    outcomes.iter().map(judged).collect()
}

/// A report for each required plugin of which no file's report speaks.
fn missing(
    reports: &[PluginReport],
    plugins: &BTreeMap<Arc<str>, Arc<Loaded>>,
    config: &HostConfig,
) -> Vec<PluginReport> {
    let is_reported = |name: &str| reports.iter().any(|report| report.name.as_deref() == Some(name));
    let report = |name: &String| {
        let report = PluginReport::new(&format!("plugins.{name}")).refused(&Refusal::Missing(name.clone()));
        let kept = plugins.get(name.as_str()).map(|loaded| loaded.sha256.clone());
        PluginReport {
            name: Some(name.clone()),
            kept,
            ..report
        }
    };
    config
        .plugins
        .keys()
        .filter(|name| is_required(name, config) && !is_reported(name))
        .map(report)
        .collect()
}

/// Whether the config names the plugin and requires it.
pub(crate) fn is_required(name: &str, config: &HostConfig) -> bool {
    config.plugins.get(name).is_some_and(|entry| entry.required)
}
