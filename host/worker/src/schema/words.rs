//! From the validator's errors to words.

use std::sync::Arc;

use jsonschema::{
    JsonType, ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::Value;

use super::{Part, Problem, Show, nearest};
use crate::yaml::child;

/// The longest name that is shown, in bytes.
pub(super) const MAX_NAME: usize = 64;
/// The longest value that is shown, in bytes.
const MAX_VALUE: usize = 40;
/// The longest description that is shown, in bytes.
const MAX_DESCRIPTION: usize = 240;
/// How many names or words are listed.
const MAX_LISTED: usize = 16;

/// Where a value fits none of several forms: the errors of the form that was meant, if that is clear. A form is out where
/// it wants another type at the same place, or another word for the property that tells forms apart.
pub(super) fn near_form<'a, 'i>(error: &'a ValidationError<'i>) -> Option<&'a [ValidationError<'static>]> {
    let (Kind::AnyOf { context } | Kind::OneOfNotValid { context }) = error.kind() else {
        return None;
    };
    let here = error.instance_path().as_str();
    let is_member = |error: &ValidationError<'static>| {
        error
            .instance_path()
            .as_str()
            .rsplit_once('/')
            .is_some_and(|(parent, _)| parent == here)
    };
    let is_out = |form: &&Vec<ValidationError<'static>>| {
        form.iter().any(|error| match error.kind() {
            Kind::Type { .. } => error.instance_path().as_str() == here,
            Kind::Constant { .. } => is_member(error),
            Kind::Enum { options } => {
                is_member(error) && options.as_array().is_some_and(|words| words.len() == 1)
            }
            _ => false,
        })
    };
    let mut near = context.iter().filter(|form| !is_out(form));
    match (near.next(), near.next()) {
        (Some(form), None) => Some(form),
        _ => None,
    }
}

/// The words that a value may be, where each of several forms is one or some of them.
fn words_of_forms(error: &ValidationError<'_>) -> Option<Arc<Value>> {
    let (Kind::AnyOf { context } | Kind::OneOfNotValid { context }) = error.kind() else {
        return None;
    };
    let mut words = Vec::new();
    for form in context {
        match form.as_slice() {
            [only] => match only.kind() {
                Kind::Constant { expected_value } => words.push((**expected_value).clone()),
                Kind::Enum { options } => words.extend(options.as_array()?.iter().cloned()),
                Kind::Type { .. } => {}
                _ => return None,
            },
            _ => return None,
        }
    }
    (!words.is_empty()).then(|| Arc::new(Value::Array(words)))
}

/// What one error comes to; paths are left to the caller.
pub(super) fn problems(schema: &Value, show: Show, error: &ValidationError<'_>) -> Vec<Problem> {
    // The schema that the value does not satisfy: the error names the keyword in it.
    let keyword = error.schema_path().as_str();
    let failed = keyword
        .rsplit_once('/')
        .and_then(|(parent, _)| schema.pointer(parent))
        .unwrap_or(&Value::Null);
    let pointer = error.instance_path().as_str().to_owned();
    let problem = |pointer: String, what: String| Problem {
        pointer,
        path: String::new(),
        part: Part::Value,
        what,
        description: None,
        nearest: None,
    };
    match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let description = failed.pointer(&child("/properties", name)).and_then(description);
            vec![Problem {
                description,
                ..problem(child(&pointer, name), "is missing".to_owned())
            }]
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|name| unknown(failed, name, problem(child(&pointer, name), String::new())))
            .collect(),
        kind => {
            let options = words_of_forms(error);
            let (what, options) = match (&options, kind) {
                (Some(options), _) | (None, Kind::Enum { options }) => (
                    format!(
                        "must be {}, not {}",
                        one_of(options),
                        shown(error.instance(), show)
                    ),
                    Some(&**options),
                ),
                (None, kind) => (what_is_wrong(kind, error, show), None),
            };
            let nearest = options.and_then(|options| meant(error.instance(), options));
            vec![Problem {
                description: description(failed),
                nearest,
                ..problem(pointer, what)
            }]
        }
    }
}

/// A member that the schema does not know.
pub(super) fn unknown(failed: &Value, name: &str, problem: Problem) -> Problem {
    let known: Vec<&str> = failed
        .get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default();
    unknown_among(&known, name, problem)
}

/// A member of which only others are known.
pub(super) fn unknown_among(known: &[&str], name: &str, problem: Problem) -> Problem {
    let nearest = nearest(name, known.iter().copied()).map(str::to_owned);
    let what = match (&nearest, known) {
        (None, []) => "is not known; nothing can be given here".to_owned(),
        (None, known) if known.len() <= MAX_LISTED => format!("is not known; there is {}", known.join(", ")),
        (Some(_) | None, _) => "is not known".to_owned(),
    };
    Problem {
        part: Part::Key,
        what,
        nearest,
        ..problem
    }
}

fn what_is_wrong(kind: &Kind, error: &ValidationError<'_>, show: Show) -> String {
    let value = || shown(error.instance(), show);
    match kind {
        Kind::Type { kind } => format!("must be {}, not {}", types(kind), value()),
        Kind::Enum { options } => format!("must be {}, not {}", one_of(options), value()),
        Kind::Constant { expected_value } => format!("must be {expected_value}, not {}", value()),
        Kind::Pattern { pattern } => format!("must match the pattern {pattern}; {} does not", value()),
        Kind::Format { format } => format!("must be {}, not {}", format_name(format), value()),
        Kind::Minimum { limit } => format!("must be at least {limit}, not {}", value()),
        Kind::Maximum { limit } => format!("must be at most {limit}, not {}", value()),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}, not {}", value()),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}, not {}", value()),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}, not {}", value()),
        Kind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinItems { limit: 1 } | Kind::MinProperties { limit: 1 } => "must not be empty".to_owned(),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::MinProperties { limit } => format!("must have at least {limit} members"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} members"),
        Kind::UniqueItems => "has an item twice".to_owned(),
        Kind::FalseSchema => "can't be given here".to_owned(),
        Kind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default();
            format!(
                "has a member {:?}, whose name {}",
                cut(name, MAX_NAME),
                what_is_wrong(error.kind(), error, show)
            )
        }
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            format!("has none of its possible forms, but is {}", value())
        }
        Kind::OneOfMultipleValid { .. } => "has several of its possible forms at once".to_owned(),
        // Rare keywords: the validator's own words, without the value.
        Kind::AdditionalItems { .. }
        | Kind::AdditionalProperties { .. }
        | Kind::BacktrackLimitExceeded { .. }
        | Kind::RegexEngineFailure { .. }
        | Kind::Contains
        | Kind::ContentEncoding { .. }
        | Kind::ContentMediaType { .. }
        | Kind::Custom { .. }
        | Kind::FromUtf8 { .. }
        | Kind::Not { .. }
        | Kind::Required { .. }
        | Kind::UnevaluatedItems { .. }
        | Kind::UnevaluatedProperties { .. }
        | Kind::Referencing(_) => format!("is not valid: {}", error.masked_with("the value")),
    }
}

/// The first paragraph of a schema's description.
fn description(schema: &Value) -> Option<String> {
    let text = schema.get("description")?.as_str()?;
    let first = text.split("\n\n").next().unwrap_or_default();
    let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let short = cut(&line, MAX_DESCRIPTION);
    let mark = if short.len() < line.len() { "…" } else { "" };
    (!line.is_empty()).then(|| format!("{short}{mark}"))
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => type_name(*kind).to_owned(),
        TypeKind::Multiple(kinds) => kinds.iter().map(type_name).collect::<Vec<_>>().join(" or "),
    }
}

fn type_name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Null => "null",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "an integer",
        JsonType::Number => "a number",
        JsonType::String => "a string",
        JsonType::Array => "a list",
        JsonType::Object => "an object",
    }
}

fn format_name(format: &str) -> String {
    match format {
        "date-time" => "a time by RFC 3339 such as 2026-08-21T17:00:00Z".to_owned(),
        "uri" => "a URL".to_owned(),
        other => format!("of the format {other}"),
    }
}

fn one_of(options: &Value) -> String {
    let Some(options) = options.as_array() else {
        return options.to_string();
    };
    let mut words: Vec<String> = options.iter().take(MAX_LISTED).map(Value::to_string).collect();
    if options.len() > MAX_LISTED {
        words.push("…".to_owned());
    }
    match words.as_slice() {
        [only] => only.clone(),
        words => format!("one of {}", words.join(", ")),
    }
}

/// The word that was probably meant.
fn meant(value: &Value, options: &Value) -> Option<String> {
    let words = options.as_array()?.iter().filter_map(Value::as_str);
    nearest(value.as_str()?, words).map(|word| format!("{word:?}"))
}

/// What a value is, and where it is short and may be shown, the value.
fn shown(value: &Value, show: Show) -> String {
    match (value, show) {
        (Value::Null, _) => "null".to_owned(),
        (Value::Array(_), _) => "a list".to_owned(),
        (Value::Object(_), _) => "an object".to_owned(),
        (Value::String(text), Show::Short) if text.len() <= MAX_VALUE => format!("the string {text:?}"),
        (Value::String(_), _) => "a string".to_owned(),
        (Value::Bool(_) | Value::Number(_), Show::Short) => value.to_string(),
        (Value::Bool(_), Show::Nothing) => "a boolean".to_owned(),
        (Value::Number(_), Show::Nothing) => "a number".to_owned(),
    }
}

/// The beginning of a text, at most so many bytes.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}
