//! From a file to a [`Config`]: everything that is wrong with it is told at once, each with line, column and path.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{Config, Period, outside::Outside};
use crate::{
    located::{Located, LocatedError},
    schema::{Checker, Part, Problem, Show, path},
    yaml::Document,
};

/// Periods with which the worker could do nothing, or nothing else, if they were zero.
const NOT_ZERO: [&str; 7] = [
    "/worker/tick",
    "/worker/idleTimeout",
    "/artifacts/stallTimeout",
    "/queue/callTimeout",
    "/queue/claimTimeout",
    "/queue/statusInterval",
    "/taskcluster/embedded/claimTimeout",
];

/// Why there is no config. Holds none of its values.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file can't be read.
    #[error("the config {path:?} can't be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It can be read, and is not right.
    #[error(transparent)]
    Wrong(#[from] LocatedError),
}

/// Reads a config.
///
/// # Errors
/// With everything that is wrong with it.
pub(crate) fn load(file: &Path) -> Result<Config, ConfigError> {
    let read = |source| ConfigError::Read {
        path: file.to_owned(),
        source,
    };
    let text = std::fs::read_to_string(file).map_err(read)?;
    let folder = file
        .canonicalize()
        .map_err(read)?
        .parent()
        .unwrap_or(Path::new("/"))
        .to_owned();
    let env = |name: &str| std::env::var(name).ok();
    Ok(parse(&file.display(), &text, &Outside { env: &env, folder })?)
}

/// The JSON schema of a config.
pub(crate) fn schema() -> Value {
    SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<Config>()
        .to_value()
}

pub(super) fn parse(
    file: &dyn fmt::Display,
    text: &str,
    outside: &Outside<'_>,
) -> Result<Config, LocatedError> {
    let located = |problems| LocatedError::new(file, problems);
    let mut document = Document::parse(text).map_err(|error| located(vec![Located::of_yaml(&error)]))?;
    let mut value = document.value.take();
    let mut missing = Vec::new();
    outside.replace(&mut value, "", &mut missing);
    let mut problems: Vec<Problem> = missing
        .into_iter()
        .map(|not_had| wrong(&value, &not_had.pointer, &not_had.why))
        .collect();
    let checker = Checker::new(schema(), Show::Nothing)
        .map_err(|error| located(vec![Located::nowhere(&error.to_string())]))?;
    // What could not be had is no value of any type: its type is nothing to complain about.
    let is_new = |problem: &Problem| {
        !problems
            .iter()
            .any(|former| is_within(&problem.pointer, &former.pointer))
    };
    let by_schema: Vec<Problem> = checker.check("", &value).into_iter().filter(is_new).collect();
    problems.extend(by_schema);
    problems.extend(by_meaning(&value));
    if !problems.is_empty() {
        return Err(located(
            problems
                .iter()
                .map(|problem| Located::of_problem(&document, problem))
                .collect(),
        ));
    }
    let mut config: Config =
        serde_json::from_value(value).map_err(|error| located(vec![Located::nowhere(&error.to_string())]))?;
    config.anchor(&outside.folder);
    Ok(config)
}

/// Whether a JSON pointer is to a value or to something in it.
fn is_within(pointer: &str, outer: &str) -> bool {
    pointer
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What a schema can't say, or not in words that help.
fn by_meaning(value: &Value) -> Vec<Problem> {
    let has = |pointer: &str| value.pointer(pointer).is_some_and(|value| !value.is_null());
    let mut problems = Vec::new();
    if value.pointer("/taskcluster").is_some_and(Value::is_object) {
        let embedded = has("/taskcluster/embedded");
        for key in ["rootUrl", "credentials"] {
            let pointer = format!("/taskcluster/{key}");
            if embedded && has(&pointer) {
                problems.push(wrong(
                    value,
                    &pointer,
                    "can't be given together with taskcluster.embedded",
                ));
            } else if !embedded && !has(&pointer) {
                let what = "is missing; or use the embedded queue: taskcluster: {embedded: {directory: …}}";
                problems.push(wrong(value, &pointer, what));
            }
        }
    }
    for pointer in NOT_ZERO {
        let period = value.pointer(pointer).and_then(Value::as_str);
        if period
            .and_then(|period| period.parse::<Period>().ok())
            .is_some_and(|period| period.duration().is_zero())
        {
            problems.push(wrong(value, pointer, "must be longer than no time at all"));
        }
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

fn wrong(value: &Value, pointer: &str, what: &str) -> Problem {
    Problem {
        pointer: pointer.to_owned(),
        path: path("", value, pointer),
        part: Part::Value,
        what: what.to_owned(),
        description: None,
        nearest: None,
    }
}
