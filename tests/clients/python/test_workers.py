"""Workers and their pools. What makes or changes a pool is for the embedded services alone."""

import taskcluster

from kit import (
    TAG,
    TASK_QUEUE_ID,
    WORKER_GROUP,
    WORKER_ID,
    Check,
    after,
    complete,
    create,
    embedded_only,
    eventually,
    options,
    queue,
)

STATIC_SECRET = "s" * 44


class Workers(Check):
    def test_worker_that_claimed_is_known(self):
        task_id = create()
        complete(task_id)
        provisioner, worker_type = TASK_QUEUE_ID.split("/")
        worker = queue().getWorker(provisioner, worker_type, WORKER_GROUP, WORKER_ID)
        self.assertIn(task_id, [task["taskId"] for task in worker["recentTasks"]])
        listed = queue().listWorkers(provisioner, worker_type)["workers"]
        self.assertIn(WORKER_ID, [worker["workerId"] for worker in listed])

    def test_waiting_and_running_tasks_are_counted_and_listed(self):
        task_id = create()
        eventually(lambda: queue().taskQueueCounts(TASK_QUEUE_ID)["pendingTasks"] >= 1)
        pending = queue().listPendingTasks(TASK_QUEUE_ID)["tasks"]
        self.assertIn(task_id, [task["taskId"] for task in pending])
        queue().cancelTask(task_id)

    @embedded_only
    def test_quarantined_worker_is_told_of_no_task(self):
        provisioner, worker_type = "checks", "quarantine"
        asked = {"tasks": 1, "workerGroup": WORKER_GROUP, "workerId": TAG}
        until = {"quarantineUntil": after(hours=1), "quarantineInfo": "a check"}
        queue().declareWorker(provisioner, worker_type, WORKER_GROUP, TAG, {"expires": after(hours=1)})
        queue().quarantineWorker(provisioner, worker_type, WORKER_GROUP, TAG, until)
        task_id = create(taskQueueId=f"{provisioner}/{worker_type}")
        self.assertEqual(queue().claimWork(f"{provisioner}/{worker_type}", asked)["tasks"], [])
        past = {"quarantineUntil": after(hours=-1), "quarantineInfo": "a check"}
        queue().quarantineWorker(provisioner, worker_type, WORKER_GROUP, TAG, past)
        [claimed] = queue().claimWork(f"{provisioner}/{worker_type}", asked)["tasks"]
        self.assertEqual(claimed["status"]["taskId"], task_id)
        queue().cancelTask(task_id)


@embedded_only
class Pools(Check):
    def setUp(self):
        self.manager = taskcluster.WorkerManager(options())
        self.pool = f"checks/p{taskcluster.slugId().lower()[:20].replace('_', '-')}0"
        definition = {
            "providerId": "static",
            "description": "Made by a check.",
            "owner": "nobody@example.com",
            "emailOnError": False,
            "config": {"workerConfig": {"of": "the pool"}, "lifecycle": {"reregistrationTimeout": 3600}},
        }
        self.manager.createWorkerPool(self.pool, definition)
        worker = {
            "expires": after(hours=1),
            "capacity": 1,
            "providerInfo": {"staticSecret": STATIC_SECRET},
        }
        self.manager.createWorker(self.pool, WORKER_GROUP, WORKER_ID, worker)
        self.who = {"workerPoolId": self.pool, "workerGroup": WORKER_GROUP, "workerId": WORKER_ID}

    def register(self, secret=STATIC_SECRET):
        proof = {"providerId": "static", "workerIdentityProof": {"staticSecret": secret}}
        return self.manager.registerWorker(self.who | proof)

    def test_worker_registers_and_registers_again(self):
        registered = self.register()
        self.assertEqual(registered["workerConfig"], {"of": "the pool"})
        own = taskcluster.WorkerManager(options(credentials=registered["credentials"]))
        again = own.reregisterWorker(self.who | {"secret": registered["secret"]})
        self.assertNotEqual(again["secret"], registered["secret"])
        self.refused(400, "InputError", own.reregisterWorker, self.who | {"secret": registered["secret"]})

    def test_worker_with_a_wrong_secret_is_refused(self):
        self.refused(400, "InputError", self.register, "t" * 44)

    def test_worker_of_a_pool_claims_with_the_credentials_of_its_registration(self):
        own = taskcluster.Queue(options(credentials=self.register()["credentials"]))
        task_id = create(taskQueueId=self.pool)
        asked = {"tasks": 1, "workerGroup": WORKER_GROUP, "workerId": WORKER_ID}
        [claimed] = own.claimWork(self.pool, asked)["tasks"]
        self.assertEqual(claimed["status"]["taskId"], task_id)
        queue().cancelTask(task_id)

    def test_worker_terminates_once_it_is_removed(self):
        credentials = self.register()["credentials"]
        own = taskcluster.WorkerManager(options(credentials=credentials))
        where = (self.pool, WORKER_GROUP, WORKER_ID)
        self.assertFalse(own.shouldWorkerTerminate(*where)["terminate"])
        self.assertEqual(self.manager.worker(*where)["state"], "running")
        own.removeWorker(*where)
        self.assertTrue(own.shouldWorkerTerminate(*where)["terminate"])

    def test_errors_and_workers_of_a_pool_are_listed(self):
        registered = self.register()
        own = taskcluster.WorkerManager(options(credentials=registered["credentials"]))
        report = {
            "workerGroup": WORKER_GROUP,
            "workerId": WORKER_ID,
            "kind": "check",
            "title": "A check",
            "description": "reports an error.",
            "extra": {"of": TAG},
        }
        own.reportWorkerError(self.pool, report)
        [error] = self.manager.listWorkerPoolErrors(self.pool)["workerPoolErrors"]
        self.assertEqual((error["kind"], error["title"], error["extra"]["of"]), ("check", "A check", TAG))
        for listed in [
            self.manager.listWorkersForWorkerPool(self.pool),
            self.manager.listWorkersForWorkerGroup(self.pool, WORKER_GROUP),
        ]:
            self.assertEqual([worker["workerId"] for worker in listed["workers"]], [WORKER_ID])
        pools = self.manager.listWorkerPools()["workerPools"]
        self.assertIn(self.pool, [pool["workerPoolId"] for pool in pools])
