//! Reads the properties of a JSON object, and collects every complaint instead of stopping at the first.

use std::collections::HashSet;

use chrono::{DateTime, SubsecRound as _, Utc};
use serde_json::Value;

use super::{Object, schema_error};
use crate::{error::ApiError, ids};

/// The properties of one object. What can't be read is complained about, and read as if it were missing.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    object: &'a Object,
    path: &'static str,
    errors: Vec<String>,
}

impl<'a> Fields<'a> {
    /// Of an object that complaints call `path`.
    pub(crate) fn new(object: &'a Object, path: &'static str) -> Self {
        Self {
            object,
            path,
            errors: Vec::new(),
        }
    }

    /// Of a body, which must be an object and have no other properties than these.
    pub(crate) fn of_body(body: &'a Value, known: &[&str]) -> Result<Self, ApiError> {
        let Value::Object(object) = body else {
            return Err(schema_error(&["data must be object".to_owned()]));
        };
        let mut fields = Self::new(object, "data");
        fields.refuse_unknown(known);
        Ok(fields)
    }

    /// All complaints.
    pub(crate) fn into_errors(self) -> Vec<String> {
        self.errors
    }

    /// An error with all complaints, if there are any.
    pub(crate) fn check(self) -> Result<(), ApiError> {
        if self.errors.is_empty() {
            return Ok(());
        }
        Err(schema_error(&self.errors))
    }

    pub(crate) fn complain(&mut self, error: String) {
        // A hostile body could be wrong in a million places.
        if self.errors.len() < 50 {
            self.errors.push(error);
        }
    }

    fn wrong(&mut self, name: &str, what: &str) {
        self.complain(format!("{}.{name} must be {what}", self.path));
    }

    fn missing(&mut self, name: &str) {
        self.complain(format!("{} must have required property '{name}'", self.path));
    }

    pub(crate) fn refuse_unknown(&mut self, known: &[&str]) {
        let unknown: Vec<&String> = self
            .object
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
            .collect();
        for name in unknown {
            self.complain(format!(
                "{} must NOT have additional properties: {name:?}",
                self.path
            ));
        }
    }

    /// Text that `fits`.
    pub(crate) fn text(&mut self, name: &str, what: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
        let value = self.object.get(name)?;
        match value.as_str().filter(|text| fits(text)) {
            Some(text) => Some(text.to_owned()),
            None => {
                self.wrong(name, what);
                None
            }
        }
    }

    /// Text of at most so many characters.
    pub(crate) fn required_text(&mut self, name: &str, max_chars: usize) -> String {
        if !self.object.contains_key(name) {
            self.missing(name);
        }
        let what = format!("a string of at most {max_chars} characters");
        self.text(name, &what, |text| text.chars().count() <= max_chars)
            .unwrap_or_default()
    }

    /// A list of texts that `fit`.
    pub(crate) fn texts(&mut self, name: &str, what: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
        let Some(value) = self.object.get(name) else {
            return Vec::new();
        };
        let Some(items) = value.as_array() else {
            self.wrong(name, "array");
            return Vec::new();
        };
        let mut texts = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            match item.as_str().filter(|text| fits(text)) {
                Some(text) => texts.push(text.to_owned()),
                None => self.wrong(&format!("{name}[{at}]"), what),
            }
        }
        texts
    }

    /// The same, of a property that must be there.
    pub(crate) fn required_texts(
        &mut self,
        name: &str,
        what: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        if !self.object.contains_key(name) {
            self.missing(name);
        }
        self.texts(name, what, fits)
    }

    /// A list of scopes, each once; nothing if there is no such property.
    pub(crate) fn scopes(&mut self, name: &str) -> Option<Vec<String>> {
        self.object.get(name)?;
        let scopes = self.texts(name, "printable ASCII", ids::is_printable);
        self.unique(name, &scopes);
        Some(scopes)
    }

    /// The same, of a property that must be there.
    pub(crate) fn required_scopes(&mut self, name: &str) -> Vec<String> {
        if !self.object.contains_key(name) {
            self.missing(name);
        }
        self.scopes(name).unwrap_or_default()
    }

    /// No item twice.
    pub(crate) fn unique(&mut self, name: &str, items: &[String]) {
        let mut seen = HashSet::new();
        if !items.iter().all(|item| seen.insert(item)) {
            self.complain(format!("{}.{name} must NOT have duplicate items", self.path));
        }
    }

    /// Whether something is so.
    pub(crate) fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.object.get(name)?;
        let boolean = value.as_bool();
        if boolean.is_none() {
            self.wrong(name, "boolean");
        }
        boolean
    }

    /// The same, of a property that must be there.
    pub(crate) fn required_boolean(&mut self, name: &str) -> bool {
        if !self.object.contains_key(name) {
            self.missing(name);
        }
        self.boolean(name).unwrap_or_default()
    }

    /// Text that `fits`, of a property that must be there.
    pub(crate) fn required(&mut self, name: &str, what: &str, fits: impl Fn(&str) -> bool) -> String {
        if !self.object.contains_key(name) {
            self.missing(name);
        }
        self.text(name, what, fits).unwrap_or_default()
    }

    /// A number of any size, of a property that must be there.
    pub(crate) fn required_number(&mut self, name: &str) -> f64 {
        match self.object.get(name) {
            None => self.missing(name),
            Some(value) => match value.as_f64().filter(|number| number.is_finite()) {
                Some(number) => return number,
                None => self.wrong(name, "number"),
            },
        }
        0.0
    }

    /// At most so many items.
    pub(crate) fn bound(&mut self, name: &str, items: usize, max: usize) {
        if items > max {
            self.complain(format!(
                "{}.{name} must NOT have more than {max} items",
                self.path
            ));
        }
    }

    /// One of some words.
    pub(crate) fn word(&mut self, name: &str, words: &[&str]) -> Option<&'a str> {
        let value = self.object.get(name)?;
        let word = value.as_str().filter(|word| words.contains(word));
        if word.is_none() {
            self.wrong(name, &format!("one of {}", words.join(", ")));
        }
        word
    }

    /// A whole number; `3.0` is one.
    pub(crate) fn integer(&mut self, name: &str, min: u32, max: u32) -> Option<u32> {
        let value = self.object.get(name)?;
        let number = value
            .as_f64()
            .filter(|number| number.fract() == 0.0 && (f64::from(min)..=f64::from(max)).contains(number));
        match number {
            // Whole and within the bounds, so nothing is cut off.
            Some(number) => Some(number as u32),
            None => {
                self.wrong(name, &format!("an integer from {min} to {max}"));
                None
            }
        }
    }

    /// A time with its zone, as RFC 3339 has it.
    pub(crate) fn time(&mut self, name: &str) -> Option<DateTime<Utc>> {
        let value = self.object.get(name)?;
        let time = value
            .as_str()
            .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        match time {
            Some(time) => Some(time.with_timezone(&Utc).trunc_subsecs(3)),
            None => {
                self.wrong(name, "a date-time, such as 2026-08-21T17:00:00.000Z");
                None
            }
        }
    }

    pub(crate) fn required_time(&mut self, name: &str) -> DateTime<Utc> {
        if !self.object.contains_key(name) {
            self.missing(name);
        }
        self.time(name).unwrap_or_default()
    }

    pub(crate) fn object(&mut self, name: &str) -> Option<&'a Object> {
        let value = self.object.get(name)?;
        let object = value.as_object();
        if object.is_none() {
            self.wrong(name, "object");
        }
        object
    }

    pub(crate) fn required_object(&mut self, name: &str) -> Object {
        if !self.object.contains_key(name) {
            self.missing(name);
        }
        self.object(name).cloned().unwrap_or_default()
    }

    /// Whether the property is there, and an object.
    pub(crate) fn has_object(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(Value::is_object)
    }
}
