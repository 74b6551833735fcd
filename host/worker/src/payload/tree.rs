//! Who declares which property: a tree in the shape of the payload.

use std::collections::BTreeSet;

use indexmap::{IndexMap, map::Entry};
use serde_json::{Map, Value, json};

use super::{MAX_TOLD, MergeError, Owner, ROOT, Unknown};
use crate::yaml::child;

/// What an object that several declare may say of itself: anything else would constrain the others' members.
const OBJECT_KEYWORDS: [&str; 10] = [
    "$schema",
    "$id",
    "$defs",
    "$comment",
    "title",
    "description",
    "type",
    "properties",
    "required",
    "additionalProperties",
];
/// How deep objects may be nested that several declare.
const MAX_DEPTH: usize = 32;

/// An object, and its declared members.
#[derive(Debug, Default)]
pub(super) struct Tree {
    members: IndexMap<String, Member>,
    required: BTreeSet<String>,
    title: Option<Value>,
    description: Option<Value>,
}

/// A declared member.
#[derive(Debug)]
enum Member {
    /// An object whose members are declared one by one.
    Object(Tree),
    /// Anything else, with its schema; the indices of those that declare it, and of the first.
    Leaf { schema: Value, owners: Vec<usize> },
}

impl Tree {
    /// Adds what the owner of number `index` declares.
    pub(super) fn add(
        &mut self,
        index: usize,
        owner: &Owner,
        schema: &Value,
        former: &[(Owner, Value)],
    ) -> Result<(), MergeError> {
        let why = match schema.as_object() {
            None => Some("it is not an object".to_owned()),
            Some(keywords) if keywords.get("type").is_none_or(|kind| kind != "object") => {
                Some("it must say \"type\": \"object\"".to_owned())
            }
            Some(keywords) => keywords
                .iter()
                .find(|(keyword, value)| !is_object_keyword(keyword, value))
                .map(|(keyword, _)| format!("it must not use {keyword} at its top level")),
        };
        if let Some(why) = why {
            return Err(MergeError::NotMergeable {
                owner: owner.clone(),
                why,
            });
        }
        if let Some(reference) = bad_reference(schema) {
            let why = format!("it refers to {reference}; only references below #/$defs/ can be merged");
            return Err(MergeError::NotMergeable {
                owner: owner.clone(),
                why,
            });
        }
        let new = Self::of(index, schema, 0);
        self.unite(new, ROOT, &|owners: &[usize]| {
            let first = owners
                .first()
                .and_then(|first| former.get(*first))
                .map(|(owner, _)| owner.clone());
            (first.unwrap_or_else(|| owner.clone()), owner.clone())
        })
    }

    /// Adds a member of the top level that nobody reads.
    pub(super) fn add_ignored(&mut self, name: &str, schema: Value) {
        self.members.entry(name.to_owned()).or_insert(Member::Leaf {
            schema,
            owners: Vec::new(),
        });
    }

    /// The part of a value that an owner reads; none where it declares nothing of what is there.
    pub(super) fn project(&self, index: usize, value: &Value) -> Option<Value> {
        let Some(object) = value.as_object() else {
            // Its owners are to say that it should have been an object.
            return self.is_of(index).then(|| value.clone());
        };
        let mut own = Map::new();
        for (name, member) in &self.members {
            let Some(value) = object.get(name) else { continue };
            let part = match member {
                Member::Object(tree) => tree.project(index, value),
                Member::Leaf { owners, .. } => owners.contains(&index).then(|| value.clone()),
            };
            if let Some(part) = part {
                own.insert(name.clone(), part);
            }
        }
        (!own.is_empty() || self.is_of(index)).then_some(Value::Object(own))
    }

    /// Collects the members of a value that nobody declares. Those that are not told, only counted, do without what is known.
    pub(super) fn unknown<'a>(&'a self, value: &Value, pointer: &str, found: &mut Vec<Unknown<'a>>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            let pointer = child(pointer, name);
            match self.members.get(name) {
                Some(Member::Object(tree)) => tree.unknown(value, &pointer, found),
                Some(Member::Leaf { .. }) => {}
                None => {
                    let is_told = found.len() < MAX_TOLD;
                    let known = self
                        .members
                        .keys()
                        .filter(|_| is_told)
                        .map(String::as_str)
                        .collect();
                    found.push(Unknown {
                        pointer,
                        name: name.clone(),
                        known,
                    });
                }
            }
        }
    }

    /// The whole as one JSON schema.
    pub(super) fn document(&self, parts: &[(Owner, Value)]) -> Value {
        let mut definitions = Map::new();
        for (index, (_, schema)) in parts.iter().enumerate() {
            let own = schema.get("$defs").and_then(Value::as_object);
            for (name, schema) in own.into_iter().flatten() {
                let mut schema = schema.clone();
                rename_references(&mut schema, index);
                definitions.insert(definition(index, name), schema);
            }
        }
        let mut document = Map::from_iter([
            (
                "$schema".to_owned(),
                json!("https://json-schema.org/draft/2020-12/schema"),
            ),
            ("title".to_owned(), json!("Task payload")),
        ]);
        document.extend(self.schema());
        if !definitions.is_empty() {
            document.insert("$defs".to_owned(), Value::Object(definitions));
        }
        Value::Object(document)
    }

    fn schema(&self) -> Map<String, Value> {
        let mut properties = Map::new();
        for (name, member) in &self.members {
            let schema = match member {
                Member::Object(tree) => Value::Object(tree.schema()),
                Member::Leaf { schema, owners } => {
                    let mut schema = schema.clone();
                    if let Some(first) = owners.first() {
                        rename_references(&mut schema, *first);
                    }
                    schema
                }
            };
            properties.insert(name.clone(), schema);
        }
        let mut schema = Map::new();
        for (keyword, text) in [("title", &self.title), ("description", &self.description)] {
            if let Some(text) = text {
                schema.insert(keyword.to_owned(), text.clone());
            }
        }
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), Value::Object(properties));
        if !self.required.is_empty() {
            schema.insert("required".to_owned(), json!(self.required));
        }
        schema.insert("additionalProperties".to_owned(), json!(false));
        schema
    }

    /// Whether an owner declares anything in here.
    fn is_of(&self, index: usize) -> bool {
        self.members.values().any(|member| match member {
            Member::Object(tree) => tree.is_of(index),
            Member::Leaf { owners, .. } => owners.contains(&index),
        })
    }

    /// What one owner declares by a schema of an object.
    fn of(index: usize, schema: &Value, depth: usize) -> Self {
        let members = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, schema)| {
                let member = if depth < MAX_DEPTH && is_open_to_others(schema) {
                    Member::Object(Self::of(index, schema, depth + 1))
                } else {
                    Member::Leaf {
                        schema: schema.clone(),
                        owners: vec![index],
                    }
                };
                (name.clone(), member)
            });
        let required = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        Self {
            members: members.collect(),
            required: required.filter_map(Value::as_str).map(str::to_owned).collect(),
            title: schema.get("title").filter(|_| depth > 0).cloned(),
            description: schema.get("description").filter(|_| depth > 0).cloned(),
        }
    }

    /// Takes in what another owner declares. `who` names the two that disagree, from the indices of the first.
    fn unite(
        &mut self,
        other: Self,
        path: &str,
        who: &dyn Fn(&[usize]) -> (Owner, Owner),
    ) -> Result<(), MergeError> {
        self.required.extend(other.required);
        self.title = self.title.take().or(other.title);
        self.description = self.description.take().or(other.description);
        for (name, new) in other.members {
            let path = format!("{path}.{name}");
            let old = match self.members.entry(name) {
                Entry::Occupied(old) => old.into_mut(),
                Entry::Vacant(place) => {
                    place.insert(new);
                    continue;
                }
            };
            match (old, new) {
                (Member::Object(old), Member::Object(new)) => old.unite(new, &path, who)?,
                (
                    Member::Leaf { schema, owners },
                    Member::Leaf {
                        schema: same,
                        owners: new,
                    },
                ) if *schema == same && !refers(&same) => {
                    owners.extend(new);
                }
                (old, _) => {
                    let mut owners = Vec::new();
                    old.owners(&mut owners);
                    let (first, second) = who(&owners);
                    return Err(MergeError::Conflict { path, first, second });
                }
            }
        }
        Ok(())
    }
}

impl Member {
    fn owners(&self, found: &mut Vec<usize>) {
        match self {
            Self::Object(tree) => tree.members.values().for_each(|member| member.owners(found)),
            Self::Leaf { owners, .. } => found.extend(owners),
        }
    }
}

/// Closes every object of a schema that declares properties and says nothing of others.
pub(super) fn close(schema: &mut Value) {
    const OPENING: [&str; 9] = [
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "$dynamicRef",
    ];
    match schema {
        Value::Object(keywords) => {
            let declares = keywords.get("properties").is_some_and(Value::is_object)
                && keywords.get("type").is_none_or(|kind| kind == "object");
            if declares && !OPENING.iter().any(|keyword| keywords.contains_key(*keyword)) {
                keywords.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            for (keyword, value) in keywords {
                match (keyword.as_str(), value) {
                    // Only where a schema is expected: members of `allOf` and the like describe one object together.
                    ("properties" | "$defs" | "patternProperties", Value::Object(schemas)) => {
                        schemas.values_mut().for_each(close);
                    }
                    ("items" | "additionalProperties", value) => close(value),
                    ("prefixItems", Value::Array(schemas)) => schemas.iter_mut().for_each(close),
                    _ => {}
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
    }
}

/// Whether others may declare members of an object too.
fn is_open_to_others(schema: &Value) -> bool {
    let Some(keywords) = schema.as_object() else {
        return false;
    };
    keywords.get("type").is_some_and(|kind| kind == "object")
        && keywords.get("properties").is_some_and(Value::is_object)
        && keywords
            .iter()
            .all(|(keyword, value)| is_object_keyword(keyword, value))
}

fn is_object_keyword(keyword: &str, value: &Value) -> bool {
    OBJECT_KEYWORDS.contains(&keyword) && (keyword != "additionalProperties" || *value == Value::Bool(false))
}

/// The name of an owner's definition in the merged document.
fn definition(index: usize, name: &str) -> String {
    format!("{index}-{name}")
}

fn rename_references(schema: &mut Value, index: usize) {
    match schema {
        Value::Object(members) => {
            for (keyword, value) in members {
                if let (true, Value::String(reference)) = (keyword == "$ref", &mut *value) {
                    if let Some(name) = reference.strip_prefix("#/$defs/") {
                        *reference = format!("#/$defs/{}", definition(index, name));
                    }
                } else {
                    rename_references(value, index);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_references(item, index)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a schema refers to anything: the same words may then mean different things in two owners' schemas.
fn refers(schema: &Value) -> bool {
    !references(schema).is_empty()
}

/// A reference that would lead elsewhere once the schema is a part of another.
fn bad_reference(schema: &Value) -> Option<String> {
    references(schema)
        .into_iter()
        .find(|reference| !reference.starts_with("#/$defs/"))
        .map(str::to_owned)
}

fn references(schema: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = vec![schema];
    while let Some(schema) = rest.pop() {
        match schema {
            Value::Object(members) => {
                for (keyword, value) in members {
                    match (keyword.as_str(), value) {
                        ("$ref" | "$dynamicRef", Value::String(reference)) => found.push(reference.as_str()),
                        (_, value) => rest.push(value),
                    }
                }
            }
            Value::Array(items) => rest.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}
