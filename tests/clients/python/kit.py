"""What the checks have in common: clients of the services, tasks, and the part of a worker.

Everything that a check makes has a name of its own, made of `TAG`, so that checks can run again and again against the same
deployment.
"""

import os
import time
import unittest
from datetime import datetime, timedelta, timezone

import taskcluster

TASK_QUEUE_ID = os.environ["TASKCLUSTER_TASK_QUEUE_ID"]
PROJECT = "taskcluster-worker-checks"
WORKER_GROUP = "checks"
WORKER_ID = "python"
TAG = "python-" + taskcluster.slugId()
# How long something may take that takes no time, in seconds.
LIMIT = 120

embedded_only = unittest.skipUnless(os.environ.get("CHECKS_EMBEDDED"), "only the embedded services can do this")
permanent_only = unittest.skipIf(os.environ.get("TASKCLUSTER_CERTIFICATE"), "needs credentials without a certificate")


def options(**more):
    return taskcluster.optionsFromEnvironment({}) | more


def anonymous():
    """Options without credentials."""
    return {"rootUrl": options()["rootUrl"]}


def queue():
    return taskcluster.Queue(options())


def after(**period):
    return datetime.now(timezone.utc) + timedelta(**period)


def definition(**fields):
    """A task for the queue of the checks; no worker but the checks themselves claims there."""
    return {
        "taskQueueId": TASK_QUEUE_ID,
        "schedulerId": PROJECT,
        "retries": 0,
        "created": after(),
        "deadline": after(hours=1),
        "expires": after(days=1),
        "payload": {},
        "metadata": {
            "name": TAG,
            "description": "Made by a check of this deployment.",
            "owner": "nobody@example.com",
            "source": "https://example.com/",
        },
    } | fields


def create(**fields):
    """Creates a task, and answers its taskId."""
    task_id = taskcluster.slugId()
    queue().createTask(task_id, definition(**fields))
    return task_id


def claim(task_id):
    """Claims a task as a worker does. Others that wait there are left by checks that were ended, and are given back."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        asked = {"tasks": 1, "workerGroup": WORKER_GROUP, "workerId": WORKER_ID}
        for task in queue().claimWork(TASK_QUEUE_ID, asked)["tasks"]:
            if task["status"]["taskId"] == task_id:
                return task
            reason = {"reason": "resource-unavailable"}
            of(task).reportException(task["status"]["taskId"], task["runId"], reason)
    raise AssertionError(f"task {task_id} was not to be claimed: do other workers claim from {TASK_QUEUE_ID}?")


def of(claimed):
    """The queue with the credentials of a claim."""
    return taskcluster.Queue(options(credentials=claimed["credentials"]))


def complete(task_id):
    """Claims a task and resolves it `completed`."""
    claimed = claim(task_id)
    return of(claimed).reportCompleted(task_id, claimed["runId"])["status"]


def watch(task_id):
    """Waits until a task is resolved, and answers its status."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        status = queue().status(task_id)["status"]
        if status["state"] in ("completed", "failed", "exception"):
            return status
        time.sleep(0.05)
    raise AssertionError(f"task {task_id} is not resolved")


def eventually(look):
    """What is looked for, once it is there. A deployment may answer from a cache, or get to know of it later."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("what is looked for is never there")


class Check(unittest.TestCase):
    """A check, with what several of them look at."""

    longMessage = True

    def refused(self, status, code, call, *arguments, **keywords):
        """A call that the client's own exception tells about. Answers its message."""
        with self.assertRaises(taskcluster.exceptions.TaskclusterFailure) as caught:
            call(*arguments, **keywords)
        error = caught.exception
        self.assertEqual((error.status_code, error.body.get("code")), (status, code), error)
        self.assertTrue(str(error))
        return str(error)
