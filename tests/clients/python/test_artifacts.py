"""Artifacts and objects, put and fetched by the client's own helpers."""

import hashlib

import requests
import taskcluster
from taskcluster import download, upload

from kit import PROJECT, TAG, Check, after, claim, create, embedded_only, of, options, queue

TEXT = b"What a task has made.\n"
# From 8 KiB on the client puts an object's bytes to an address, and does not send them with the call.
LARGE = bytes(range(256)) * 1024


def objects():
    return taskcluster.Object(options())


class Artifacts(Check):
    def setUp(self):
        self.task_id = create()
        self.claimed = claim(self.task_id)
        self.worker = of(self.claimed)
        self.addCleanup(self.worker.reportCompleted, self.task_id, 0)

    def add(self, name, storage_type, **fields):
        request = {"storageType": storage_type, "expires": after(hours=20)} | fields
        return self.worker.createArtifact(self.task_id, 0, name, request)

    def add_s3(self, name, content):
        place = self.add(name, "s3", contentType="text/plain", contentLength=len(content))
        put = requests.put(place["putUrl"], data=content, headers={"Content-Type": place["contentType"]})
        put.raise_for_status()

    def fetch(self, name):
        return download.downloadArtifactToBuf(taskId=self.task_id, name=name, queueService=queue())

    def test_s3_artifact_is_fetched_as_it_was_put(self):
        self.add_s3("public/text.txt", TEXT)
        content, content_type = self.fetch("public/text.txt")
        self.assertEqual((bytes(content), content_type), (TEXT, "text/plain"))

    def test_object_artifact_is_fetched_as_it_was_put(self):
        for name, content in [("public/small", TEXT), ("public/large", LARGE)]:
            place = self.add(name, "object", contentType="application/x-check")
            upload.uploadFromBuf(
                projectId=place["projectId"],
                name=place["name"],
                contentType="application/x-check",
                contentLength=len(content),
                expires=place["expires"],
                uploadId=place["uploadId"],
                objectService=taskcluster.Object(options(credentials=place["credentials"])),
                data=content,
            )
            self.worker.finishArtifact(self.task_id, 0, name, {"uploadId": place["uploadId"]})
            fetched, content_type = self.fetch(name)
            self.assertEqual((bytes(fetched), content_type), (content, "application/x-check"), name)

    def test_object_artifact_is_not_there_before_it_is_finished(self):
        self.add("public/object", "object", contentType="text/plain")
        self.refused(404, "ResourceNotFound", queue().latestArtifactInfo, self.task_id, "public/object")

    def test_reference_link_and_error_artifacts_lead_where_they_say(self):
        self.add_s3("public/text.txt", TEXT)
        place = queue().latestArtifact(self.task_id, "public/text.txt")
        self.add("public/reference", "reference", contentType="text/plain", url=place["url"])
        self.add("public/link", "link", contentType="text/plain", artifact="public/text.txt")
        self.assertEqual(bytes(self.fetch("public/reference")[0]), TEXT)
        self.assertEqual(bytes(self.fetch("public/link")[0]), TEXT)
        self.add("public/error", "error", reason="file-missing-on-worker", message="There is no such file.")
        with self.assertRaises(taskcluster.exceptions.TaskclusterArtifactError) as caught:
            self.fetch("public/error")
        self.assertEqual(caught.exception.reason, "file-missing-on-worker")

    def test_artifacts_are_listed_page_by_page(self):
        names = [f"public/{number}.txt" for number in range(3)]
        for name in names:
            self.add(name, "error", reason="file-missing-on-worker", message="")
        pages = []
        queue().listArtifacts(self.task_id, 0, query={"limit": "1"}, paginationHandler=pages.append)
        self.assertEqual([artifact["name"] for page in pages for artifact in page["artifacts"]], names)
        self.assertGreaterEqual(len(pages), 3)
        self.assertEqual(len(queue().listLatestArtifacts(self.task_id)["artifacts"]), 3)

    def test_signed_address_opens_a_private_artifact(self):
        self.add_s3("private/text.txt", TEXT)
        address = queue().buildUrl("getLatestArtifact", self.task_id, "private/text.txt")
        self.assertEqual(requests.get(address).status_code, 403)
        signed = queue().buildSignedUrl("getLatestArtifact", self.task_id, "private/text.txt")
        self.assertEqual(requests.get(signed).content, TEXT)
        self.assertEqual(requests.get(signed.replace("text.txt", "text2.txt")).status_code, 401)


class Objects(Check):
    def test_object_is_downloaded_as_it_was_uploaded(self):
        for size, content in [("small", TEXT), ("large", LARGE)]:
            name = f"{PROJECT}/{TAG}/{size}"
            upload.uploadFromBuf(
                projectId=PROJECT,
                name=name,
                contentType="application/x-check",
                contentLength=len(content),
                expires=after(hours=20),
                objectService=objects(),
                data=content,
            )
            fetched, content_type = download.downloadToBuf(name=name, objectService=objects())
            self.assertEqual((bytes(fetched), content_type), (content, "application/x-check"), name)

    @embedded_only
    def test_upload_whose_hashes_differ_is_refused(self):
        """Deployments leave that to those who download."""
        name, ids = f"{PROJECT}/{TAG}/refused", {"projectId": PROJECT, "uploadId": taskcluster.slugId()}
        methods = {"dataInline": {"contentType": "text/plain", "objectData": "aGVsbG8="}}
        objects().createUpload(name, ids | {"expires": after(hours=20), "proposedUploadMethods": methods})
        hashes = {"sha256": hashlib.sha256(b"another").hexdigest(), "sha512": hashlib.sha512(b"another").hexdigest()}
        with self.assertRaises(taskcluster.exceptions.TaskclusterRestFailure) as caught:
            objects().finishUpload(name, ids | {"hashes": hashes})
        self.assertEqual(caught.exception.status_code, 400)
        self.refused(404, "ResourceNotFound", objects().startDownload, name, {"acceptDownloadMethods": {"simple": True}})
