//! Grants as text: read from a config, written, and described in its schema.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
    ser::SerializeMap as _,
};
use serde_json::{Map, Value, json};

use super::{Grant, Grants, pattern::Pattern};
use crate::capabilities::Capability;

/// The longest pattern, in characters: names of artifacts are no longer.
const MAX_PATTERN: usize = 1024;
/// The most patterns of one grant.
const MAX_PATTERNS: usize = 1000;

/// An item of the list.
struct Item(Capability, Grant);

/// What may be said of a grant.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names: Option<Vec<String>>,
}

impl Item {
    fn new<E: serde::de::Error>(word: &str, parameters: Parameters) -> Result<Self, E> {
        let Some(capability) = Capability::named(word) else {
            return Err(E::custom(unknown(word)));
        };
        let Parameters { names } = parameters;
        if names.is_some() && capability.names().is_none() {
            return Err(E::custom(format!("a grant of {word} takes no names")));
        }
        let is_bad = |name: &String| name.is_empty() || name.chars().count() > MAX_PATTERN;
        if let Some(names) = &names
            && (names.is_empty() || names.len() > MAX_PATTERNS || names.iter().any(is_bad))
        {
            return Err(E::custom(format!(
                "the names of {word} are 1 to {MAX_PATTERNS}, each of 1 to {MAX_PATTERN} characters"
            )));
        }
        let names = names.map(|names| names.iter().map(|name| Pattern::from(name.as_str())).collect());
        Ok(Self(capability, Grant { names }))
    }
}

/// What is said of a word that no capability has: a typing error must not look like a missing grant.
fn unknown(word: &str) -> String {
    let nearest = Capability::ALL
        .map(|capability| {
            (
                strsim::damerau_levenshtein(word, capability.name()),
                capability.name(),
            )
        })
        .into_iter()
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let help = match nearest {
        Some((_, nearest)) => format!("did you mean {nearest}?"),
        None => format!("there are {}", Capability::ALL.map(Capability::name).join(", ")),
    };
    format!("there is no capability {word:?}; {help}")
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a capability, or one with its parameters")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Item, E> {
                Item::new(word, Parameters::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Item, A::Error> {
                let members = BTreeMap::<String, Parameters>::deserialize(MapAccessDeserializer::new(map))?;
                let mut members = members.into_iter();
                match (members.next(), members.next()) {
                    (Some((word, parameters)), None) => Item::new(&word, parameters),
                    _ => Err(A::Error::custom("a grant is of one capability")),
                }
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Grants {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Grants;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of capabilities")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Grants, A::Error> {
                let mut grants = Grants::default();
                while let Some(Item(capability, grant)) = items.next_element()? {
                    if grants.0.insert(capability, grant).is_some() {
                        let word = capability.name();
                        return Err(A::Error::custom(format!("{word} is granted twice")));
                    }
                }
                Ok(grants)
            }
        }

        deserializer.deserialize_seq(List)
    }
}

impl Serialize for Grants {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0
                .iter()
                .map(|(capability, grant)| Item(*capability, grant.clone())),
        )
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(capability, Grant { names }) = self;
        let Some(names) = names else {
            return serializer.serialize_str(capability.name());
        };
        let names = Some(names.iter().map(|name| name.as_str().to_owned()).collect());
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(capability.name(), &Parameters { names })?;
        map.end()
    }
}

impl JsonSchema for Grants {
    fn schema_name() -> Cow<'static, str> {
        "Grants".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The words come first: what is said of a wrong item depends on which of the forms it is near to.
        let words = Capability::ALL.map(|capability| {
            json!({"type": "string", "const": capability.name(), "description": allowed(capability)})
        });
        let parameters: Map<String, Value> = Capability::ALL
            .iter()
            .map(|capability| (capability.name().to_owned(), of_parameters(*capability)))
            .collect();
        let with_parameters = json!({
            "type": "object",
            "properties": parameters,
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        });
        let forms: Vec<Value> = words.into_iter().chain([with_parameters]).collect();
        json_schema!({"type": "array", "uniqueItems": true, "items": {"anyOf": forms}})
    }
}

fn allowed(capability: Capability) -> String {
    format!("The plugin may {}.", capability.allows())
}

fn of_parameters(capability: Capability) -> Value {
    let mut properties = Map::new();
    if let Some(names) = capability.names() {
        let text = format!("Of {names}. In a name `*` stands for any run of characters.");
        let schema = json!({
            "type": "array",
            "description": text,
            "items": {"type": "string", "minLength": 1, "maxLength": MAX_PATTERN},
            "minItems": 1,
            "maxItems": MAX_PATTERNS,
        });
        properties.insert("names".to_owned(), schema);
    }
    json!({
        "type": "object",
        "description": allowed(capability),
        "properties": properties,
        "additionalProperties": false,
    })
}
