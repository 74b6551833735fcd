//! From a file to a [`Config`], in steps, since the middle ones need the deployment that the file names: the file is read and
//! checked ([`Draft::read`]), layers that others have written are laid over it ([`Draft::lay_over`]), the values of secrets are
//! filled in ([`Draft::fill`]), and what has come of it is checked once more ([`Draft::finish`]).
//!
//! Each step tells everything that is wrong at once, each thing with the place where it is written.

use std::path::{Path, PathBuf};

use queue::WorkerName;
use serde_json::Value;

use super::{
    Config, ConfigError, Secrets, TaskclusterConfig, check,
    check::wrong,
    default_worker_group, default_worker_id, layers,
    origins::{Layer, Origins, Source, is_within},
    outside::{NotHad, Outside, check_layer, is_reference},
    secrets::SecretReference,
};
use crate::{
    located::{Located, LocatedError},
    schema::Problem,
    yaml::{Document, child},
};

/// What is needed before the secrets service can be asked.
const BEFORE_SECRETS: [&str; 4] = [
    "/taskcluster",
    "/worker/taskQueueId",
    "/worker/workerGroup",
    "/worker/workerId",
];

/// A config on its way. Never shows itself.
pub(crate) struct Draft {
    value: Value,
    origins: Origins,
    /// What relative paths are below.
    folder: PathBuf,
}

/// What a draft says of the worker and of whom it asks, which no later step changes.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The deployment, or the embedded queue.
    pub(crate) taskcluster: TaskclusterConfig,
    /// Of the worker.
    pub(crate) name: WorkerName,
}

/// A value that is to come from a secret.
struct Hole {
    pointer: String,
    reference: SecretReference,
}

impl Draft {
    /// Reads a file, with what it takes of the environment and of other files.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub(crate) fn read(file: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read {
            path: file.to_owned(),
            source,
        };
        let text = std::fs::read_to_string(file).map_err(read)?;
        let folder = file
            .canonicalize()
            .map_err(read)?
            .parent()
            .unwrap_or(Path::new("/"))
            .to_owned();
        let env = |name: &str| std::env::var(name).ok();
        Self::parse(&file.display().to_string(), &text, &Outside { env: &env, folder })
    }

    /// The same for a file that was read.
    pub(super) fn parse(file: &str, text: &str, outside: &Outside<'_>) -> Result<Self, ConfigError> {
        let mut document = Document::parse(text)
            .map_err(|error| LocatedError::new(&file, vec![Located::of_yaml(&error)]))?;
        let value = document.value.take();
        Self::begin(value, Origins::of_file(file.to_owned(), document), outside)
    }

    /// A config that was made in memory, checked as a file's is. `origin` is what problems call it; relative paths are below
    /// `folder`.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub(crate) fn of_value(value: Value, origin: &str, folder: &Path) -> Result<Self, ConfigError> {
        let env = |name: &str| std::env::var(name).ok();
        let folder = folder.to_owned();
        Self::begin(value, Origins::of_value(origin), &Outside { env: &env, folder })
    }

    fn begin(value: Value, origins: Origins, outside: &Outside<'_>) -> Result<Self, ConfigError> {
        let mut draft = Self {
            value,
            origins,
            folder: outside.folder.clone(),
        };
        let mut missing = Vec::new();
        outside.replace(&mut draft.value, "", &mut draft.origins, &mut missing);
        let missing = draft.problems_of(missing);
        draft.check(missing)?;
        Ok(draft)
    }

    /// Everything that is wrong, beside what is known already.
    fn check(&self, known: Vec<Problem>) -> Result<(), ConfigError> {
        let holes = self.holes();
        let early = holes.iter().filter(|hole| {
            let hole = &hole.pointer;
            BEFORE_SECRETS
                .iter()
                .any(|early| is_within(hole, early) || is_within(early, hole))
        });
        let mut problems = known;
        problems.extend(early.map(|hole| {
            let what = "can't come from a secret: it is needed to ask the secrets service";
            wrong(&self.value, &hole.pointer, what)
        }));
        let not_had = problems.iter().map(|problem| problem.pointer.clone());
        let pointers: Vec<String> = not_had
            .chain(holes.iter().map(|hole| hole.pointer.clone()))
            .collect();
        let checked = check::check(&self.value, &pointers)
            .map_err(|error| self.wrong(vec![Located::nowhere(&error.to_string())]))?;
        problems.extend(checked);
        if problems.is_empty() {
            return Ok(());
        }
        Err(self.wrong(
            problems
                .iter()
                .map(|problem| self.origins.locate(problem))
                .collect(),
        ))
    }

    /// Who the worker is.
    ///
    /// # Errors
    /// None that the check has not found before.
    pub(crate) fn identity(&self) -> Result<Identity, ConfigError> {
        let taskcluster = self.value.get("taskcluster").cloned().unwrap_or_default();
        let taskcluster = serde_json::from_value(taskcluster).map_err(|error| self.unreadable(&error))?;
        let text = |pointer: &str| {
            self.value
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        Ok(Identity {
            taskcluster,
            name: WorkerName {
                worker_pool_id: text("/worker/taskQueueId").unwrap_or_default(),
                worker_group: text("/worker/workerGroup").unwrap_or_else(default_worker_group),
                worker_id: text("/worker/workerId").unwrap_or_else(default_worker_id),
            },
        })
    }

    /// Lets what others have written count over what is there.
    ///
    /// # Errors
    /// When it says what only the worker's own file may say, or takes something of this machine.
    pub(crate) fn lay_over(&mut self, layer: &Layer, over: Value) -> Result<(), ConfigError> {
        let mut wrong_references = Vec::new();
        check_layer(&over, "", &mut wrong_references);
        let mut problems = layers::trespasses(&over);
        problems.extend(
            wrong_references
                .iter()
                .map(|not_had| wrong(&over, &not_had.pointer, &not_had.why)),
        );
        if !problems.is_empty() {
            let located = problems.iter().map(|problem| Located::elsewhere(layer, problem));
            return Err(self.wrong(located.collect()));
        }
        layers::merge(&mut self.value, over, "", layer, &mut self.origins);
        Ok(())
    }

    /// The names of the secrets that values are to come from.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut names: Vec<String> = self.holes().into_iter().map(|hole| hole.reference.name).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Fills in the values that come from secrets.
    ///
    /// # Errors
    /// When one of them can't be had.
    pub(crate) fn fill(&mut self, secrets: &Secrets) -> Result<(), ConfigError> {
        let mut missing = Vec::new();
        for Hole { pointer, reference } in self.holes() {
            match (reference.value(secrets), self.value.pointer_mut(&pointer)) {
                (Ok(found), Some(place)) => {
                    *place = found;
                    self.origins.replaced(&pointer, Source::Secret(reference.name));
                }
                (Ok(_), None) => {}
                (Err(why), _) => missing.push(NotHad { pointer, why }),
            }
        }
        let missing = self.problems_of(missing);
        self.check(missing)
    }

    /// Takes out what is to come from secrets, for commands that look at a config and need none.
    pub(crate) fn without_secrets(mut self) -> Self {
        for hole in self.holes() {
            if let Some((parent, _)) = hole.pointer.rsplit_once('/') {
                let is_hole = |value: &Value| {
                    value
                        .as_object()
                        .is_some_and(|members| members.contains_key("$secret"))
                };
                match self.value.pointer_mut(parent) {
                    Some(Value::Object(members)) => members.retain(|_, value| !is_hole(value)),
                    Some(Value::Array(items)) => items.retain(|value| !is_hole(value)),
                    _ => {}
                }
            }
        }
        self
    }

    /// What has come of it.
    ///
    /// # Errors
    /// With everything that is wrong; values that would come from secrets that were not filled in are.
    pub(crate) fn finish(mut self) -> Result<Config, ConfigError> {
        self.fill(&Secrets::default())?;
        let mut config: Config =
            serde_json::from_value(self.value.take()).map_err(|error| self.unreadable(&error))?;
        config.anchor(&self.folder);
        Ok(config)
    }

    /// What is there now, and where it comes from.
    pub(super) fn parts(&self) -> (&Value, &Origins) {
        (&self.value, &self.origins)
    }

    /// The values that are to come from secrets.
    fn holes(&self) -> Vec<Hole> {
        let mut holes = Vec::new();
        self.find_holes(&self.value, "", false, &mut holes);
        holes
    }

    fn find_holes(&self, value: &Value, pointer: &str, foreign: bool, holes: &mut Vec<Hole>) {
        let foreign = self.origins.is_foreign(pointer, foreign);
        match value {
            Value::Object(members) if !foreign && is_reference(members) => {
                // What is none was told before.
                if let Some(reference) = members
                    .contains_key("$secret")
                    .then(|| SecretReference::read(members).ok())
                    .flatten()
                {
                    holes.push(Hole {
                        pointer: pointer.to_owned(),
                        reference,
                    });
                }
            }
            Value::Object(members) => {
                for (key, member) in members {
                    self.find_holes(member, &child(pointer, key), foreign, holes);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.find_holes(item, &child(pointer, &index.to_string()), foreign, holes);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn problems_of(&self, missing: Vec<NotHad>) -> Vec<Problem> {
        missing
            .into_iter()
            .map(|not_had| wrong(&self.value, &not_had.pointer, &not_had.why))
            .collect()
    }

    fn wrong(&self, problems: Vec<Located>) -> ConfigError {
        LocatedError::new(&self.origins.name(), problems).into()
    }

    /// What the schema lets through and the types don't. The parser's words could show a value.
    fn unreadable(&self, error: &serde_json::Error) -> ConfigError {
        tracing::debug!(
            line = error.line(),
            "a config that its schema allows can't be read"
        );
        self.wrong(vec![Located::nowhere("it has a value that can't be used")])
    }
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").finish_non_exhaustive()
    }
}
