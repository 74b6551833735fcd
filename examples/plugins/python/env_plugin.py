"""The plugin `env` in Python: the variables of a task's environment. It does what guest-plugins/env does in Rust.

`componentize-py` looks for a class for each interface that the world exports, here `Plugin` and `TaskHooks`, and makes an
object of it for each call. What is at the top level runs when the component is built, imports of the standard library among
it: an instance begins with what was there then. One instance serves one run of one task, so the state of the task is plainly
a variable at the top level.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.plugin import Description, Section
from wit_world.imports import environment
from wit_world.imports.result_set import ResultSet
from wit_world.imports.sandbox import Sandbox
from wit_world.imports.sandbox_builder import SandboxBuilder
from wit_world.imports.types import (
    Error,
    Error_Conflict,
    Error_Denied,
    Error_Invalid,
    Error_NotSupported,
    Error_Unavailable,
    ExceptionReason,
    HookError,
    HookError_Internal,
    HookError_MalformedPayload,
    HookError_ResourceUnavailable,
    TaskInfo,
    WorkerInfo,
)

DOCUMENTATION = """\
Variables of a task's environment, by name. Every value is a string:

```yaml
env:
  RUST_BACKTRACE: "1"
```

The worker sets `TASK_ID`, `RUN_ID`, `TASK_GROUP_ID` and `TASKCLUSTER_ROOT_URL`, and, where the operator says what they are,
`TASKCLUSTER_WORKER_LOCATION` and `TASKCLUSTER_INSTANCE_TYPE`. These can't be replaced. The operator may set more, which a
task's own value replaces.
"""

# What the operator may write under `plugins.env.config`.
CONFIG_SCHEMA = {
    "type": "object",
    "properties": {
        "extra": {
            "title": "Variables of every task",
            "description": "Variables for every task, by name. A task may set its own value.",
            "type": "object",
            "additionalProperties": {"type": "string"},
        },
    },
    "additionalProperties": False,
}

# What a task may write in its payload. The worker merges it with those of its engine and of the other plugins.
PAYLOAD_SCHEMA = {
    "type": "object",
    "properties": {
        "env": {
            "title": "Environment variables",
            "description": "Environment variables of the task, by name. Those that the worker sets itself (TASK_ID, RUN_ID, "
            "TASK_GROUP_ID, TASKCLUSTER_ROOT_URL, …) can't be replaced.",
            "type": "object",
            "additionalProperties": {"type": "string"},
        },
    },
}


class Plugin(exports.Plugin):
    """What the plugin says of itself. The worker asks when it loads it, in an instance that serves no task."""

    def describe(self) -> Description:
        return Description(
            name="env",
            version="0.1.0",
            summary="Sets the environment variables of the task.",
            documentation=[Section(title="Environment variables", content=DOCUMENTATION)],
            config_schema=json.dumps(CONFIG_SCHEMA),
        )

    def payload_schema(self, config: str) -> str:
        return json.dumps(PAYLOAD_SCHEMA)


# Of the task that this instance serves, by name.
variables: dict[str, str] = {}
# The names that the task itself sets.
own_names: set[str] = set()


class TaskHooks(exports.TaskHooks):
    """What the plugin does in a task, in the order in which it happens."""

    def new_task(self, task: TaskInfo, worker: WorkerInfo, config: str, payload: str | None) -> None:
        # Both are valid, as the schemas have it. There is no payload where the task's is not.
        extra = json.loads(config).get("extra", {})
        own = json.loads(payload).get("env", {}) if payload is not None else {}
        own_names.update(own)
        # Later ones win: a task replaces what the operator sets, and can't pass for another.
        variables.update(extra | own | of_worker(task, worker))

    def build_sandbox(self, builder: SandboxBuilder) -> None:
        for name, value in variables.items():
            try:
                environment.set_variable(builder, name, value)
            except Err as refused:
                raise Err(hook_error(refused.value, name))

    def started(self, sandbox: Sandbox) -> None:
        pass

    def stopped(self, results: ResultSet) -> bool:
        return True

    def finished(self, success: bool) -> None:
        pass

    def exception(self, reason: ExceptionReason) -> None:
        pass


def of_worker(task: TaskInfo, worker: WorkerInfo) -> dict[str, str]:
    """What the worker tells every task."""
    variables = {
        "TASK_ID": task.task_id,
        "RUN_ID": str(task.run_id),
        "TASK_GROUP_ID": task.task_group_id,
        "TASKCLUSTER_ROOT_URL": worker.root_url,
    }
    metadata = dict(worker.metadata)
    for name, key in [
        ("TASKCLUSTER_WORKER_LOCATION", "location"),
        ("TASKCLUSTER_INSTANCE_TYPE", "instanceType"),
    ]:
        if key in metadata:
            variables[name] = metadata[key]
    return variables


def hook_error(error: Error, name: str) -> HookError:
    """What a hook raises where the worker refused to set a variable. The case says who is to blame, and so how the task is
    resolved.

    Any other exception ends the instance, as a trap does: the worker takes it for a fault of the plugin's.
    """
    message = getattr(error, "value", type(error).__name__)
    match error:
        case Error_Invalid() | Error_Conflict() | Error_NotSupported():
            return HookError_MalformedPayload(message)
        # What an operator lets no task set is the task's to leave out.
        case Error_Denied() if name in own_names:
            return HookError_MalformedPayload(message)
        case Error_Unavailable():
            return HookError_ResourceUnavailable(message)
        case _:
            return HookError_Internal(message)
