"""The services beside the queue that tasks use: secrets, index, purge-cache."""

import requests
import taskcluster

from kit import PROJECT, TAG, TASK_QUEUE_ID, Check, after, claim, create, eventually, of, options

NAMESPACE = f"project.{PROJECT}.{TAG}"


class Secrets(Check):
    def setUp(self):
        self.secrets = taskcluster.Secrets(options())
        self.name = f"project/{PROJECT}/{TAG}"

    def test_secret_is_set_listed_got_and_removed(self):
        self.secrets.set(self.name, {"secret": {"password": "hunter2"}, "expires": after(hours=1)})
        self.assertEqual(self.secrets.get(self.name)["secret"], {"password": "hunter2"})
        pages = []
        self.secrets.list(query={"limit": "1"}, paginationHandler=pages.append)
        self.assertIn(self.name, [name for page in pages for name in page["secrets"]])
        self.secrets.remove(self.name)
        self.refused(404, "ResourceNotFound", self.secrets.get, self.name)


class Index(Check):
    def setUp(self):
        self.index = taskcluster.Index(options())

    def insert(self, namespace, task_id, rank):
        entry = {"taskId": task_id, "rank": rank, "data": {"check": TAG}, "expires": after(hours=20)}
        return self.index.insertTask(namespace, entry)

    def find(self, namespace):
        try:
            return self.index.findTask(namespace)
        except taskcluster.exceptions.TaskclusterRestFailure as error:
            if error.status_code != 404:
                raise
            return None

    def test_task_of_the_highest_rank_is_found(self):
        namespace = f"{NAMESPACE}.ranks.latest"
        old, new = taskcluster.slugId(), taskcluster.slugId()
        self.insert(namespace, new, 2)
        self.insert(namespace, old, 1)
        found = self.index.findTask(namespace)
        self.assertEqual((found["taskId"], found["rank"], found["data"]), (new, 2, {"check": TAG}))
        self.refused(404, "ResourceNotFound", self.index.findTask, f"{NAMESPACE}.nothing")

    def test_tasks_and_namespaces_are_listed_page_by_page(self):
        for name in ["a", "b", "c"]:
            self.insert(f"{NAMESPACE}.list.{name}.task", taskcluster.slugId(), 1)
            self.insert(f"{NAMESPACE}.list.{name}", taskcluster.slugId(), 1)
        for call, key in [(self.index.listTasks, "tasks"), (self.index.listNamespaces, "namespaces")]:
            pages = []
            call(f"{NAMESPACE}.list", query={"limit": "1"}, paginationHandler=pages.append)
            listed = [entry["namespace"] for page in pages for entry in page[key]]
            self.assertEqual(sorted(listed), [f"{NAMESPACE}.list.{name}" for name in ["a", "b", "c"]])
            self.assertGreaterEqual(len(pages), 3)

    def test_artifact_is_found_by_the_task_s_place_in_the_index(self):
        task_id = create()
        worker = of(claim(task_id))
        artifact = {"storageType": "s3", "contentType": "text/plain", "expires": after(hours=20)}
        place = worker.createArtifact(task_id, 0, "public/text.txt", artifact)
        put = requests.put(place["putUrl"], data=b"indexed", headers={"Content-Type": "text/plain"})
        put.raise_for_status()
        worker.reportCompleted(task_id, 0)
        self.insert(f"{NAMESPACE}.artifact", task_id, 1)
        address = self.index.buildUrl("findArtifactFromTask", f"{NAMESPACE}.artifact", "public/text.txt")
        self.assertEqual(requests.get(address).content, b"indexed")

    def test_task_that_says_so_is_indexed_when_it_completes(self):
        namespace = f"{NAMESPACE}.routed"
        task_id = create(routes=[f"index.{namespace}"], extra={"index": {"rank": 3}})
        of(claim(task_id)).reportCompleted(task_id, 0)
        found = eventually(lambda: self.find(namespace))
        self.assertEqual((found["taskId"], found["rank"]), (task_id, 3))


class PurgeCache(Check):
    def test_request_to_purge_is_there_for_those_who_ask_since_before_it(self):
        purge_cache = taskcluster.PurgeCache(options())
        purge_cache.purgeCache(TASK_QUEUE_ID, {"cacheName": TAG})

        def request(**query):
            """The request for our cache, if it is there for those who ask so."""
            requests = purge_cache.purgeRequests(TASK_QUEUE_ID, query=query)["requests"]
            return next((request for request in requests if request["cacheName"] == TAG), None)

        before = eventually(request)["before"]
        self.assertIsNotNone(request(since=before))
        self.assertIsNone(request(since=taskcluster.stringDate(after(days=1))))
