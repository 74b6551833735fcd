//! What a schema may cost whoever checks a value by it: how much of it is walked through for each part of the value, and how
//! many regular expressions it has.
//!
//! A schema of a few lines can be a large one: each of `a0: {allOf: [a1, a1]}`, `a1: {allOf: [a2, a2]}`, … is twice the next.
//! Validators follow references wherever they meet them, so what counts is a schema in which each reference is replaced by
//! what it leads to. For that to be finite no reference may lead back to where it is.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Keywords that change what a reference means: with them it could lead where only a validator knows.
const MOVING: [&str; 6] = [
    "$id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
];
/// What every reference begins with.
const DEFINITIONS: &str = "#/$defs/";

/// How deep a schema may be nested, references followed. Validators recurse, and so does this.
const MAX_LEVELS: usize = 256;

/// How large a schema is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// Its values, with every reference followed. At most [`usize::MAX`].
    pub(super) parts: usize,
    /// Its regular expressions, references not followed: they are compiled once.
    pub(super) patterns: usize,
}

/// Weighs a schema.
///
/// # Errors
/// In words, where a reference leads elsewhere than to `#/$defs/NAME`, to nothing, or back to itself, or where references lead
/// too far.
pub(super) fn weigh(schema: &Value) -> Result<Weight, String> {
    let mut scales = Scales {
        definitions: schema.get("$defs").and_then(Value::as_object),
        known: BTreeMap::new(),
        patterns: 0,
    };
    let size = scales.size(schema, 0)?;
    Ok(Weight {
        parts: size.parts,
        patterns: scales.patterns,
    })
}

/// A part of a schema, references followed.
#[derive(Clone, Copy, Debug)]
struct Size {
    parts: usize,
    levels: usize,
}

const ONE: Size = Size { parts: 1, levels: 1 };

struct Scales<'a> {
    definitions: Option<&'a Map<String, Value>>,
    /// By name of a definition; nothing while it is being weighed.
    known: BTreeMap<&'a str, Option<Size>>,
    patterns: usize,
}

impl<'a> Scales<'a> {
    /// The size of what is so many levels below the root.
    fn size(&mut self, schema: &'a Value, level: usize) -> Result<Size, String> {
        let within = |levels: usize| match levels > MAX_LEVELS {
            true => Err(format!(
                "it is nested deeper than {MAX_LEVELS} levels, with what its references lead to"
            )),
            false => Ok(()),
        };
        // Before it is gone through; and after, for what was weighed before on a higher level.
        within(level)?;
        let mut whole = ONE;
        let mut add = |part: Size| {
            whole.parts = whole.parts.saturating_add(part.parts);
            whole.levels = whole.levels.max(part.levels.saturating_add(1));
            within(level.saturating_add(whole.levels))
        };
        let below = level.saturating_add(1);
        match schema {
            Value::Array(items) => {
                for item in items {
                    add(self.size(item, below)?)?;
                }
            }
            Value::Object(members) => {
                for (keyword, value) in members {
                    add(self.member(keyword, value, below)?)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(whole)
    }

    fn member(&mut self, keyword: &str, value: &'a Value, level: usize) -> Result<Size, String> {
        // Members of the root are on level 1.
        let is_of_root = level == 1;
        match (keyword, value) {
            ("$ref", Value::String(reference)) => self.target(reference, level),
            // It names the whole, and nothing is looked up by it.
            ("$id", Value::String(_)) if is_of_root => Ok(ONE),
            (moving, Value::String(_) | Value::Bool(_)) if MOVING.contains(&moving) => {
                Err(format!("it uses {moving} inside of it"))
            }
            // Weighed, and counted where a reference leads there.
            ("$defs", Value::Object(definitions)) if is_of_root => {
                for name in definitions.keys() {
                    self.definition(name, level)?;
                }
                Ok(Size {
                    parts: definitions.len(),
                    levels: 1,
                })
            }
            ("patternProperties", Value::Object(patterns)) => {
                self.patterns = self.patterns.saturating_add(patterns.len());
                self.size(value, level)
            }
            ("pattern", Value::String(_)) => {
                self.patterns = self.patterns.saturating_add(1);
                Ok(ONE)
            }
            (_, value) => self.size(value, level),
        }
    }

    fn target(&mut self, reference: &str, level: usize) -> Result<Size, String> {
        let name = reference.strip_prefix(DEFINITIONS).unwrap_or_default();
        // A name as it is written: with none of the characters that stand for others in a reference.
        let is_plain = !name.is_empty() && !name.contains(['/', '~', '%', '#']);
        let known = self
            .definitions
            .and_then(|definitions| definitions.get_key_value(name));
        match known.filter(|_| is_plain) {
            Some((name, _)) => self.definition(name, level),
            None => Err(format!(
                "it refers to {:?}, and a reference is {DEFINITIONS} with the name of one of its definitions",
                start(reference)
            )),
        }
    }

    /// The size of a definition, which is weighed once.
    fn definition(&mut self, name: &'a str, level: usize) -> Result<Size, String> {
        match self.known.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(format!("its definition {:?} refers to itself", start(name))),
            None => {}
        }
        let Some(schema) = self.definitions.and_then(|definitions| definitions.get(name)) else {
            return Ok(ONE);
        };
        self.known.insert(name, None);
        let size = self.size(schema, level)?;
        self.known.insert(name, Some(size));
        Ok(size)
    }
}

/// So much of a name as is shown.
fn start(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_weighs_what_it_leads_to_each_time() {
        // The whole, its properties, the property, its type and its pattern.
        let leaf = json!({"type": "string", "pattern": "a"});
        let once = json!({"properties": {"a": leaf}});
        assert_eq!(
            weigh(&once),
            Ok(Weight {
                parts: 5,
                patterns: 1
            })
        );
        let twice = json!({"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}], "$defs": {"a": leaf}});
        assert_eq!(
            weigh(&twice),
            Ok(Weight {
                parts: 9 + 2,
                patterns: 1
            })
        );
    }

    #[test]
    fn definitions_that_double_at_each_step_weigh_what_they_cost() {
        let mut definitions = json!({"a64": {}});
        for n in 0..64 {
            let next = format!("#/$defs/a{}", n + 1);
            definitions[format!("a{n}")] = json!({"allOf": [{"$ref": next}, {"$ref": next}]});
        }
        let schema = json!({"$ref": "#/$defs/a0", "$defs": definitions});
        assert_eq!(weigh(&schema).unwrap().parts, usize::MAX);
    }

    #[test]
    fn what_has_no_end_or_leads_elsewhere_has_no_weight() {
        let refused = |schema: Value| weigh(&schema).unwrap_err();
        let chain = |length: usize| {
            let mut definitions = json!({});
            definitions[format!("a{length:05}")] = json!({});
            for n in 0..length {
                definitions[format!("a{n:05}")] = json!({"$ref": format!("#/$defs/a{:05}", n + 1)});
            }
            json!({"$ref": "#/$defs/a00000", "$defs": definitions})
        };
        assert!(weigh(&chain(100)).is_ok());
        assert!(refused(chain(50_000)).contains("deeper than 256"));
        let circle = json!({"$ref": "#/$defs/a", "$defs": {
            "a": {"items": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}});
        assert!(refused(circle).contains("refers to itself"));
        for reference in [
            "#",
            "#/properties/a",
            "#/$defs/b",
            "#/$defs/a/items",
            "#a",
            "https://example.com",
        ] {
            let schema = json!({"$ref": reference, "$defs": {"a": {"items": {}}}});
            assert!(refused(schema).contains("it refers to"), "{reference}");
        }
        for keyword in MOVING {
            let mut inner = json!({});
            inner[keyword] = json!("#a");
            assert!(refused(json!({ "not": inner })).contains(keyword));
        }
    }
}
