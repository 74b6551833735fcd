//! YAML (and JSON, which is YAML) as a JSON value that remembers where each part of it was written.

use std::{collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// The largest file that is read, in bytes.
const MAX_BYTES: usize = 10 << 20;
/// How deep a file may be nested. A level takes the parser 30 KiB of stack where nothing is optimised, and some threads have
/// 2 MiB.
const MAX_DEPTH: usize = 32;

/// Where in a file something is written. Both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The line.
    pub(crate) line: u64,
    /// The column, in characters.
    pub(crate) column: u64,
}

/// A file's content, and where each part of it is written.
pub(crate) struct Document {
    /// The content.
    pub(crate) value: Value,
    places: HashMap<String, Places>,
}

/// Why text is not one YAML document. Holds nothing of the text but names of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", at(.place))]
pub(crate) struct YamlError {
    /// Where, if that is known.
    pub(crate) place: Option<Place>,
    /// What is wrong.
    pub(crate) message: String,
}

/// Where a value and its key are written.
#[derive(Clone, Copy, Debug)]
struct Places {
    key: Option<Place>,
    value: Place,
}

impl Document {
    /// Reads a text. Keys that are written twice are an error.
    ///
    /// # Errors
    /// When it is not one YAML document, or holds what JSON can't.
    pub(crate) fn parse(text: &str) -> Result<Self, YamlError> {
        if text.len() > MAX_BYTES {
            return Err(YamlError {
                place: None,
                message: format!("it is larger than {} MiB", MAX_BYTES >> 20),
            });
        }
        let options = serde_saphyr::options! {
            // Only `true` and `false`: a `no` in a command is a word.
            strict_booleans: true,
            // It would show what is written near an error, which may be a secret.
            with_snippet: false,
            budget: serde_saphyr::budget! {
                max_depth: MAX_DEPTH,
            },
        };
        let root: Node = serde_saphyr::from_str_with_options::<Option<Node>>(text, options)
            .map_err(|error| YamlError {
                place: error.location().map(Place::from),
                message: without_place(&error.render()),
            })?
            .unwrap_or(Node(Content::Scalar(Value::Null)));
        let mut places = HashMap::new();
        let start = Place { line: 1, column: 1 };
        let value = flatten(
            root,
            String::new(),
            Places {
                key: None,
                value: start,
            },
            &mut places,
        );
        Ok(Self { value, places })
    }

    /// Where the value at a JSON pointer is written; for what is not in the file, where the nearest thing around it is.
    pub(crate) fn place(&self, pointer: &str) -> Place {
        self.nearest(pointer).value
    }

    /// Whether the file has a value at a JSON pointer.
    pub(crate) fn holds(&self, pointer: &str) -> bool {
        self.places.contains_key(pointer)
    }

    /// Where the key of the value at a JSON pointer is written.
    pub(crate) fn key_place(&self, pointer: &str) -> Place {
        let places = self.nearest(pointer);
        places.key.unwrap_or(places.value)
    }

    fn nearest(&self, pointer: &str) -> Places {
        let mut pointer = pointer;
        loop {
            if let Some(places) = self.places.get(pointer) {
                return *places;
            }
            match pointer.rsplit_once('/') {
                Some((parent, _)) => pointer = parent,
                None => {
                    return Places {
                        key: None,
                        value: Place { line: 1, column: 1 },
                    };
                }
            }
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content may hold secrets.
        f.debug_struct("Document")
            .field("values", &self.places.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Self {
        Self {
            line: location.line(),
            column: location.column(),
        }
    }
}

/// A JSON pointer to a member of what `parent` points to.
pub(crate) fn child(parent: &str, key: &str) -> String {
    format!("{parent}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A value with the places of its parts.
struct Node(Content);

enum Content {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Self)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can hold")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Content, E> {
        let number = Number::from_f64(value);
        number
            .map(|number| Content::Scalar(number.into()))
            .ok_or_else(|| E::custom("no number of JSON's"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Content, A::Error> {
        let mut map = Vec::new();
        while let Some(member) = members.next_entry()? {
            map.push(member);
        }
        Ok(Content::Map(map))
    }
}

/// Takes a value apart from its places.
fn flatten(node: Node, pointer: String, own: Places, places: &mut HashMap<String, Places>) -> Value {
    let value = match node.0 {
        Content::Scalar(value) => value,
        Content::List(items) => {
            let item = |(index, item): (usize, Spanned<Node>)| {
                let own = Places {
                    key: None,
                    value: item.referenced.into(),
                };
                flatten(item.value, format!("{pointer}/{index}"), own, places)
            };
            Value::Array(items.into_iter().enumerate().map(item).collect())
        }
        Content::Map(members) => {
            let member = |(key, member): (Spanned<String>, Spanned<Node>)| {
                let own = Places {
                    key: Some(key.referenced.into()),
                    value: member.referenced.into(),
                };
                let value = flatten(member.value, child(&pointer, &key.value), own, places);
                (key.value, value)
            };
            Value::Object(members.into_iter().map(member).collect::<Map<_, _>>())
        }
    };
    places.insert(pointer, own);
    value
}

/// The parser's message ends with the place, which we have beside it.
fn without_place(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let end = line.rfind(" at line ").unwrap_or(line.len());
    line.get(..end).unwrap_or(line).to_owned()
}

fn at(place: &Option<Place>) -> String {
    place.map(|place| format!("{place}: ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_know_where_they_are_written() {
        let document = Document::parse("a: 1\nb:\n  - x\n  - c/d: true\n").unwrap();
        assert_eq!(document.value, json!({"a": 1, "b": ["x", {"c/d": true}]}));
        assert_eq!(document.place("/a"), Place { line: 1, column: 4 });
        assert_eq!(document.place("/b/0"), Place { line: 3, column: 5 });
        assert_eq!(document.place("/b/1/c~1d"), Place { line: 4, column: 10 });
        assert_eq!(document.key_place("/b/1/c~1d"), Place { line: 4, column: 5 });
        assert_eq!(document.key_place("/b/1/missing"), document.place("/b/1"));
    }

    #[test]
    fn json_is_yaml_and_words_are_no_booleans() {
        let text = r#"{"command": [["echo", "no"]], "n": 1.5, "big": 18446744073709551615, "none": null}"#;
        let document = Document::parse(text).unwrap();
        assert_eq!(document.value, serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(
            Document::parse("[no, yes, on]").unwrap().value,
            json!(["no", "yes", "on"])
        );
        assert_eq!(Document::parse("").unwrap().value, Value::Null);
    }

    #[test]
    fn keys_written_twice_are_errors_with_their_place() {
        let error = Document::parse("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!(error.place.map(|place| place.line), Some(3));
        assert!(
            error.message.contains("duplicate") && error.message.contains('a'),
            "{error}"
        );
    }

    #[test]
    fn errors_show_nothing_of_the_text() {
        let error = Document::parse("token: [s3cret\nother: 1\n").unwrap_err();
        assert!(
            !error.to_string().contains("s3cret") && error.place.is_some(),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_nested_too_deep_is_refused_before_it_fills_the_stack() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        // On a thread of the test's own, which has 2 MiB.
        assert!(Document::parse(&nested(MAX_DEPTH)).is_ok());
        let block: String = (0..=MAX_DEPTH)
            .map(|depth| format!("{}a:\n", " ".repeat(depth)))
            .collect();
        for deeper in [nested(MAX_DEPTH + 1), nested(10_000), block] {
            assert!(Document::parse(&deeper).is_err(), "{deeper}");
        }
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, former) in ["b", "c", "d", "e", "f", "g", "h"]
            .iter()
            .zip(["a", "b", "c", "d", "e", "f", "g"])
        {
            let nine = vec![format!("*{former}"); 9].join(", ");
            text.push_str(&format!("{name}: &{name} [{nine}]\n"));
        }
        assert!(Document::parse(&text).is_err());
    }
}
