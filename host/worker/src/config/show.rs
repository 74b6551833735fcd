//! The whole config that is in force, with its defaults and with where each value comes from, for people. Secrets are masked.
//!
//! Defaults are taken from the schema, which is made of the same types that read a config.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Draft, check, default_worker_id, origins::Origins};
use crate::yaml::child;

/// What stands for a secret.
const MASK: &str = "***";

/// A config that may be shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    /// The config.
    pub(crate) config: Value,
    /// Where each value of it comes from that has no parts, by JSON pointers.
    pub(crate) origins: BTreeMap<String, String>,
}

/// What is known of a value before it is seen.
#[derive(Clone, Copy)]
struct Form<'s> {
    schema: &'s Value,
    /// Whether it is called as the schema says, and not as the config's author likes.
    is_named: bool,
}

/// Fills in defaults, masks secrets, and notes origins on the way.
struct Showing<'a> {
    schema: &'a Value,
    origins: &'a Origins,
    labels: BTreeMap<String, String>,
}

impl Draft {
    /// What has come of it so far. Values that are still to come from secrets are masked as those are that have.
    pub(crate) fn show(&self) -> Shown {
        let schema = check::schema();
        let (value, origins) = self.parts();
        let mut showing = Showing {
            schema: &schema,
            origins,
            labels: BTreeMap::new(),
        };
        let mut config = showing.show(Form::of_config(&schema), value, "");
        // The only default that a schema can't have: it is the machine's.
        if let Some(id @ Value::Null) = config.pointer_mut("/worker/workerId") {
            *id = default_worker_id().into();
        }
        Shown {
            config,
            origins: showing.labels,
        }
    }
}

impl Showing<'_> {
    /// A value of the config.
    fn show(&mut self, form: Form<'_>, value: &Value, pointer: &str) -> Value {
        let label = self.origins.label(pointer);
        let secret = value.as_object().and_then(|members| members.get("$secret"));
        if let Some(name) = secret.and_then(Value::as_str) {
            return self.leaf(pointer, format!("secret {name} ({label})"), MASK.into());
        }
        if self.origins.is_secret(pointer, form.is_named) {
            return self.leaf(pointer, label, MASK.into());
        }
        let schema = form_of(self.schema, form.schema, value);
        match value {
            Value::Object(members) => {
                let mut shown = Map::new();
                for (key, member) in members {
                    let value = self.show(Form::of_member(schema, key), member, &child(pointer, key));
                    shown.insert(key.clone(), value);
                }
                self.add_defaults(schema, &mut shown, pointer);
                self.parent(pointer, label, shown.is_empty());
                Value::Object(shown)
            }
            Value::Array(items) => {
                let of_item = Form {
                    schema: schema.get("items").unwrap_or(&Value::Null),
                    is_named: form.is_named,
                };
                let shown: Vec<Value> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.show(of_item, item, &child(pointer, &index.to_string())))
                    .collect();
                self.parent(pointer, label, shown.is_empty());
                Value::Array(shown)
            }
            Value::String(_) if schema.get("writeOnly") == Some(&Value::Bool(true)) => {
                self.leaf(pointer, label, MASK.into())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.leaf(pointer, label, value.clone())
            }
        }
    }

    /// The members of an object that the config does not name.
    fn add_defaults(&mut self, schema: &Value, shown: &mut Map<String, Value>, pointer: &str) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (key, property) in properties.into_iter().flatten() {
            if shown.contains_key(key) {
                continue;
            }
            let pointer = child(pointer, key);
            let value = match property.get("default") {
                Some(default) => default.clone(),
                // Its parts have defaults.
                None if !may_be_null(property)
                    && form_of(self.schema, property, &Value::Object(Map::new()))
                        .get("properties")
                        .is_some() =>
                {
                    Value::Object(Map::new())
                }
                None if may_be_null(property) => Value::Null,
                None => continue,
            };
            let value = self.default(property, value, &pointer);
            shown.insert(key.clone(), value);
        }
    }

    /// A default, with the defaults of its parts.
    fn default(&mut self, schema: &Value, mut value: Value, pointer: &str) -> Value {
        let schema = form_of(self.schema, schema, &value);
        match &mut value {
            Value::Object(members) => {
                let given: Vec<(String, Value)> = std::mem::take(members).into_iter().collect();
                for (key, member) in given {
                    let form = Form::of_member(schema, &key);
                    let member = self.default(form.schema, member, &child(pointer, &key));
                    members.insert(key, member);
                }
                self.add_defaults(schema, members, pointer);
                let is_empty = members.is_empty();
                self.parent(pointer, "default".to_owned(), is_empty);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.labels.insert(pointer.to_owned(), "default".to_owned());
            }
        }
        value
    }

    fn leaf(&mut self, pointer: &str, label: String, value: Value) -> Value {
        self.labels.insert(pointer.to_owned(), label);
        value
    }

    /// Only what has no parts has an origin of its own.
    fn parent(&mut self, pointer: &str, label: String, is_empty: bool) {
        if is_empty {
            self.labels.insert(pointer.to_owned(), label);
        }
    }
}

impl<'s> Form<'s> {
    fn of_config(schema: &'s Value) -> Self {
        Self {
            schema,
            is_named: true,
        }
    }

    /// Of a member of what has this schema.
    fn of_member(schema: &'s Value, key: &str) -> Self {
        let named = schema
            .get("properties")
            .and_then(|properties| properties.get(key));
        let other = || {
            let patterns = schema.get("patternProperties").and_then(Value::as_object);
            let additional = schema.get("additionalProperties");
            patterns
                .and_then(|patterns| patterns.values().next())
                .or(additional)
        };
        Self {
            schema: named.or_else(other).unwrap_or(&Value::Null),
            is_named: named.is_some(),
        }
    }
}

/// The schema that a value is of, where a schema only refers to it or is one of several forms.
fn form_of<'s>(root: &'s Value, schema: &'s Value, value: &Value) -> &'s Value {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(schema, |target| form_of(root, target, value));
    }
    let forms = ["anyOf", "oneOf"]
        .iter()
        .find_map(|key| schema.get(*key)?.as_array());
    let Some(forms) = forms else { return schema };
    let is_of = |form: &&Value| {
        let form = form_of(root, form, value);
        let tags = form
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let fits = |(key, property): (&String, &Value)| {
            property
                .get("const")
                .is_none_or(|tag| value.get(key).is_some_and(|value| value == tag))
        };
        form.get("type").and_then(Value::as_str) != Some("null") && tags.into_iter().all(fits)
    };
    match forms.iter().find(is_of) {
        Some(form) if !value.is_null() => form_of(root, form, value),
        _ => schema,
    }
}

/// Whether a schema has `null` among its forms, as that of a value that may be missing.
fn may_be_null(schema: &Value) -> bool {
    let forms = schema.get("anyOf").and_then(Value::as_array);
    let is_null = |form: &Value| form.get("type").and_then(Value::as_str) == Some("null");
    forms.is_some_and(|forms| forms.iter().any(is_null))
}

#[cfg(test)]
mod tests;
