//! What is wrong with a config: what its schema says, and what a schema can't say.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{Config, Period, origins::is_within};
use crate::{
    schema::{BadSchema, Checker, Part, Problem, Show, nearest, path},
    yaml::child,
};

/// Periods with which the worker could do nothing, or nothing else, if they were zero.
const NOT_ZERO: [&str; 6] = [
    "/worker/tick",
    "/worker/idleTimeout",
    "/artifacts/stallTimeout",
    "/queue/callTimeout",
    "/queue/statusInterval",
    "/taskcluster/embedded/claimTimeout",
];
/// How long a claim is waited for. The queue holds it for 20 s while nothing is pending: whoever gives up before that, or while
/// the answer is under way, loses the tasks that it brings.
const CLAIM_TIMEOUT: (&str, Duration) = ("/queue/claimTimeout", Duration::from_secs(25));
/// The keys of `taskcluster` that are of a deployment.
const OF_DEPLOYMENT: [&str; 4] = ["rootUrl", "credentials", "workerManager", "poolSecret"];

/// How worker-manager knows the worker.
const WORKER_MANAGER: &str = "/taskcluster/workerManager";
const PROVIDER_TYPE: &str = "/taskcluster/workerManager/providerType";
const PROVIDER_TYPES: [&str; 2] = ["static", "standalone"];

/// The JSON schema of a config.
pub(crate) fn schema() -> Value {
    SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<Config>()
        .to_value()
}

/// The keys of a config.
pub(crate) fn keys() -> Vec<String> {
    let schema = schema();
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

/// Everything that is wrong with a config, beside what is known already. `holes` are values that could not be had, or not
/// yet: they are no values of any type, and their type is nothing to complain about.
pub(super) fn check(value: &Value, holes: &[String]) -> Result<Vec<Problem>, BadSchema> {
    let checker = Checker::new(schema(), Show::Nothing)?;
    let provider = of_provider(value);
    // Its other members are of no form that is known.
    let is_new = |problem: &Problem| {
        let of_unknown_form = provider.is_some() && is_within(&problem.pointer, WORKER_MANAGER);
        !of_unknown_form && !holes.iter().any(|hole| is_within(&problem.pointer, hole))
    };
    let mut problems: Vec<Problem> = checker
        .check("", value)
        .into_iter()
        .chain(by_meaning(value))
        .filter(is_new)
        .collect();
    problems.extend(provider);
    Ok(problems)
}

/// What a schema can't say, or not in words that help.
fn by_meaning(value: &Value) -> Vec<Problem> {
    let mut problems = of_taskcluster(value);
    problems.extend(of_signers(value));
    problems.extend(of_grants(value));
    let period = |pointer: &str| {
        let period = value.pointer(pointer)?.as_str()?.parse::<Period>();
        period.ok().map(Period::duration)
    };
    for pointer in NOT_ZERO {
        if period(pointer).is_some_and(|period| period.is_zero()) {
            problems.push(wrong(value, pointer, "must be longer than no time at all"));
        }
    }
    let (pointer, least) = CLAIM_TIMEOUT;
    if period(pointer).is_some_and(|period| period < least) {
        let what = "must be at least 25s: the queue holds a claim for 20 s while nothing is pending";
        problems.push(wrong(value, pointer, what));
    }
    for pointer in ["/taskcluster/embedded/listen", "/liveLog/listen"] {
        let address = value.pointer(pointer).and_then(Value::as_str);
        if address.is_some_and(|address| address.parse::<SocketAddr>().is_err()) {
            problems.push(wrong(
                value,
                pointer,
                "must be an IP address and a port, such as 127.0.0.1:8042 or [::1]:0",
            ));
        }
    }
    problems
}

/// A way to be known to worker-manager that there is not: the schema knows only that no form fits.
fn of_provider(value: &Value) -> Option<Problem> {
    let provider = value.pointer(PROVIDER_TYPE)?.as_str()?;
    if PROVIDER_TYPES.contains(&provider) {
        return None;
    }
    let nearest = nearest(provider, PROVIDER_TYPES.into_iter()).map(str::to_owned);
    Some(Problem {
        nearest,
        ..wrong(value, PROVIDER_TYPE, "must be static or standalone")
    })
}

/// Who is to sign plugins must have a key.
fn of_signers(value: &Value) -> Vec<Problem> {
    let keys = value.pointer("/pluginTrust/keys").and_then(Value::as_object);
    let keys: Vec<&str> = keys
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let plugins = value.pointer("/plugins").and_then(Value::as_object);
    let mut problems = Vec::new();
    for (plugin, entry) in plugins.into_iter().flatten() {
        let pointer = child(&child("/plugins", plugin), "signedBy");
        let signers = match entry.get("signedBy") {
            Some(Value::String(_)) => vec![pointer],
            Some(Value::Array(names)) => (0..names.len())
                .map(|place| format!("{pointer}/{place}"))
                .collect(),
            Some(_) | None => Vec::new(),
        };
        for pointer in signers {
            let name = value.pointer(&pointer).and_then(Value::as_str);
            if let Some(name) = name.filter(|name| !keys.contains(name)) {
                problems.push(Problem {
                    nearest: nearest(name, keys.iter().copied()).map(str::to_owned),
                    ..wrong(value, &pointer, "must be the name of one of pluginTrust.keys")
                });
            }
        }
    }
    problems
}

/// A capability that a plugin is granted twice: once for some names and once for all is not what anybody means.
fn of_grants(value: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let plugins = value.get("plugins").and_then(Value::as_object);
    for (name, plugin) in plugins.into_iter().flatten() {
        let mut granted = BTreeSet::new();
        let items = plugin.get("grants").and_then(Value::as_array);
        for (index, item) in items.into_iter().flatten().enumerate() {
            let of_one = item.as_object().and_then(|members| members.keys().next());
            let Some(word) = item.as_str().or(of_one.map(String::as_str)) else {
                continue;
            };
            if !granted.insert(word) {
                let pointer = child(&format!("{}/grants", child("/plugins", name)), &index.to_string());
                problems.push(wrong(value, &pointer, "is granted a second time"));
            }
        }
    }
    problems
}

/// There is one way to tasks: an embedded queue, credentials, or a registration that gives them.
fn of_taskcluster(value: &Value) -> Vec<Problem> {
    let has = |pointer: &str| value.pointer(pointer).is_some_and(|value| !value.is_null());
    let problem = |pointer: &str, what: &str| wrong(value, pointer, what);
    if !value.pointer("/taskcluster").is_some_and(Value::is_object) {
        return Vec::new();
    }
    if has("/taskcluster/embedded") {
        return OF_DEPLOYMENT
            .iter()
            .map(|key| format!("/taskcluster/{key}"))
            .filter(|pointer| has(pointer))
            .map(|pointer| problem(&pointer, "can't be given together with taskcluster.embedded"))
            .collect();
    }
    let mut problems = Vec::new();
    let is_missing = "is missing; or use the embedded queue: taskcluster: {embedded: {directory: …}}";
    if !has("/taskcluster/rootUrl") {
        problems.push(problem("/taskcluster/rootUrl", is_missing));
    }
    let credentials = "/taskcluster/credentials";
    let provider = value.pointer(PROVIDER_TYPE).and_then(Value::as_str);
    let needs = provider.is_none_or(|provider| provider == "standalone");
    match (provider == Some("static"), has(credentials)) {
        (true, true) => problems.push(problem(
            credentials,
            "can't be given together with a static workerManager, whose registration gives them",
        )),
        (false, false) if needs => problems.push(problem(credentials, is_missing)),
        (true | false, false) | (false, true) => {}
    }
    problems
}

/// A problem with the value at a pointer.
pub(super) fn wrong(value: &Value, pointer: &str, what: &str) -> Problem {
    Problem {
        pointer: pointer.to_owned(),
        path: path("", value, pointer),
        part: Part::Value,
        what: what.to_owned(),
        description: None,
        nearest: None,
    }
}
