//! Which plugins are in service, given what came of each file and what was in service before. No I/O.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    config::HostConfig, loader::Outcome, ports::PayloadSchemas, refusal::Refusal, report::PluginReport,
    set::Loaded,
};

/// What is in service from now on.
#[derive(Debug, Default)]
pub(crate) struct Assembled {
    /// In the order of their names.
    pub(crate) plugins: Vec<Arc<Loaded>>,
    /// In the order of the files' names; then the required plugins that no file has.
    pub(crate) reports: Vec<PluginReport>,
}

/// What is decided by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) config: &'a HostConfig,
    pub(crate) schemas: &'a dyn PayloadSchemas,
}

/// Decides by these rules:
///
/// - a name that two files bear is in service from neither;
/// - a plugin whose part of the payload does not go together with what was there before it is refused;
/// - a plugin that was in service stays when its file is there and is refused, or when its name has become ambiguous;
/// - it stays, too, when its file is gone and the config requires it; else it goes with its file.
pub(crate) fn assemble(
    outcomes: &BTreeMap<String, Outcome>,
    former: &[Arc<Loaded>],
    rules: &Rules<'_>,
) -> Assembled {
    let config = rules.config;
    let mut outcomes = refuse_duplicates(outcomes);
    let mut plugins = in_service(&outcomes, former, config);
    // Each time one more is refused.
    while let Some((loaded, why)) = conflict(&plugins, former, rules.schemas)
        && let Some(outcome) = outcomes.get_mut(&loaded.file)
    {
        *outcome = Outcome::refused(outcome.report.clone(), Refusal::SchemaConflict(why));
        plugins = in_service(&outcomes, former, config);
    }
    let kept = |file: &str| plugins.values().find(|loaded| loaded.file == file);
    let mut reports: Vec<PluginReport> = outcomes
        .values()
        .map(|outcome| report(outcome, kept(&outcome.report.file)))
        .collect();
    reports.extend(missing(&reports, &plugins, config));
    Assembled {
        plugins: plugins.into_values().collect(),
        reports,
    }
}

/// What has been found fit, and what stays of what was there before.
fn in_service(
    outcomes: &BTreeMap<String, Outcome>,
    former: &[Arc<Loaded>],
    config: &HostConfig,
) -> BTreeMap<Arc<str>, Arc<Loaded>> {
    let mut plugins: BTreeMap<Arc<str>, Arc<Loaded>> = outcomes
        .values()
        .filter_map(|outcome| outcome.result.as_ref().ok())
        .map(|loaded| (loaded.name.clone(), loaded.clone()))
        .collect();
    let ambiguous: BTreeSet<&str> = outcomes
        .values()
        .filter_map(|outcome| match outcome.result.as_ref().err()?.first() {
            Refusal::Duplicate { name, .. } => Some(name.as_str()),
            _ => None,
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
    plugins
}

/// The report of a file. `kept` is what is in service of a file of that name.
fn report(outcome: &Outcome, kept: Option<&Arc<Loaded>>) -> PluginReport {
    let (Err(refusals), Some(kept)) = (&outcome.result, kept) else {
        return outcome.report.clone();
    };
    let compare = |refusal| match refusal {
        Refusal::NotGranted {
            name,
            missing,
            grants,
            former: _,
        } => Refusal::NotGranted {
            former: Some(kept.version.to_string()),
            name,
            missing,
            grants,
        },
        other => other,
    };
    PluginReport {
        kept: Some(kept.sha256.clone()),
        ..outcome.report.clone().refused(&refusals.clone().map(compare))
    }
}

/// A plugin whose part of the payload does not go together with what others read of it, and why. What was in service before
/// comes first, and so stays; what is new comes in the order of the names.
fn conflict(
    plugins: &BTreeMap<Arc<str>, Arc<Loaded>>,
    former: &[Arc<Loaded>],
    schemas: &dyn PayloadSchemas,
) -> Option<(Arc<Loaded>, String)> {
    let part = |loaded: &Arc<Loaded>| (loaded.name.to_string(), loaded.payload_schema.clone());
    if schemas.go_together(plugins.values().map(part).collect()).is_ok() {
        return None;
    }
    let is_old = |loaded: &&Arc<Loaded>| former.iter().any(|old| old.sha256 == loaded.sha256);
    let (old, new): (Vec<_>, Vec<_>) = plugins.values().partition(is_old);
    let mut parts: Vec<_> = old.into_iter().map(part).collect();
    new.into_iter().find_map(|loaded| {
        parts.push(part(loaded));
        let why = schemas.go_together(parts.clone()).err()?;
        Some((loaded.clone(), why))
    })
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
        let report =
            PluginReport::new(&format!("plugins.{name}")).refused(&Refusal::Missing(name.clone()).into());
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
