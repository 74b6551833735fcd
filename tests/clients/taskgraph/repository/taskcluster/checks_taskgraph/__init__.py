"""The transforms of the checks' own graph."""

import os

from taskgraph.transforms.base import TransformSequence

defaults = TransformSequence()
queue = TransformSequence()


@defaults.add
def make_a_task(config, tasks):
    """What all tasks of the graph have in common. What they make is in `out`, and becomes their public artifacts."""
    for task in tasks:
        task.setdefault("worker-type", "worker")
        worker = task["worker"]
        worker.setdefault("env", {})
        worker.setdefault("max-run-time", 300)
        worker.setdefault("chain-of-trust", False)
        worker["artifacts"] = [{"type": "directory", "path": "out", "name": "public"}]
        del task["task-from"]
        yield task


@queue.add
def put_on_the_queue_of_the_checks(config, tasks):
    """The task queue is known only when the checks run."""
    provisioner, worker_type = os.environ["CHECKS_TASK_QUEUE_ID"].split("/")
    for task in tasks:
        task["task"].update(provisionerId=provisioner, workerType=worker_type)
        yield task
