"""The decision task of `repository`, and what becomes of the graph that it submits. A worker of the task queue runs them."""

import json
import os
import unittest
from pathlib import Path

import jsone
import taskcluster
import yaml
from taskcluster import download

from kit import TASK_QUEUE_ID, queue, watch

REPOSITORY = Path(__file__).parent / "repository"
LOG = "public/logs/live_backing.log"
# What each task of the graph waits for, in an order in which they can run.
GRAPH = {
    "source-words": [],
    "build-upper": ["source-words"],
    "build-count": ["source-words"],
    "report-test": ["build-upper"],
    "report-summary": ["build-count", "report-test"],
}


def artifact(task_id, name):
    return bytes(download.downloadArtifactToBuf(taskId=task_id, name=name, queueService=queue())[0]).decode()


class Decision(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.decision = taskcluster.slugId()
        context = {
            "task_id": cls.decision,
            "task_queue_id": TASK_QUEUE_ID,
            "credentials": os.environ["CHECKS_CREDENTIALS"],
            "repository": str(REPOSITORY),
            "taskgraph": os.environ["CHECKS_TASKGRAPH"],
        }
        rendered = jsone.render(yaml.safe_load((REPOSITORY / ".taskcluster.yml").read_text()), context)
        [task] = rendered["tasks"]
        queue().createTask(task.pop("taskId"), task)
        state = watch(cls.decision)["state"]
        if state != "completed":
            raise AssertionError(f"decision task {state}: {artifact(cls.decision, LOG)}")
        cls.labels = json.loads(artifact(cls.decision, "public/label-to-taskid.json"))
        cls.statuses = {}
        # In the order in which they run: what waits for a task that fails is never resolved.
        for label in GRAPH:
            cls.statuses[label] = watch(cls.labels[label])
            state = cls.statuses[label]["state"]
            if state != "completed":
                raise AssertionError(f"{label} {state}: {artifact(cls.labels[label], LOG)}")

    @classmethod
    def tearDownClass(cls):
        for task in queue().listTaskGroup(cls.decision)["tasks"]:
            if task["status"]["state"] in ("unscheduled", "pending", "running"):
                queue().cancelTask(task["status"]["taskId"])

    def run_of(self, label):
        return self.statuses[label]["runs"][0]

    def test_decision_task_submits_a_graph_of_five_tasks(self):
        self.assertEqual(sorted(self.labels), sorted(GRAPH))
        members = [task["status"]["taskId"] for task in queue().listTaskGroup(self.decision)["tasks"]]
        self.assertEqual(sorted(members), sorted([self.decision, *self.labels.values()]))
        for label, waits_for in GRAPH.items():
            dependencies = queue().task(self.labels[label])["dependencies"]
            expected = [self.labels[other] for other in waits_for] or [self.decision]
            self.assertEqual(sorted(dependencies), sorted(expected), label)

    def test_all_tasks_of_the_graph_complete(self):
        states = {label: status["state"] for label, status in self.statuses.items()}
        self.assertEqual(states, dict.fromkeys(GRAPH, "completed"))

    def test_no_task_starts_before_those_that_it_waits_for_are_resolved(self):
        for label, waits_for in GRAPH.items():
            for other in waits_for:
                self.assertLessEqual(self.run_of(other)["resolved"], self.run_of(label)["started"], (other, label))

    def test_artifacts_of_early_tasks_are_used_by_later_ones(self):
        self.assertEqual(artifact(self.labels["report-summary"], "public/summary.txt"), "2 words: TASK CLUSTER\n")

    def test_tasks_of_the_graph_run_under_the_decision_s_own_scheduler(self):
        schedulers = {status["schedulerId"] for status in self.statuses.values()}
        self.assertEqual(schedulers, {queue().task(self.decision)["schedulerId"]})
