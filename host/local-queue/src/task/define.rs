//! What `createTask` takes: the rules of `create-task-request.yml` and `task-metadata.yml`, and the defaults.

use std::collections::BTreeMap;

use chrono::{DateTime, Months, SubsecRound as _, TimeDelta, Utc};
use queue::wire::{Priority, Requires, TaskDefinition, TaskMetadata};
use serde_json::{Map, Value};

use crate::{
    error::{ApiError, Code},
    ids,
};

mod fields;

pub(crate) use fields::Fields;

/// How far `created` may be from now, and by how much more than the limit the deadline may be.
const DRIFT: TimeDelta = TimeDelta::minutes(15);
/// How far in the future a deadline may be.
const MAX_DEADLINE: TimeDelta = TimeDelta::days(5);
/// How deep the request may be nested. JavaScript has no limit, but our readers' is 128, and a task that is
/// defined must be one that can be claimed.
const MAX_DEPTH: usize = 100;
/// How many tasks a task may depend on.
const MAX_DEPENDENCIES: usize = 10_000;
/// How many routes a task may have.
const MAX_ROUTES: usize = 64;

const KNOWN: &[&str] = &[
    "provisionerId",
    "workerType",
    "taskQueueId",
    "schedulerId",
    "projectId",
    "taskGroupId",
    "dependencies",
    "requires",
    "routes",
    "priority",
    "retries",
    "created",
    "deadline",
    "expires",
    "scopes",
    "payload",
    "metadata",
    "tags",
    "extra",
];

/// A definition that keeps to the schema, all defaults filled in; its times are still to be checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft(pub(crate) TaskDefinition);

impl Draft {
    /// Reads a request.
    pub(crate) fn read(task_id: &str, request: &Value) -> Result<Self, ApiError> {
        if deeper_than(request, MAX_DEPTH) {
            return Err(ApiError::input(format!(
                "the task definition is nested more than {MAX_DEPTH} levels deep"
            )));
        }
        let mut fields = Fields::of_body(request, KNOWN)?;
        let (draft, queue) = read_fields(task_id, &mut fields);
        fields.check()?;
        queue.check()?;
        Ok(draft)
    }
}

/// How the request names the task queue.
struct QueueNames {
    provisioner_id: Option<String>,
    worker_type: Option<String>,
    task_queue_id: Option<String>,
}

impl QueueNames {
    /// At least one form, and both the same.
    fn check(&self) -> Result<(), ApiError> {
        match (&self.provisioner_id, &self.worker_type, &self.task_queue_id) {
            (Some(provisioner_id), Some(worker_type), Some(task_queue_id))
                if format!("{provisioner_id}/{worker_type}") != *task_queue_id =>
            {
                Err(ApiError::input(
                    "taskQueueId must match \"provisionerId/workerType\"",
                ))
            }
            (Some(_), Some(_), _) | (_, _, Some(_)) => Ok(()),
            (None, _, None) | (_, None, None) => Err(ApiError::input(
                "at least a provisionerId and a workerType or a taskQueueId must be provided",
            )),
        }
    }

    /// Provisioner, worker type and both in one.
    fn split(&self) -> (String, String, String) {
        let (provisioner_id, worker_type) = match (&self.provisioner_id, &self.worker_type) {
            (Some(provisioner_id), Some(worker_type)) => (provisioner_id.as_str(), worker_type.as_str()),
            (None, _) | (_, None) => self
                .task_queue_id
                .as_deref()
                .and_then(|id| id.split_once('/'))
                .unwrap_or_default(),
        };
        (
            provisioner_id.to_owned(),
            worker_type.to_owned(),
            format!("{provisioner_id}/{worker_type}"),
        )
    }
}

fn read_fields(task_id: &str, fields: &mut Fields<'_>) -> (Draft, QueueNames) {
    let names = QueueNames {
        provisioner_id: fields.text("provisionerId", "an identifier", ids::is_identifier),
        worker_type: fields.text("workerType", "a workerType", ids::is_worker_type),
        task_queue_id: fields.text("taskQueueId", "a taskQueueId", |id| {
            id.split_once('/')
                .is_some_and(|(p, w)| ids::is_identifier(p) && ids::is_worker_type(w))
        }),
    };
    let (provisioner_id, worker_type, task_queue_id) = names.split();
    let created = fields.required_time("created");
    let deadline = fields.required_time("deadline");
    let expires = fields
        .time("expires")
        .unwrap_or_else(|| deadline.checked_add_months(Months::new(12)).unwrap_or(deadline));
    let definition = TaskDefinition {
        provisioner_id,
        worker_type,
        task_queue_id,
        scheduler_id: fields
            .text("schedulerId", "an identifier", ids::is_identifier)
            .unwrap_or_else(|| "-".to_owned()),
        project_id: fields
            .text("projectId", "a projectId", ids::is_project_id)
            .unwrap_or_else(|| "none".to_owned()),
        task_group_id: fields
            .text("taskGroupId", "a slugid", ids::is_slugid)
            .unwrap_or_else(|| task_id.to_owned()),
        dependencies: dependencies(fields),
        requires: requires(fields),
        routes: routes(fields),
        priority: priority(fields),
        retries: fields.integer("retries", 0, 49).unwrap_or(5),
        created: created.trunc_subsecs(3),
        deadline: deadline.trunc_subsecs(3),
        expires: expires.trunc_subsecs(3),
        scopes: fields.texts("scopes", "printable ASCII", ids::is_printable),
        payload: fields.required_object("payload"),
        metadata: metadata(fields),
        tags: tags(fields),
        extra: fields.object("extra").cloned().unwrap_or_default(),
    };
    (Draft(definition), names)
}

fn dependencies(fields: &mut Fields<'_>) -> Vec<String> {
    let dependencies = fields.texts("dependencies", "a slugid", ids::is_slugid);
    fields.bound("dependencies", dependencies.len(), MAX_DEPENDENCIES);
    fields.unique("dependencies", &dependencies);
    dependencies
}

fn routes(fields: &mut Fields<'_>) -> Vec<String> {
    let routes = fields.texts("routes", "1 to 249 characters", |route| {
        (1..=249).contains(&route.chars().count())
    });
    fields.bound("routes", routes.len(), MAX_ROUTES);
    fields.unique("routes", &routes);
    routes
}

fn requires(fields: &mut Fields<'_>) -> Requires {
    match fields.word("requires", &["all-completed", "all-resolved"]) {
        Some("all-resolved") => Requires::AllResolved,
        _ => Requires::AllCompleted,
    }
}

fn priority(fields: &mut Fields<'_>) -> Priority {
    const PRIORITIES: &[(&str, Priority)] = &[
        ("highest", Priority::Highest),
        ("very-high", Priority::VeryHigh),
        ("high", Priority::High),
        ("medium", Priority::Medium),
        ("low", Priority::Low),
        ("very-low", Priority::VeryLow),
        ("lowest", Priority::Lowest),
        // What `lowest` was called once.
        ("normal", Priority::Lowest),
    ];
    let names: Vec<&str> = PRIORITIES.iter().map(|(name, _)| *name).collect();
    let name = fields.word("priority", &names);
    PRIORITIES
        .iter()
        .find(|(known, _)| Some(*known) == name)
        .map_or(Priority::Lowest, |(_, priority)| *priority)
}

fn metadata(fields: &mut Fields<'_>) -> TaskMetadata {
    let object = fields.required_object("metadata");
    let mut inner = Fields::new(&object, "data.metadata");
    inner.refuse_unknown(&["name", "description", "owner", "source"]);
    let metadata = TaskMetadata {
        name: inner.required_text("name", 255),
        description: inner.required_text("description", 32_768),
        owner: inner.required_text("owner", 255),
        source: inner.required_text("source", 4096),
    };
    let source = &metadata.source;
    if object.get("source").is_some_and(Value::is_string)
        && !["http://", "https://", "ssh://", "git@"]
            .iter()
            .any(|start| source.starts_with(start))
    {
        inner.complain("data.metadata.source must match pattern \"^(https?://|ssh://|git@)\"".to_owned());
    }
    let errors = inner.into_errors();
    // An object that is missing or no object has been complained about; what it lacks goes without saying.
    if !object.is_empty() || fields.has_object("metadata") {
        errors.into_iter().for_each(|error| fields.complain(error));
    }
    metadata
}

fn tags(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let Some(object) = fields.object("tags") else {
        return BTreeMap::new();
    };
    let mut tags = BTreeMap::new();
    for (name, value) in object {
        match value.as_str() {
            Some(value) if value.chars().count() <= 4096 => {
                tags.insert(name.clone(), value.to_owned());
            }
            _ => fields.complain(format!(
                "data.tags[{name:?}] must be a string of at most 4096 characters"
            )),
        }
    }
    tags
}

/// The rules for times, and the one for scopes, that the schema does not have.
pub(crate) fn check_times(definition: &TaskDefinition, now: DateTime<Utc>) -> Result<(), ApiError> {
    let TaskDefinition {
        created,
        deadline,
        expires,
        ..
    } = definition;
    let complaint = if *created < now - DRIFT {
        "`created` cannot be in the past (max 15min drift)"
    } else if *created > now + DRIFT {
        "`created` cannot be in the future (max 15min drift)"
    } else if created > deadline {
        "`deadline` cannot be later than `created`"
    } else if *deadline < now {
        "`deadline` cannot be in the past"
    } else if *deadline - now > MAX_DEADLINE + DRIFT {
        "`deadline` cannot be more than 5 days into the future"
    } else if deadline > expires {
        "`expires` cannot be before `deadline`"
    } else if definition.scopes.iter().any(|scope| scope.ends_with("**")) {
        "scopes must not end with `**`"
    } else {
        return Ok(());
    };
    Err(ApiError::input(complaint))
}

/// The error for a body that is not what its schema says.
pub(crate) fn schema_error(errors: &[String]) -> ApiError {
    let list: Vec<String> = errors.iter().map(|error| format!("  * {error}")).collect();
    ApiError::new(
        Code::InputValidationError,
        format!("Schema Validation Failed!\n{}", list.join("\n")),
    )
}

fn deeper_than(value: &Value, levels: usize) -> bool {
    let Some(rest) = levels.checked_sub(1) else {
        return matches!(value, Value::Array(_) | Value::Object(_));
    };
    match value {
        Value::Array(items) => items.iter().any(|item| deeper_than(item, rest)),
        Value::Object(object) => object.values().any(|item| deeper_than(item, rest)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// An object of JSON.
type Object = Map<String, Value>;
