//! JSON that plugins answer, and the schemas in it: bounded in size, depth and in what they cost whoever checks a value by them,
//! with no reference that leads outside and no regular expression that takes more than linear time.
//!
//! - `weight` says what a schema costs.

mod weight;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use crate::refusal::Refusal;

/// The longest schema, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// How deep JSON may be nested.
const MAX_DEPTH: u32 = 64;
/// How many parts a schema may have, each reference counting as what it leads to.
const MAX_PARTS: usize = 5_000;
/// How many regular expressions.
const MAX_PATTERNS: usize = 128;
/// The largest program that one of them may become, in bytes, and all of them together.
const MAX_PATTERN: usize = 1 << 20;
const MAX_ALL_PATTERNS: usize = 4 << 20;
/// How many errors of a config are listed.
const MAX_ERRORS: usize = 20;
/// The most errors that are looked for: parts of the value, times parts of the schema.
const MAX_LOOKED_FOR: usize = 1 << 18;
/// The longest message about one error, in bytes.
const MAX_MESSAGE: usize = 500;

/// A schema that has been found acceptable.
pub(crate) struct Schema {
    pub(crate) value: Value,
    /// Its parts, with what its references lead to.
    parts: usize,
    validator: Validator,
}

impl Schema {
    /// Reads a schema. `which` is its name in messages.
    pub(crate) fn parse(which: &'static str, text: &str) -> Result<Self, Refusal> {
        let bad = |why: String| Refusal::BadSchema { which, why };
        if text.len() > MAX_BYTES {
            return Err(bad(format!(
                "it has {} bytes, and the limit is {MAX_BYTES}",
                text.len()
            )));
        }
        // serde_json itself stops at 128 levels, so that nothing overflows before the depth is measured.
        let value: Value =
            serde_json::from_str(text).map_err(|error| bad(format!("it is not JSON: {error}")))?;
        if !value.is_object() {
            return Err(bad("it is not an object".to_owned()));
        }
        if !within_depth(&value, MAX_DEPTH) {
            return Err(bad(format!("it is nested deeper than {MAX_DEPTH} levels")));
        }
        let weight = weight::weigh(&value).map_err(bad)?;
        if weight.parts > MAX_PARTS {
            return Err(bad(format!(
                "it has more than {MAX_PARTS} parts, with what its references lead to"
            )));
        }
        if weight.patterns > MAX_PATTERNS {
            return Err(bad(format!(
                "it has {} regular expressions, and the limit is {MAX_PATTERNS}",
                weight.patterns
            )));
        }
        let largest = MAX_PATTERN.min(MAX_ALL_PATTERNS / weight.patterns.max(1));
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .with_pattern_options(
                PatternOptions::regex()
                    .size_limit(largest)
                    .dfa_size_limit(largest),
            )
            .build(&value)
            .map_err(|error| {
                bad(format!(
                    "{}: {}",
                    place(error.instance_path()),
                    cut(&error.to_string())
                ))
            })?;
        Ok(Self {
            value,
            parts: weight.parts,
            validator,
        })
    }

    /// What is wrong with a value, each with its path.
    pub(crate) fn errors(&self, value: &Value) -> Vec<String> {
        // A config may hold secrets: values are named by their place and not shown.
        let message = |error: jsonschema::ValidationError<'_>| {
            format!(
                "{}: {}",
                place(error.instance_path()),
                cut(&error.masked_with("the value").to_string())
            )
        };
        if !can_list_all_errors(self.parts, value) {
            return self
                .validator
                .validate(value)
                .err()
                .map(message)
                .into_iter()
                .collect();
        }
        self.validator
            .iter_errors(value)
            .take(MAX_ERRORS)
            .map(message)
            .collect()
    }
}

/// How many parts a schema has, each reference counting as what it leads to, or as one where that can't be told.
#[must_use]
pub fn parts_of_schema(schema: &Value) -> usize {
    weight::weigh(schema).map_or_else(|_| parts_of_value(schema), |weight| weight.parts)
}

/// Whether a validator may list everything that is wrong with a value, by a schema of so many parts. It has all of that in memory
/// at once: where there could be too much, the first that it meets must do.
#[must_use]
pub fn can_list_all_errors(parts_of_schema: usize, value: &Value) -> bool {
    parts_of_value(value).saturating_mul(parts_of_schema) <= MAX_LOOKED_FOR
}

/// How many values there are in a value, itself among them.
fn parts_of_value(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(parts_of_value).sum::<usize>().saturating_add(1),
        Value::Object(members) => members
            .values()
            .map(parts_of_value)
            .sum::<usize>()
            .saturating_add(1),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

/// Where in a document: a JSON pointer, or the whole of it.
fn place(pointer: &impl ToString) -> String {
    match pointer.to_string() {
        root if root.is_empty() => "/".to_owned(),
        path => path,
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_MESSAGE))
        .unwrap_or_default()
}

fn within_depth(value: &Value, levels: u32) -> bool {
    let Some(below) = levels.checked_sub(1) else {
        return false;
    };
    match value {
        Value::Array(items) => items.iter().all(|item| within_depth(item, below)),
        Value::Object(members) => members.values().all(|member| within_depth(member, below)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn why(text: &str) -> String {
        Schema::parse("config schema", text).err().unwrap().to_string()
    }

    #[test]
    fn errors_of_a_config_have_their_path_and_no_value() {
        let schema = Schema::parse("config schema", r#"{"properties": {"a": {"type": "integer"}}}"#).unwrap();
        assert_eq!(schema.errors(&json!({"a": 1})), Vec::<String>::new());
        let errors = schema.errors(&json!({"a": "s3cret"}));
        assert_eq!(errors.len(), 1);
        assert!(
            errors[0].starts_with("/a: ") && !errors[0].contains("s3cret"),
            "{errors:?}"
        );
    }

    #[test]
    fn a_schema_that_refers_to_the_outside_is_refused() {
        for reference in ["https://example.com/s.json", "file:///etc/passwd", "other.json"] {
            let text = json!({ "$ref": reference }).to_string();
            assert!(
                why(&text).starts_with("its config schema is not acceptable"),
                "{reference}"
            );
        }
    }

    #[test]
    fn a_schema_that_is_a_bomb_is_refused() {
        let deep = format!("{}{{}}{}", r#"{"not":"#.repeat(70), "}".repeat(70));
        assert!(why(&deep).contains("deeper than 64"));
        let deeper = format!("{}{{}}{}", r#"{"not":"#.repeat(10_000), "}".repeat(10_000));
        assert!(why(&deeper).contains("not JSON"));
        assert!(why(&format!(r#"{{"title": "{}"}}"#, "x".repeat(1 << 20))).contains("the limit is"));
        let pattern = json!({"pattern": "(((((a{1,100}){1,100}){1,100}){1,100}){1,100})"}).to_string();
        assert!(why(&pattern).contains("not acceptable"));
        // Only an engine that backtracks can do this, in exponential time.
        assert!(why(r#"{"pattern": "^(a+)+\\1$"}"#).contains("not acceptable"));
    }
}
