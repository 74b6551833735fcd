// Artifacts and objects, put and fetched by the client's own helpers.

import assert from 'node:assert/strict';
import { Readable, Writable } from 'node:stream';
import test from 'node:test';

import {
  PROJECT, TAG, after, claim, create, of, options, pages, queue, refused, taskcluster,
} from './kit.mjs';

const TEXT = Buffer.from('What a task has made.\n');
const TYPE = 'application/x-check';
// From 8 KiB on the client puts an object's bytes to an address, and does not send them with the call.
const CONTENTS = [['small', TEXT], ['large', Buffer.alloc(256 * 1024, TEXT)]];

// What a helper writes to the streams that it asks for, and its answer: the content type.
const collect = async download => {
  let chunks;
  const streamFactory = async () => {
    chunks = [];
    return new Writable({
      write(chunk, _encoding, done) {
        chunks.push(chunk);
        done();
      },
    });
  };
  const contentType = await download(streamFactory);
  return { content: Buffer.concat(chunks), contentType };
};

// A task that is being worked on.
const work = async check => {
  const taskId = await create();
  const worker = of(await claim(taskId));
  const add = (name, fields) => worker.createArtifact(taskId, 0, name, { expires: after('20 hours'), ...fields });
  const addS3 = async (name, content) => {
    const place = await add(name, { storageType: 's3', contentType: 'text/plain', contentLength: content.length });
    const put = await fetch(place.putUrl, { method: 'PUT', body: content, headers: { 'Content-Type': place.contentType } });
    assert.ok(put.ok, put.statusText);
  };
  const get = name =>
    collect(streamFactory => taskcluster.downloadArtifact({ taskId, name, queue: queue(), streamFactory }));
  await check({ taskId, worker, add, addS3, get });
  await worker.reportCompleted(taskId, 0);
};

const upload = (object, place, content) =>
  taskcluster.upload({
    ...place,
    object,
    contentType: TYPE,
    contentLength: content.length,
    streamFactory: async () => Readable.from([content]),
  });

test('s3_artifact_is_fetched_as_it_was_put', () =>
  work(async ({ addS3, get }) => {
    await addS3('public/text.txt', TEXT);
    assert.deepEqual(await get('public/text.txt'), { content: TEXT, contentType: 'text/plain' });
  }));

test('object_artifact_is_fetched_as_it_was_put', () =>
  work(async ({ taskId, worker, add, get }) => {
    for (const [size, content] of CONTENTS) {
      const name = `public/${size}`;
      const place = await add(name, { storageType: 'object', contentType: TYPE });
      const object = new taskcluster.Object(options({ credentials: place.credentials }));
      const { projectId, uploadId, expires } = place;
      await upload(object, { name: place.name, projectId, uploadId, expires }, content);
      await worker.finishArtifact(taskId, 0, name, { uploadId });
      assert.deepEqual((await get(name)).content, content);
    }
  }));

test('object_is_downloaded_as_it_was_uploaded', async () => {
  const object = new taskcluster.Object(options());
  for (const [size, content] of CONTENTS) {
    const name = `${PROJECT}/${TAG}/${size}`;
    await upload(object, { name, projectId: PROJECT, expires: after('20 hours') }, content);
    const got = await collect(streamFactory => taskcluster.download({ name, object, streamFactory }));
    assert.deepEqual(got.content, content);
  }
});

test('error_artifact_tells_its_reason', () =>
  work(async ({ add, get }) => {
    const reason = 'file-missing-on-worker';
    await add('public/error', { storageType: 'error', reason, message: 'There is no such file.' });
    await assert.rejects(get('public/error'), { reason, message: 'There is no such file.' });
  }));

test('artifacts_are_listed_page_by_page', () =>
  work(async ({ taskId, add }) => {
    const names = [0, 1, 2].map(number => `public/${number}.txt`);
    for (const name of names) {
      await add(name, { storageType: 'error', reason: 'file-missing-on-worker', message: '' });
    }
    const found = await pages(query => queue().listLatestArtifacts(taskId, query));
    assert.deepEqual(found.flatMap(page => page.artifacts.map(artifact => artifact.name)), names);
    assert.ok(found.length >= 3);
    await refused(404, 'ResourceNotFound', queue().latestArtifactInfo(taskId, 'public/another'));
  }));

test('signed_address_opens_a_private_artifact', () =>
  work(async ({ taskId, addS3 }) => {
    await addS3('private/text.txt', TEXT);
    const { getLatestArtifact } = queue();
    const plain = await fetch(queue().externalBuildUrl(getLatestArtifact, taskId, 'private/text.txt'));
    assert.equal(plain.status, 403);
    const signed = queue().externalBuildSignedUrl(getLatestArtifact, taskId, 'private/text.txt');
    const got = await fetch(signed);
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), TEXT);
    assert.equal((await fetch(signed.replace('text.txt', 'text2.txt'))).status, 401);
  }));
