//! Checks values by JSON schemas, and says what is wrong in words for whoever wrote the value: the path, what is expected,
//! what the property is for, and the name that was probably meant. The only module that knows the validator.

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use plugin_host::{can_list_all_errors, parts_of_schema};
use serde_json::Value;

mod words;

/// What patterns of a schema may cost to compile, in bytes.
const MAX_PATTERN: usize = 1 << 20;

/// How much of a wrong value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// Its type alone: it may be a secret.
    Nothing,
    /// Words, numbers and the like, where they help.
    Short,
}

/// A schema, compiled.
#[derive(Debug)]
pub(crate) struct Checker {
    schema: Value,
    /// Its parts, with what its references lead to.
    parts: usize,
    validator: Validator,
    show: Show,
}

/// One thing that is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// A JSON pointer to what is wrong, or to what is missing.
    pub(crate) pointer: String,
    /// The same for people, below the root's name: `task.payload.artifacts[0].type`.
    pub(crate) path: String,
    /// Which part of it is wrong.
    pub(crate) part: Part,
    /// What is wrong, to be read after the path.
    pub(crate) what: String,
    /// What the property is for, as its schema says.
    pub(crate) description: Option<String>,
    /// What was probably meant.
    pub(crate) nearest: Option<String>,
}

/// Which part of a member is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Its value; of a missing one, its absence.
    Value,
    /// Its name: nothing of that name belongs there.
    Key,
}

/// A schema that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable JSON schema: {0}")]
pub(crate) struct BadSchema(String);

impl Checker {
    /// Compiles a schema (draft 2020-12). References lead nowhere but into it.
    ///
    /// # Errors
    /// When it is no schema, refers to the outside, or has a pattern that is too large.
    pub(crate) fn new(schema: Value, show: Show) -> Result<Self, BadSchema> {
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(
                PatternOptions::regex()
                    .size_limit(MAX_PATTERN)
                    .dfa_size_limit(MAX_PATTERN),
            )
            .build(&schema)
            .map_err(|error| BadSchema(error.to_string()))?;
        Ok(Self {
            parts: parts_of_schema(&schema),
            schema,
            validator,
            show,
        })
    }

    /// Everything that is wrong with a value, in the schema's order. `root` is the value's name in paths.
    pub(crate) fn check(&self, root: &str, value: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        if can_list_all_errors(self.parts, value) {
            for error in self.validator.iter_errors(value) {
                self.collect(root, value, &error, &mut problems);
            }
        } else if let Err(error) = self.validator.validate(value) {
            self.collect(root, value, &error, &mut problems);
        }
        problems.dedup();
        problems
    }

    /// Adds what one error of the validator comes to. Where none of several forms fits, the errors of the only form that
    /// the value is near to are what helps.
    fn collect(&self, root: &str, value: &Value, error: &ValidationError<'_>, problems: &mut Vec<Problem>) {
        match words::near_form(error) {
            Some(form) => {
                for error in form {
                    self.collect(root, value, error, problems);
                }
            }
            None => problems.extend(words::problems(&self.schema, self.show, error).into_iter().map(
                |found| {
                    let path = path(root, value, &found.pointer);
                    Problem { path, ..found }
                },
            )),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.path, self.what)?;
        if let Some(nearest) = &self.nearest {
            write!(f, ", did you mean {nearest}?")?;
        }
        if let Some(description) = &self.description {
            write!(f, " ({description})")?;
        }
        Ok(())
    }
}

/// The name among `known` that was probably meant by `name`: at most a third of it, and never more than three letters, is
/// different. Letter case and separators do not count.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| {
        text.chars()
            .filter(|c| !matches!(c, '-' | '_' | ' '))
            .flat_map(char::to_lowercase)
            .collect::<String>()
    };
    let wanted = plain(name);
    let allowed = (wanted.chars().count() / 3).clamp(1, 3);
    known
        .map(|known| (strsim::damerau_levenshtein(&wanted, &plain(known)), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// A JSON pointer into `value` as people write it.
pub(crate) fn path(root: &str, value: &Value, pointer: &str) -> String {
    let mut path = root.to_owned();
    let mut at = Some(value);
    for segment in pointer.split('/').skip(1) {
        let key = segment.replace("~1", "/").replace("~0", "~");
        match at {
            Some(Value::Array(items)) => {
                path.push_str(&format!("[{key}]"));
                at = key.parse::<usize>().ok().and_then(|index| items.get(index));
            }
            Some(other) => {
                push_member(&mut path, &key);
                at = other.get(&key);
            }
            None => push_member(&mut path, &key),
        }
    }
    path
}

fn push_member(path: &mut String, key: &str) {
    let is_plain = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'));
    if !is_plain {
        path.push_str(&format!("[{:?}]", words::cut(key, words::MAX_NAME)));
    } else {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(words::cut(key, words::MAX_NAME));
    }
}

#[cfg(test)]
mod tests;
