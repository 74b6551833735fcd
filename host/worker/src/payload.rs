//! The payload of a pool's tasks: put together from what the engine and each plugin read of it, checked as a whole, and
//! taken apart again, so that each of them sees its own properties and no others.
//!
//! Properties belong to whoever declares them. An object with properties of its own may be declared by several, each
//! declaring other members of it (`features` belongs to many); anything else may be declared by several only with the
//! same schema. What nobody declares is an error of the payload, at every level.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::schema::{BadSchema, Checker, Part, Problem, Show, nearest, path};

mod tree;

use tree::Tree;

/// The name of the payload in messages.
const ROOT: &str = "task.payload";
/// How many problems of one payload are told.
const MAX_TOLD: usize = 50;
/// Properties of generic-worker's payload that are accepted and do nothing.
const IGNORED: [(&str, &str); 1] = [(
    "supersederUrl",
    "Accepted for the sake of old tasks, and ignored: there is no superseding any more.",
)];

/// Who reads a part of the payload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// The engine, by name.
    Engine(String),
    /// A plugin, by name.
    Plugin(String),
}

/// The payload of tasks, as the engine and the plugins that are loaded now read it.
#[derive(Debug)]
pub(crate) struct PayloadSchema {
    tree: Tree,
    parts: Vec<OwnPart>,
    document: Value,
}

/// What one owner reads.
#[derive(Debug)]
struct OwnPart {
    owner: Owner,
    checker: Checker,
}

/// Why payload schemas do not go together. The worker does not start, or keeps the plugins that it has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MergeError {
    /// Two owners of one property disagree.
    #[error("{first} and {second} both read {path}, with different schemas; remove one of the two plugins")]
    Conflict {
        /// The property.
        path: String,
        /// Who declared it first.
        first: Owner,
        /// Who declared it differently.
        second: Owner,
    },
    /// A schema that can't be one of several.
    #[error("the payload schema of {owner} can't be merged with others: {why}")]
    NotMergeable {
        /// Whose.
        owner: Owner,
        /// What is wrong with it.
        why: String,
    },
    /// A schema that is none.
    #[error("the payload schema of {owner} can't be used")]
    Bad {
        /// Whose.
        owner: Owner,
        /// Why.
        #[source]
        source: BadSchema,
    },
}

/// A payload, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PayloadParts {
    /// The engine's properties; none where they are invalid.
    pub(crate) engine: Option<Value>,
    /// By plugin: its properties; none where they are invalid.
    pub(crate) plugins: BTreeMap<String, Option<Value>>,
    /// Everything that is wrong. Empty for a payload that may be run.
    pub(crate) problems: Vec<Problem>,
}

impl PayloadSchema {
    /// Puts the schemas of the engine and of the plugins together. Objects in them that declare properties are closed: a
    /// member that is not declared is an error, unless the schema says `additionalProperties` itself.
    ///
    /// # Errors
    /// When two disagree, or when one of them is no schema of an object.
    pub(crate) fn merge(
        engine: &str,
        engine_schema: Value,
        plugins: Vec<(String, Value)>,
    ) -> Result<Self, MergeError> {
        let (mut tree, schemas) = unite(engine, engine_schema, plugins)?;
        for (name, description) in IGNORED {
            tree.add_ignored(name, json!({ "description": description }));
        }
        let document = tree.document(&schemas);
        let part = |(owner, schema)| match Checker::new(schema, Show::Short) {
            Ok(checker) => Ok(OwnPart { owner, checker }),
            Err(source) => Err(MergeError::Bad { owner, source }),
        };
        let parts = schemas.into_iter().map(part).collect::<Result<_, _>>()?;
        Ok(Self {
            tree,
            parts,
            document,
        })
    }

    /// Whether they can be put together.
    ///
    /// # Errors
    /// When two disagree, or when one of them is not a schema of an object.
    pub(crate) fn go_together(
        engine: &str,
        engine_schema: Value,
        plugins: Vec<(String, Value)>,
    ) -> Result<(), MergeError> {
        unite(engine, engine_schema, plugins).map(drop)
    }

    /// The merged schema, as JSON schema for the authors of tasks.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// Checks a payload and takes it apart.
    pub(crate) fn read(&self, payload: &Map<String, Value>) -> PayloadParts {
        let whole = Value::Object(payload.clone());
        let mut problems = Vec::new();
        let mut unknown = Vec::new();
        self.tree.unknown(&whole, "", &mut unknown);
        problems.extend(unknown.into_iter().map(|unknown| unknown.into_problem(&whole)));
        let mut engine = None;
        let mut plugins = BTreeMap::new();
        for (index, part) in self.parts.iter().enumerate() {
            let own = self
                .tree
                .project(index, &whole)
                .unwrap_or_else(|| Value::Object(Map::new()));
            let found = part.checker.check(ROOT, &own);
            let valid = found.is_empty().then_some(own);
            match &part.owner {
                Owner::Engine(_) => engine = valid,
                Owner::Plugin(name) => drop(plugins.insert(name.clone(), valid)),
            }
            for problem in found {
                // What several declare alike is wrong for each of them.
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        PayloadParts {
            engine,
            plugins,
            problems,
        }
    }

    /// Everything that is wrong with a payload.
    ///
    /// # Errors
    /// When anything is.
    #[cfg(test)]
    pub(crate) fn validate(&self, payload: &Value) -> Result<(), Vec<Problem>> {
        let problems = self.read(payload.as_object().unwrap()).problems;
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }
}

impl PayloadParts {
    /// The problems for the task's log, a line each, and only the first of very many.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .problems
            .iter()
            .take(MAX_TOLD)
            .map(ToString::to_string)
            .collect();
        if let Some(more) = self.problems.len().checked_sub(MAX_TOLD).filter(|more| *more > 0) {
            lines.push(format!("and {more} more problems"));
        }
        lines
    }

    /// The engine's part, where the whole payload is valid; otherwise the problems, as [`lines`](Self::lines).
    ///
    /// # Errors
    /// For a payload that may not be run.
    pub(crate) fn engine_part(&self) -> Result<Value, Vec<String>> {
        match &self.engine {
            Some(engine) if self.problems.is_empty() => Ok(engine.clone()),
            _ => Err(self.lines()),
        }
    }
}

/// The tree of what all of them declare, and the schema of each.
fn unite(
    engine: &str,
    engine_schema: Value,
    plugins: Vec<(String, Value)>,
) -> Result<(Tree, Vec<(Owner, Value)>), MergeError> {
    let mut tree = Tree::default();
    let mut schemas = Vec::new();
    let plugins = plugins
        .into_iter()
        .map(|(name, schema)| (Owner::Plugin(name), schema));
    for (owner, mut schema) in
        std::iter::once((Owner::Engine(engine.to_owned()), engine_schema)).chain(plugins)
    {
        tree::close(&mut schema);
        tree.add(schemas.len(), &owner, &schema, &schemas)?;
        schemas.push((owner, schema));
    }
    Ok((tree, schemas))
}

/// A member that nobody declares, beside those that are declared there.
#[derive(Debug)]
struct Unknown<'a> {
    pointer: String,
    name: String,
    known: Vec<&'a str>,
}

impl Unknown<'_> {
    fn into_problem(self, whole: &Value) -> Problem {
        let near = nearest(&self.name, self.known.iter().copied()).map(str::to_owned);
        let what = if near.is_some() || self.known.is_empty() {
            "is not known to this worker".to_owned()
        } else {
            format!("is not known to this worker; there is {}", self.known.join(", "))
        };
        let path = path(ROOT, whole, &self.pointer);
        Problem {
            pointer: self.pointer,
            path,
            part: Part::Key,
            what,
            description: None,
            nearest: near,
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Engine(name) => write!(f, "the {name} engine"),
            Self::Plugin(name) => write!(f, "plugin {name}"),
        }
    }
}

#[cfg(test)]
mod tests;
