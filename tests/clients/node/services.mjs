// The services beside the queue that tasks use: secrets, index, purge-cache.

import assert from 'node:assert/strict';
import test from 'node:test';

import {
  PROJECT, TAG, TASK_QUEUE_ID, after, claim, create, eventually, of, options, pages, refused, taskcluster,
} from './kit.mjs';

const NAMESPACE = `project.${PROJECT}.${TAG}`;
const index = () => new taskcluster.Index(options());
const insert = (namespace, taskId, rank) =>
  index().insertTask(namespace, { taskId, rank, data: { check: TAG }, expires: after('20 hours') });

test('secret_is_set_listed_got_and_removed', async () => {
  const secrets = new taskcluster.Secrets(options());
  const name = `project/${PROJECT}/${TAG}`;
  await secrets.set(name, { secret: { password: 'hunter2' }, expires: after('1 hour') });
  assert.deepEqual((await secrets.get(name)).secret, { password: 'hunter2' });
  const found = await pages(query => secrets.list(query));
  assert.ok(found.some(page => page.secrets.includes(name)));
  await secrets.remove(name);
  await refused(404, 'ResourceNotFound', secrets.get(name));
});

test('task_of_the_highest_rank_is_found', async () => {
  const namespace = `${NAMESPACE}.ranks.latest`;
  const [older, newer] = [taskcluster.slugid(), taskcluster.slugid()];
  await insert(namespace, newer, 2);
  await insert(namespace, older, 1);
  const { taskId, rank, data } = await index().findTask(namespace);
  assert.deepEqual({ taskId, rank, data }, { taskId: newer, rank: 2, data: { check: TAG } });
  await refused(404, 'ResourceNotFound', index().findTask(`${NAMESPACE}.nothing`));
});

test('indexed_tasks_are_listed_page_by_page', async () => {
  const namespaces = ['a', 'b', 'c'].map(name => `${NAMESPACE}.list.${name}`);
  for (const namespace of namespaces) {
    await insert(namespace, taskcluster.slugid(), 1);
  }
  const found = await pages(query => index().listTasks(`${NAMESPACE}.list`, query));
  assert.deepEqual(found.flatMap(page => page.tasks.map(task => task.namespace)).sort(), namespaces);
  assert.ok(found.length >= 3);
});

test('artifact_is_found_by_the_task_s_place_in_the_index', async () => {
  const taskId = await create();
  const worker = of(await claim(taskId));
  const fields = { storageType: 's3', contentType: 'text/plain', expires: after('20 hours') };
  const { putUrl } = await worker.createArtifact(taskId, 0, 'public/text.txt', fields);
  const put = await fetch(putUrl, { method: 'PUT', body: 'indexed', headers: { 'Content-Type': 'text/plain' } });
  assert.ok(put.ok, put.statusText);
  await worker.reportCompleted(taskId, 0);
  await insert(`${NAMESPACE}.artifact`, taskId, 1);
  const { findArtifactFromTask } = index();
  const address = index().externalBuildUrl(findArtifactFromTask, `${NAMESPACE}.artifact`, 'public/text.txt');
  assert.equal(await (await fetch(address)).text(), 'indexed');
});

test('request_to_purge_is_there_for_those_who_ask_since_before_it', async () => {
  const purgeCache = new taskcluster.PurgeCache(options());
  await purgeCache.purgeCache(TASK_QUEUE_ID, { cacheName: TAG });
  const names = async query => {
    const { requests } = await purgeCache.purgeRequests(TASK_QUEUE_ID, query);
    return requests.map(request => request.cacheName);
  };
  await eventually(() => names({}), found => found.includes(TAG));
  assert.ok(!(await names({ since: after('1 day') })).includes(TAG));
});
