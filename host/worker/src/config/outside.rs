//! Values that come from outside of the config: `{$env: NAME}`, `{$file: PATH}`, which are replaced while the file is read,
//! and `{$secret: NAME}`, which stays a hole until the secrets service can be asked.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{
    origins::{Origins, Source},
    secrets::SecretReference,
};
use crate::{schema::nearest, yaml::child};

/// The largest file that a value may be read from, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// The keys that say where a value comes from.
const KEYS: [&str; 3] = ["$env", "$file", "$secret"];
/// What text may be turned into.
const TYPES: [&str; 5] = ["string", "number", "bool", "json", "list"];

/// Where values may come from, beside the secrets service.
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

/// What a value says of where it comes from.
struct Reference<'a> {
    key: &'a str,
    name: &'a str,
    kind: Option<&'a str>,
    default: Option<&'a Value>,
}

/// Whether an object says where its value comes from.
pub(super) fn is_reference(members: &Map<String, Value>) -> bool {
    members.keys().any(|key| key.starts_with('$'))
}

impl Outside<'_> {
    /// Replaces every value that comes from the environment or from a file; what can't be had is collected and stays as it
    /// is. What comes from outside is not looked through again.
    pub(super) fn replace(
        &self,
        value: &mut Value,
        pointer: &str,
        origins: &mut Origins,
        missing: &mut Vec<NotHad>,
    ) {
        let members = match value {
            Value::Object(members) => members,
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.replace(item, &child(pointer, &index.to_string()), origins, missing);
                }
                return;
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return,
        };
        if !is_reference(members) {
            for (key, member) in members {
                self.replace(member, &child(pointer, key), origins, missing);
            }
            return;
        }
        match self.have(members) {
            Ok(None) => {}
            Ok(Some((found, from))) => {
                origins.replaced(pointer, from);
                *value = found;
            }
            Err(why) => missing.push(NotHad {
                pointer: pointer.to_owned(),
                why,
            }),
        }
    }

    /// The value, and whence; none for a secret, which is not had yet.
    fn have(&self, members: &Map<String, Value>) -> Result<Option<(Value, Source)>, String> {
        if members.contains_key("$secret") {
            return SecretReference::read(members).map(|_| None);
        }
        let Reference {
            key,
            name,
            kind,
            default,
        } = reference(members, &[])?;
        let text = match key {
            "$env" => (self.env)(name),
            _ => read(&self.folder.join(name))
                .map_err(|why| format!("can't be read from the file {name:?}: {why}"))?,
        };
        let from = match key {
            "$env" => Source::Env(name.to_owned()),
            _ => Source::File(name.to_owned()),
        };
        let kind = kind.unwrap_or("string");
        match (text, default) {
            (Some(text), _) => convert(&text, kind)
                .map(|value| Some((value, from)))
                .ok_or_else(|| format!("comes from {key} {name}, which is no {kind}")),
            (None, Some(default)) => Ok(Some((default.clone(), Source::DefaultOf(name.to_owned())))),
            (None, None) if key == "$env" => Err(format!(
                "comes from the environment variable {name}, which is not set"
            )),
            (None, None) => Err(format!("comes from the file {name:?}, which does not exist")),
        }
    }
}

impl SecretReference {
    /// What an object with the key `$secret` says.
    ///
    /// # Errors
    /// When it says something else too, or not what is needed.
    pub(super) fn read(members: &Map<String, Value>) -> Result<Self, String> {
        let Reference {
            name, kind, default, ..
        } = reference(members, &["key"])?;
        let key = match members.get("key") {
            None => None,
            Some(key) => Some(
                key.as_str()
                    .filter(|key| !key.is_empty())
                    .ok_or("must name its key by a string")?,
            ),
        };
        Ok(Self {
            name: name.to_owned(),
            key: key.map(str::to_owned),
            kind: kind.map(str::to_owned),
            default: default.cloned(),
        })
    }
}

/// Why an object of a layer that others than the machine's operator have written is no value, where it is none: of what is
/// outside it may name secrets alone.
pub(super) fn check_layer(value: &Value, pointer: &str, wrong: &mut Vec<NotHad>) {
    match value {
        Value::Object(members) if is_reference(members) => {
            let read = if members.contains_key("$env") || members.contains_key("$file") {
                Err(
                    "can't come from the machine's environment or files, only the worker's own config can"
                        .to_owned(),
                )
            } else {
                reference(members, &["key"]).and_then(|_| SecretReference::read(members).map(drop))
            };
            wrong.extend(read.err().map(|why| NotHad {
                pointer: pointer.to_owned(),
                why,
            }));
        }
        Value::Object(members) => {
            for (key, member) in members {
                check_layer(member, &child(pointer, key), wrong);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_layer(item, &child(pointer, &index.to_string()), wrong);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn reference<'a>(members: &'a Map<String, Value>, also: &[&str]) -> Result<Reference<'a>, String> {
    let (key, name) = members
        .iter()
        .find(|(key, _)| key.starts_with('$'))
        .ok_or_else(|| "does not say where it comes from".to_owned())?;
    if !KEYS.contains(&key.as_str()) {
        let help = nearest(key, KEYS.into_iter()).unwrap_or("$env, $file or $secret");
        return Err(format!("can't come from {key:?}, did you mean {help}?"));
    }
    let allowed: Vec<&str> = also.iter().copied().chain(["type", "default"]).collect();
    if let Some(other) = members
        .keys()
        .find(|other| *other != key && !allowed.contains(&other.as_str()))
    {
        let (last, first) = allowed.split_last().unwrap_or((&"default", &[]));
        let allowed = first.join(", ");
        return Err(format!(
            "must have nothing but {key}, {allowed} and {last}, not {other:?}"
        ));
    }
    let name = name
        .as_str()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| format!("must name its {key} by a string"))?;
    let kind = match members.get("type") {
        None => None,
        Some(kind) => Some(
            kind.as_str()
                .filter(|kind| TYPES.contains(kind))
                .ok_or_else(|| format!("must have a type of {}", TYPES.join(", ")))?,
        ),
    };
    Ok(Reference {
        key,
        name,
        kind,
        default: members.get("default"),
    })
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
pub(super) fn convert(text: &str, kind: &str) -> Option<Value> {
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
        outside.replace(&mut value, "", &mut Origins::of_value("test"), &mut missing);
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
            {"$env": "UNSET"}, {"$file": "none"}, {"$file": "token", "type": "number"}, {"$secret": "a", "key": 1},
            {"$evn": "A"}, {"$env": "WORD", "typ": "string"}, {"$env": "WORD", "type": "int"}, {"$env": 1},
        ]));
        assert_eq!(
            missing,
            [
                "/0 comes from the environment variable UNSET, which is not set",
                "/1 comes from the file \"none\", which does not exist",
                "/2 comes from $file token, which is no number",
                "/3 must name its key by a string",
                "/4 can't come from \"$evn\", did you mean $env?",
                "/5 must have nothing but $env, type and default, not \"typ\"",
                "/6 must have a type of string, number, bool, json, list",
                "/7 must name its $env by a string",
            ]
        );
    }
}
