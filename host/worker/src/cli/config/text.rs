//! JSON values as YAML, for people: one line for each value that has no parts, with a remark behind it.

use serde_json::Value;

use crate::yaml::child;

/// Words that are no strings in some version of YAML.
const NO_STRINGS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// A value as YAML. `remark` is asked for what to write behind a value, by its JSON pointer.
pub(super) fn yaml(value: &Value, remark: impl Fn(&str) -> Option<String>) -> String {
    let mut lines = Vec::new();
    match whole(value) {
        Some(text) => lines.push((text, remark(""))),
        None => parts(value, "", 0, &remark, &mut lines),
    }
    // Remarks begin in one column, as far as lines are not too long for that.
    let widths = lines.iter().filter(|(_, remark)| remark.is_some());
    let column = widths
        .map(|(line, _)| line.chars().count())
        .max()
        .unwrap_or_default()
        .min(60);
    let with_remark = |(line, remark): &(String, Option<String>)| match remark {
        Some(remark) => format!("{line:column$}  # {remark}"),
        None => line.clone(),
    };
    lines.iter().map(with_remark).collect::<Vec<_>>().join("\n")
}

/// The lines of a value that has parts.
fn parts(
    value: &Value,
    pointer: &str,
    depth: usize,
    remark: &impl Fn(&str) -> Option<String>,
    lines: &mut Vec<(String, Option<String>)>,
) {
    let indent = "  ".repeat(depth);
    let mut part = |key: String, value: &Value, pointer: &str| match whole(value) {
        Some(text) => lines.push((format!("{indent}{key} {text}"), remark(pointer))),
        None => {
            lines.push((format!("{indent}{key}"), None));
            parts(value, pointer, depth + 1, remark, lines);
        }
    };
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                part(format!("{}:", string(key)), member, &child(pointer, key));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                part("-".to_owned(), item, &child(pointer, &index.to_string()));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A value that is written on one line; none for one with parts.
fn whole(value: &Value) -> Option<String> {
    match value {
        Value::Object(members) if !members.is_empty() => None,
        Value::Array(items) if !items.is_empty() => None,
        Value::String(text) => Some(string(text)),
        other => Some(other.to_string()),
    }
}

/// A string, quoted as JSON quotes it where it could be taken for something else.
fn string(text: &str) -> String {
    let first = text.chars().next();
    let is_plain = first.is_some_and(|first| first.is_ascii_alphabetic() || first == '/')
        && !NO_STRINGS.contains(&text.to_ascii_lowercase().as_str())
        && !text.ends_with(':')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':'));
    if is_plain {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::yaml::Document;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let value = json!({
            "plain": "a/b:1", "quoted": ["", "no", "-x", "a: b", "a:", "# c", "1", "1.5", "ä", "two\nlines", "{", "***"],
            "numbers": [0, -1, 2.5], "none": null, "yes": true, "empty": [{}, []],
            "deep": [{"a": {"b": [["c"]]}}, {"d": 1}], "1": {"~": "~"},
        });
        let text = yaml(&value, |pointer| Some(format!("at {pointer}")));
        let read = Document::parse(&text).map(|document| document.value);
        assert_eq!(read, Ok(value), "{text}");
    }

    #[test]
    fn each_value_has_its_remark() {
        let value = json!({"a": {"b": 1, "long": "x"}, "c": []});
        let text = yaml(&value, |pointer| (pointer != "/c").then(|| pointer.to_owned()));
        assert_eq!(text, "a:\n  b: 1     # /a/b\n  long: x  # /a/long\nc: []");
    }
}
