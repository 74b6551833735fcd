//! A task's definition as a person writes it: of what the queue wants, only the payload has no default.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use chrono::{DateTime, TimeDelta, Utc};
use queue::wire::{Priority, Requires, timestamp};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    cli::{Failure, usage},
    located::{Located, LocatedError},
    schema::{Checker, Show},
    yaml::Document,
};

/// How long a task may take where its file does not say.
const DEADLINE: TimeDelta = TimeDelta::days(1);
/// How long it is kept after its deadline where its file does not say.
const KEPT: TimeDelta = TimeDelta::days(1);

/// A task's definition (`create-task-request.yml`), with defaults.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Task")]
pub(super) struct TaskFile {
    /// `<provisionerId>/<workerType>`.
    #[serde(default)]
    task_queue_id: Option<String>,
    /// First part of the task queue id.
    #[serde(default)]
    provisioner_id: Option<String>,
    /// Second part of the task queue id.
    #[serde(default)]
    worker_type: Option<String>,
    /// Who schedules the group's tasks.
    #[serde(default)]
    scheduler_id: Option<String>,
    /// For reports and storage.
    #[serde(default)]
    project_id: Option<String>,
    /// The group that the task belongs to.
    #[serde(default)]
    task_group_id: Option<String>,
    /// TaskIds of tasks that must be resolved first.
    #[serde(default)]
    dependencies: Vec<String>,
    /// Which resolutions of those will do.
    #[serde(default)]
    #[schemars(with = "RequiresWord")]
    requires: Requires,
    /// Pulse routes.
    #[serde(default)]
    routes: Vec<String>,
    /// Order among pending tasks.
    #[serde(default)]
    #[schemars(with = "PriorityWord")]
    priority: Priority,
    /// How many times a lost run is tried again. Here: not at all, if it does not say.
    #[serde(default)]
    #[schemars(range(max = 49))]
    retries: u32,
    /// When it was made; now, if it does not say.
    #[serde(default)]
    created: Option<DateTime<Utc>>,
    /// When it is resolved if it is not yet; in a day, if it does not say.
    #[serde(default)]
    deadline: Option<DateTime<Utc>>,
    /// When it may be forgotten; a day after its deadline, if it does not say.
    #[serde(default)]
    expires: Option<DateTime<Utc>>,
    /// What the task may do.
    #[serde(default)]
    scopes: Vec<String>,
    /// What the worker is to do.
    payload: Map<String, Value>,
    /// What the task is, for people.
    #[serde(default)]
    metadata: MetadataFile,
    /// For searching.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Anything.
    #[serde(default)]
    extra: Map<String, Value>,
}

/// What a task is, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct MetadataFile {
    /// What it is called; as its file, if it does not say.
    name: Option<String>,
    /// What it does.
    description: String,
    /// Whose it is.
    owner: Option<String>,
    /// A link to where it is from.
    source: Option<String>,
}

/// The words of [`Requires`].
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used: the wire types have none")]
enum RequiresWord {
    AllCompleted,
    AllResolved,
}

/// The words of [`Priority`].
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used: the wire types have none")]
enum PriorityWord {
    Highest,
    VeryHigh,
    High,
    Medium,
    Low,
    VeryLow,
    Lowest,
}

/// Why a file is no task.
#[derive(Debug, thiserror::Error)]
#[error("the task {path:?} can't be read")]
struct ReadError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// A variable that can't be put into a payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--env {0}: task.payload.env is not an object")]
pub(super) struct NoEnvironment(String);

/// Reads a task's file.
pub(super) fn load(file: &Path) -> Result<TaskFile, Failure> {
    let text = std::fs::read_to_string(file).map_err(|source| {
        usage(ReadError {
            path: file.to_owned(),
            source,
        })
    })?;
    let mut task = parse(&file.display(), &text)?;
    let name = file.file_stem().map(|name| name.to_string_lossy().into_owned());
    task.metadata.name = task.metadata.name.or(name);
    Ok(task)
}

fn parse(file: &dyn fmt::Display, text: &str) -> Result<TaskFile, LocatedError> {
    let wrong = |problems| LocatedError::new(file, problems);
    let document = Document::parse(text).map_err(|error| wrong(vec![Located::of_yaml(&error)]))?;
    let schema = SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<TaskFile>();
    let checker = Checker::new(schema.to_value(), Show::Short)
        .map_err(|error| wrong(vec![Located::nowhere(&error.to_string())]))?;
    let problems = checker.check("task", &document.value);
    if !problems.is_empty() {
        return Err(wrong(
            problems
                .iter()
                .map(|problem| Located::of_problem(&document, problem))
                .collect(),
        ));
    }
    serde_json::from_value(document.value).map_err(|error| wrong(vec![Located::nowhere(&error.to_string())]))
}

impl TaskFile {
    /// Where the task is to be claimed, if the file says so.
    pub(super) fn task_queue_id(&self) -> Option<String> {
        let of_parts = || {
            Some(format!(
                "{}/{}",
                self.provisioner_id.as_ref()?,
                self.worker_type.as_ref()?
            ))
        };
        self.task_queue_id.clone().or_else(of_parts)
    }

    /// Sets a variable of the task's environment, over one of the file's.
    pub(super) fn set_variable(&mut self, name: &str, value: &str) -> Result<(), NoEnvironment> {
        let env = self
            .payload
            .entry("env")
            .or_insert_with(|| Value::Object(Map::new()));
        let env = env
            .as_object_mut()
            .ok_or_else(|| NoEnvironment(name.to_owned()))?;
        env.insert(name.to_owned(), value.into());
        Ok(())
    }

    /// The definition for the queue.
    pub(super) fn definition(&self, task_queue_id: &str) -> Value {
        let created = self.created.unwrap_or_else(Utc::now);
        let deadline = self.deadline.unwrap_or(created + DEADLINE);
        let expires = self.expires.unwrap_or(deadline + KEPT);
        let metadata = &self.metadata;
        let mut definition = json!({
            "taskQueueId": task_queue_id,
            "dependencies": self.dependencies,
            "requires": self.requires,
            "routes": self.routes,
            "priority": self.priority,
            "retries": self.retries,
            "created": timestamp::format(&created),
            "deadline": timestamp::format(&deadline),
            "expires": timestamp::format(&expires),
            "scopes": self.scopes,
            "payload": self.payload,
            "metadata": {
                "name": metadata.name.as_deref().unwrap_or("task"),
                "description": metadata.description,
                "owner": metadata.owner.as_deref().unwrap_or("nobody@localhost"),
                "source": metadata.source.as_deref().unwrap_or("https://localhost/"),
            },
            "tags": self.tags,
            "extra": self.extra,
        });
        let optional = [
            ("provisionerId", &self.provisioner_id),
            ("workerType", &self.worker_type),
            ("schedulerId", &self.scheduler_id),
            ("projectId", &self.project_id),
            ("taskGroupId", &self.task_group_id),
        ];
        for (key, value) in optional {
            if let (Some(value), Some(definition)) = (value, definition.as_object_mut()) {
                definition.insert(key.to_owned(), value.as_str().into());
            }
        }
        definition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        parse(&"task.yml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_payload_is_enough() {
        let task = parse(&"task.yml", "payload: {command: [[echo, hello]]}").unwrap();
        let definition = task.definition("local/run-task");
        assert_eq!(definition["payload"], json!({"command": [["echo", "hello"]]}));
        assert_eq!(definition["taskQueueId"], "local/run-task");
        assert_eq!(
            (&definition["retries"], &definition["priority"]),
            (&json!(0), &json!("lowest"))
        );
        let time = |key: &str| {
            definition[key]
                .as_str()
                .unwrap()
                .parse::<DateTime<Utc>>()
                .unwrap()
        };
        assert_eq!(time("deadline") - time("created"), DEADLINE);
        assert_eq!(time("expires") - time("deadline"), KEPT);
        assert!(definition.get("taskGroupId").is_none());
    }

    #[test]
    fn what_the_file_says_is_kept() {
        let text = "
            provisionerId: a
            workerType: b
            deadline: 2030-01-02T00:00:00Z
            created: '2030-01-01T00:00:00Z'
            priority: very-high
            metadata: {name: n}
            payload: {}
        ";
        let task = parse(&"task.yml", text).unwrap();
        assert_eq!(task.task_queue_id().as_deref(), Some("a/b"));
        let definition = task.definition("a/b");
        assert_eq!(definition["expires"], "2030-01-03T00:00:00.000Z");
        assert_eq!(definition["priority"], "very-high");
        assert_eq!(definition["metadata"]["name"], "n");
    }

    #[test]
    fn what_does_not_belong_is_told_with_its_place() {
        assert_eq!(
            told("payload: {}\nscope: []\n"),
            "task.yml:2:1: task.scope is not known, did you mean scopes?"
        );
        assert!(told("payload: {}\npriority: hihg\n").contains("did you mean \"high\"?"));
        assert!(told("metadata: {}\n").contains("task.payload is missing"));
        assert!(
            told("payload: {}\ndeadline: tomorrow\n")
                .starts_with("task.yml:2:11: task.deadline must be a time by RFC 3339")
        );
    }

    #[test]
    fn variables_of_the_command_line_win() {
        let mut task = parse(&"task.yml", "payload: {env: {A: a, B: b}}").unwrap();
        task.set_variable("A", "x").unwrap();
        assert_eq!(task.payload["env"], json!({"A": "x", "B": "b"}));
        let mut task = parse(&"task.yml", "payload: {env: []}").unwrap();
        assert!(task.set_variable("A", "x").is_err());
    }

    #[test]
    fn the_examples_are_tasks() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        for name in ["hello.yml", "build-a-plugin.yml"] {
            load(&folder.join(name)).unwrap_or_else(|failure| panic!("{name}: {:?}", failure.error));
        }
    }
}
