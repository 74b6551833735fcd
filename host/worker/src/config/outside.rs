//! Values that come from outside of the file: `{$env: NAME}`, `{$file: PATH}`.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::{schema::nearest, yaml::child};

/// The largest file that a value may be read from, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// The keys that say where a value comes from.
const KEYS: [&str; 3] = ["$env", "$file", "$secret"];
/// What text may be turned into.
const TYPES: [&str; 5] = ["string", "number", "bool", "json", "list"];

/// Where values may come from.
pub(super) struct Outside<'a> {
    /// Looks an environment variable up.
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    /// What paths are relative to.
    pub(super) folder: PathBuf,
}

/// A value that could not be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotHad {
    /// A JSON pointer to it.
    pub(super) pointer: String,
    /// Why. Never the value itself.
    pub(super) why: String,
}

impl Outside<'_> {
    /// Replaces every value that says where it comes from; what can't be had is collected and stays as it is. What comes
    /// from outside is not looked through again.
    pub(super) fn replace(&self, value: &mut Value, pointer: &str, missing: &mut Vec<NotHad>) {
        match value {
            Value::Object(members) if members.keys().any(|key| key.starts_with('$')) => {
                match self.have(members) {
                    Ok(found) => *value = found,
                    Err(why) => missing.push(NotHad {
                        pointer: pointer.to_owned(),
                        why,
                    }),
                }
            }
            Value::Object(members) => {
                for (key, member) in members {
                    self.replace(member, &child(pointer, key), missing);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.replace(item, &child(pointer, &index.to_string()), missing);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn have(&self, members: &Map<String, Value>) -> Result<Value, String> {
        let (key, name) = members
            .iter()
            .find(|(key, _)| key.starts_with('$'))
            .ok_or_else(|| "does not say where it comes from".to_owned())?;
        if !KEYS.contains(&key.as_str()) {
            let help = nearest(key, KEYS.into_iter()).unwrap_or("$env or $file");
            return Err(format!("can't come from {key:?}, did you mean {help}?"));
        }
        if key == "$secret" {
            let why = "can't come from the secrets service yet: use {$env: NAME} or {$file: PATH}";
            return Err(why.to_owned());
        }
        let allowed = ["type", "default"];
        if let Some(other) = members
            .keys()
            .find(|other| *other != key && !allowed.contains(&other.as_str()))
        {
            return Err(format!(
                "must have nothing but {key}, type and default, not {other:?}"
            ));
        }
        let name = name
            .as_str()
            .filter(|name| !name.is_empty())
            .ok_or_else(|| format!("must name its {key} by a string"))?;
        let kind = match members.get("type") {
            None => "string",
            Some(kind) => kind
                .as_str()
                .filter(|kind| TYPES.contains(kind))
                .ok_or_else(|| format!("must have a type of {}", TYPES.join(", ")))?,
        };
        let text = match key.as_str() {
            "$env" => (self.env)(name),
            _ => read(&self.folder.join(name))
                .map_err(|why| format!("can't be read from the file {name:?}: {why}"))?,
        };
        match (text, members.get("default")) {
            (Some(text), _) => {
                convert(&text, kind).ok_or_else(|| format!("comes from {key} {name}, which is no {kind}"))
            }
            (None, Some(default)) => Ok(default.clone()),
            (None, None) if key == "$env" => Err(format!(
                "comes from the environment variable {name}, which is not set"
            )),
            (None, None) => Err(format!("comes from the file {name:?}, which does not exist")),
        }
    }
}

/// A file's text without the end of its last line; none where there is no file.
fn read(path: &Path) -> Result<Option<String>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut text = String::new();
    file.take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_FILE {
        return Err(format!("it is larger than {} KiB", MAX_FILE >> 10));
    }
    let end = text
        .strip_suffix('\n')
        .map_or(text.len(), |line| line.strip_suffix('\r').unwrap_or(line).len());
    text.truncate(end);
    Ok(Some(text))
}

/// Text as a value of some type; none where it is none.
fn convert(text: &str, kind: &str) -> Option<Value> {
    match kind {
        "number" => serde_json::from_str::<serde_json::Number>(text.trim())
            .ok()
            .map(Value::Number),
        "bool" => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true.into()),
            "false" => Some(false.into()),
            _ => None,
        },
        "json" => serde_json::from_str(text).ok(),
        "list" => Some(text.split_whitespace().collect::<Vec<_>>().into()),
        _ => Some(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn replaced(mut value: Value) -> (Value, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "s3cret\n").unwrap();
        let env = |name: &str| match name {
            "WORD" => Some("w".to_owned()),
            "NUMBER" => Some("8".to_owned()),
            "BOOL" => Some("TRUE".to_owned()),
            "JSON" => Some(r#"{"$env": "WORD"}"#.to_owned()),
            "LIST" => Some("a  b".to_owned()),
            _ => None,
        };
        let outside = Outside {
            env: &env,
            folder: folder.path().to_owned(),
        };
        let mut missing = Vec::new();
        outside.replace(&mut value, "", &mut missing);
        (
            value,
            missing
                .into_iter()
                .map(|not_had| format!("{} {}", not_had.pointer, not_had.why))
                .collect(),
        )
    }

    #[test]
    fn values_come_from_the_environment_and_from_files() {
        let (value, missing) = replaced(json!({
            "a": [{"$env": "WORD"}, {"$env": "NUMBER", "type": "number"}, {"$env": "BOOL", "type": "bool"}],
            "b": {"$env": "LIST", "type": "list"},
            "c": {"$file": "token"},
            "d": {"$env": "UNSET", "default": [1]},
            // What comes from outside is a value, and not a config.
            "e": {"$env": "JSON", "type": "json"},
        }));
        assert_eq!(missing, [""; 0]);
        let expected =
            json!({"a": ["w", 8, true], "b": ["a", "b"], "c": "s3cret", "d": [1], "e": {"$env": "WORD"}});
        assert_eq!(value, expected);
    }

    #[test]
    fn what_can_not_be_had_is_named_and_never_shown() {
        let (_, missing) = replaced(json!([
            {"$env": "UNSET"}, {"$file": "none"}, {"$file": "token", "type": "number"}, {"$secret": "a", "key": "b"},
            {"$evn": "A"}, {"$env": "WORD", "typ": "string"}, {"$env": "WORD", "type": "int"}, {"$env": 1},
        ]));
        assert_eq!(
            missing,
            [
                "/0 comes from the environment variable UNSET, which is not set",
                "/1 comes from the file \"none\", which does not exist",
                "/2 comes from $file token, which is no number",
                "/3 can't come from the secrets service yet: use {$env: NAME} or {$file: PATH}",
                "/4 can't come from \"$evn\", did you mean $env?",
                "/5 must have nothing but $env, type and default, not \"typ\"",
                "/6 must have a type of string, number, bool, json, list",
                "/7 must name its $env by a string",
            ]
        );
    }
}
