//! Where each value of a config comes from.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use crate::{
    located::Located,
    schema::Problem,
    yaml::{Document, child},
};

/// A layer of config over the worker's own file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// What the pool's definition says, as the registration has answered it.
    WorkerManager,
    /// The secret of the pool, by its name.
    PoolSecret(String),
}

/// Where a value that is not written in the config was taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// An environment variable.
    Env(String),
    /// A file.
    File(String),
    /// Neither was there, so that it is what the config says for that case.
    DefaultOf(String),
    /// A secret.
    Secret(String),
}

/// The origins of every value of one config, by JSON pointers.
#[derive(Debug)]
pub(super) struct Origins {
    /// Of the file, or of what stands for it.
    name: String,
    document: Option<Document>,
    /// Every value of the layers that is in force.
    layers: BTreeMap<String, Layer>,
    /// Values that were replaced, each with all that is in it.
    outside: BTreeMap<String, Source>,
}

/// The nearest origin that is known of a value.
#[derive(Clone, Copy)]
enum Nearest<'a> {
    Outside(&'a Source),
    Layer(&'a Layer),
    Written,
}

impl Origins {
    /// Of a file.
    pub(super) fn of_file(name: String, document: Document) -> Self {
        Self {
            document: Some(document),
            ..Self::of_value(&name)
        }
    }

    /// Of what was made in memory.
    pub(super) fn of_value(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            document: None,
            layers: BTreeMap::new(),
            outside: BTreeMap::new(),
        }
    }

    /// What the lowest layer is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes note that a value was replaced.
    pub(super) fn replaced(&mut self, pointer: &str, from: Source) {
        self.outside.insert(pointer.to_owned(), from);
    }

    /// Takes note that a value is now a layer's.
    pub(super) fn laid_over(&mut self, pointer: &str, value: &Value, layer: &Layer) {
        self.outside.retain(|known, _| !is_within(known, pointer));
        self.layers.retain(|known, _| !is_within(known, pointer));
        self.lay(pointer, value, layer);
    }

    fn lay(&mut self, pointer: &str, value: &Value, layer: &Layer) {
        self.layers.insert(pointer.to_owned(), layer.clone());
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    self.lay(&child(pointer, key), member, layer);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.lay(&child(pointer, &index.to_string()), item, layer);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Whether what a reference says at a pointer counts: what came from outside is a value, and not a config. `foreign` is
    /// whether what is around it came from outside.
    pub(super) fn is_foreign(&self, pointer: &str, foreign: bool) -> bool {
        self.outside.contains_key(pointer) || foreign && !self.layers.contains_key(pointer)
    }

    /// Whether a value must not be shown: it came from the secrets service or from a file, which nobody has for what is no
    /// secret; or from the environment, and no schema says what it is for (`is_named` is whether one does).
    pub(super) fn is_secret(&self, pointer: &str, is_named: bool) -> bool {
        match self.nearest(pointer) {
            Nearest::Outside(Source::Secret(_) | Source::File(_)) | Nearest::Layer(Layer::PoolSecret(_)) => {
                true
            }
            Nearest::Outside(Source::Env(_)) => !is_named,
            Nearest::Outside(Source::DefaultOf(_))
            | Nearest::Layer(Layer::WorkerManager)
            | Nearest::Written => false,
        }
    }

    /// The origin of a value that is in the config, for people.
    pub(super) fn label(&self, pointer: &str) -> String {
        match (self.nearest(pointer), &self.document) {
            (Nearest::Outside(from), _) => from.to_string(),
            (Nearest::Layer(Layer::WorkerManager), _) => "worker-manager".to_owned(),
            (Nearest::Layer(Layer::PoolSecret(name)), _) => format!("secret {name}"),
            (Nearest::Written, None) => self.name.clone(),
            (Nearest::Written, Some(document)) => {
                let place = document.place(pointer);
                format!("{}:{}:{}", self.name, place.line, place.column)
            }
        }
    }

    /// A problem, at the place where what is wrong is written.
    pub(super) fn locate(&self, problem: &Problem) -> Located {
        match (self.written_in(&problem.pointer), &self.document) {
            (Some(layer), _) => Located::elsewhere(layer, problem),
            (None, Some(document)) => Located::of_problem(document, problem),
            (None, None) => Located::elsewhere(&self.name, problem),
        }
    }

    /// The layer that has written a value, or what is around it; none for the lowest.
    fn written_in(&self, pointer: &str) -> Option<&Layer> {
        ancestors(pointer).find_map(|pointer| match self.layers.get(pointer) {
            Some(layer) => Some(Some(layer)),
            None => self.is_in_file(pointer).then_some(None),
        })?
    }

    fn nearest(&self, pointer: &str) -> Nearest<'_> {
        ancestors(pointer)
            .find_map(|pointer| {
                let outside = self.outside.get(pointer).map(Nearest::Outside);
                let layer = || self.layers.get(pointer).map(Nearest::Layer);
                let file = || self.is_in_file(pointer).then_some(Nearest::Written);
                outside.or_else(layer).or_else(file)
            })
            .unwrap_or(Nearest::Written)
    }

    fn is_in_file(&self, pointer: &str) -> bool {
        self.document
            .as_ref()
            .is_some_and(|document| document.holds(pointer))
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WorkerManager => f.write_str("the pool's config in worker-manager"),
            Self::PoolSecret(name) => write!(f, "the secret {name}"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env {name}"),
            Self::File(path) => write!(f, "file {path}"),
            Self::DefaultOf(name) => write!(f, "default of {name}"),
            Self::Secret(name) => write!(f, "secret {name}"),
        }
    }
}

/// Whether a JSON pointer is to a value or to something in it.
pub(super) fn is_within(pointer: &str, outer: &str) -> bool {
    pointer
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A JSON pointer, and those to everything around what it points to, from the inside out.
fn ancestors(pointer: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(pointer), |pointer| {
        pointer.rsplit_once('/').map(|(parent, _)| parent)
    })
}
