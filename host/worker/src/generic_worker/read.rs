//! From the members of a file to typed values by key: letter case, unknown keys and types that are wrong end here.

use std::{collections::BTreeMap, net::IpAddr};

use serde_json::{Map, Value};

use super::keys::{self, KEYS, Key, Kind, Meaning, OWN};
use crate::schema::nearest;

/// The values of a config by the known keys, each of its kind. What was null, as Go writes what is not there, is absent.
#[derive(Debug, Default)]
pub(super) struct Values {
    by_name: BTreeMap<&'static str, Value>,
    /// Keys that are known and have no counterpart.
    pub(super) notes: Vec<String>,
    /// Keys that are not known.
    pub(super) warnings: Vec<String>,
    /// Values that are not what they must be.
    pub(super) problems: Vec<String>,
}

impl Values {
    /// Sorts a config's members out.
    pub(super) fn read(members: Map<String, Value>) -> Self {
        let mut values = Self::default();
        for (name, value) in members {
            match keys::find(&name) {
                Some(_) if value.is_null() => {}
                Some(key) => values.add(key, value),
                None => values.warnings.push(unknown(&name)),
            }
        }
        values
    }

    fn add(&mut self, key: &'static Key, value: Value) {
        if let Err(expected) = check(key.kind, &value) {
            self.problems.push(format!(
                "{} must be {expected}, not {}",
                key.name,
                kind_of(&value)
            ));
            return;
        }
        let missed = match key.meaning {
            Meaning::Translated | Meaning::Nothing => None,
            Meaning::MissedIfSet(what) => is_set(&value).then_some(what),
            Meaning::MissedIfFalse(what) => (value == false).then_some(what),
        };
        if let Some(what) = missed {
            self.note(key.name, what);
        }
        // As Go reads it: the last one counts.
        if self.by_name.insert(key.name, value).is_some() {
            self.warnings.push(format!(
                "{} is there more than once, in other letter cases: the last one counts",
                key.name
            ));
        }
    }

    /// Says that a key has no counterpart.
    pub(super) fn note(&mut self, name: &str, what: &str) {
        self.notes.push(format!("{name} has no effect: {what}"));
    }

    /// Text that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.by_name.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// Text that must be there.
    pub(super) fn required(&mut self, name: &str) -> String {
        match self.text(name) {
            Some(text) => text.to_owned(),
            None => {
                // What is of the wrong type was complained about.
                if !self.problems.iter().any(|problem| problem.starts_with(name)) {
                    self.problems.push(format!("{name} is missing"));
                }
                String::new()
            }
        }
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.by_name.get(name)?.as_bool()
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.by_name.get(name)?.as_u64()
    }

    pub(super) fn address(&self, name: &str) -> Option<IpAddr> {
        self.text(name)?.parse().ok()
    }

    pub(super) fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.by_name.get(name)?.as_object()
    }

    /// A string, or an object as one.
    pub(super) fn json(&self, name: &str) -> Option<String> {
        match self.by_name.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

/// Whether a value is of a kind; what was expected where it is not.
fn check(kind: Kind, value: &Value) -> Result<(), String> {
    let (fits, expected) = match kind {
        Kind::Text => (value.is_string(), "a string".to_owned()),
        Kind::Flag => (value.is_boolean(), "true or false".to_owned()),
        Kind::Number(u64::MAX) => (value.is_u64(), "a whole number of at least 0".to_owned()),
        Kind::Number(largest) => (
            value.as_u64().is_some_and(|number| number <= largest),
            format!("a whole number from 0 to {largest}"),
        ),
        Kind::Address => (
            value
                .as_str()
                .is_some_and(|text| text.is_empty() || text.parse::<IpAddr>().is_ok()),
            "an IP address".to_owned(),
        ),
        Kind::Object => (value.is_object(), "an object".to_owned()),
        Kind::Location => (
            value.is_string() || value.is_object(),
            "an object, or a string with its JSON".to_owned(),
        ),
    };
    if fits { Ok(()) } else { Err(expected) }
}

/// What a value is instead. Never the value: it may be a secret.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "this number",
        Value::String(_) => "this string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_u64() != Some(0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// What is said of a key that nobody knows.
fn unknown(name: &str) -> String {
    let shown: String = name.chars().take(64).collect();
    match nearest(name, KEYS.iter().map(|key| key.name)) {
        Some(near) => {
            format!("{shown:?} is no key of generic-worker's config and has no effect, did you mean {near}?")
        }
        None => format!(
            "{shown:?} is no key of generic-worker's config and has no effect; this worker's own keys belong in {OWN}"
        ),
    }
}
