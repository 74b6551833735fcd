"""Tasks, as those who create them and those who work for them meet them."""

import taskcluster

from kit import Check, claim, complete, create, definition, of, queue, watch


class Tasks(Check):
    def test_task_is_created_claimed_and_completed(self):
        task_id = create(tags={"kind": "check"})
        self.assertEqual(queue().task(task_id)["tags"], {"kind": "check"})
        self.assertEqual(queue().status(task_id)["status"]["state"], "pending")
        claimed = claim(task_id)
        self.assertEqual(claimed["task"]["tags"], {"kind": "check"})
        self.assertEqual(queue().status(task_id)["status"]["state"], "running")
        of(claimed).reportCompleted(task_id, claimed["runId"])
        status = watch(task_id)
        self.assertEqual((status["state"], status["runs"][0]["reasonResolved"]), ("completed", "completed"))

    def test_creating_the_same_task_twice_is_one_task(self):
        task_id, task = taskcluster.slugId(), definition()
        first = queue().createTask(task_id, task)
        self.assertEqual(queue().createTask(task_id, task), first)
        self.refused(409, "RequestConflict", queue().createTask, task_id, task | {"retries": 3})
        queue().cancelTask(task_id)

    def test_claim_is_renewed_with_new_credentials(self):
        task_id = create()
        claimed = claim(task_id)
        renewed = of(claimed).reclaimTask(task_id, claimed["runId"])
        self.assertGreaterEqual(renewed["takenUntil"][:19], claimed["takenUntil"][:19])
        self.assertNotEqual(renewed["credentials"], claimed["credentials"])
        of(renewed).reportFailed(task_id, claimed["runId"])
        self.assertEqual(watch(task_id)["state"], "failed")

    def test_canceled_task_can_neither_be_reclaimed_nor_resolved(self):
        task_id = create()
        claimed = claim(task_id)
        queue().cancelTask(task_id)
        self.assertEqual(watch(task_id)["runs"][0]["reasonResolved"], "canceled")
        self.refused(409, "RequestConflict", of(claimed).reclaimTask, task_id, claimed["runId"])
        self.refused(409, "RequestConflict", of(claimed).reportCompleted, task_id, claimed["runId"])

    def test_task_that_is_rerun_has_a_second_run(self):
        task_id = create()
        complete(task_id)
        queue().rerunTask(task_id)
        self.assertEqual(complete(task_id)["state"], "completed")
        runs = watch(task_id)["runs"]
        self.assertEqual([run["reasonCreated"] for run in runs], ["scheduled", "rerun"])

    def test_lost_worker_gives_a_task_its_next_run(self):
        task_id = create(retries=1)
        claimed = claim(task_id)
        of(claimed).reportException(task_id, 0, {"reason": "worker-shutdown"})
        self.assertEqual(complete(task_id)["runs"][1]["reasonCreated"], "retry")

    def test_dependent_waits_for_what_it_depends_on(self):
        first = create()
        second = create(taskGroupId=first, dependencies=[first])
        self.assertEqual(queue().status(second)["status"]["state"], "unscheduled")
        dependents = queue().listDependentTasks(first)
        self.assertEqual([task["status"]["taskId"] for task in dependents["tasks"]], [second])
        complete(first)
        self.assertEqual(complete(second)["state"], "completed")

    def test_group_is_listed_page_by_page(self):
        first = create()
        others = [create(taskGroupId=first) for _ in range(3)]
        pages = []
        queue().listTaskGroup(first, query={"limit": "1"}, paginationHandler=pages.append)
        listed = [task["status"]["taskId"] for page in pages for task in page["tasks"]]
        self.assertEqual(sorted(listed), sorted([first, *others]))
        self.assertGreaterEqual(len(pages), 4)
        for task_id in listed:
            queue().cancelTask(task_id)

    def test_many_tasks_are_asked_for_in_one_call(self):
        task_ids = [create() for _ in range(2)]
        asked = {"taskIds": task_ids}
        statuses = queue().statuses(asked)["statuses"]
        self.assertEqual(sorted(status["taskId"] for status in statuses), sorted(task_ids))
        tasks = queue().tasks(asked)["tasks"]
        self.assertEqual(sorted(task["taskId"] for task in tasks), sorted(task_ids))
        for task_id in task_ids:
            queue().cancelTask(task_id)
