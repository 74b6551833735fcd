// Tasks, as those who create them and those who work for them meet them.

import assert from 'node:assert/strict';
import test from 'node:test';

import { claim, complete, create, definition, of, pages, queue, refused, taskcluster, watch } from './kit.mjs';

test('task_is_created_claimed_and_completed', async () => {
  const taskId = await create({ tags: { kind: 'check' } });
  assert.deepEqual((await queue().task(taskId)).tags, { kind: 'check' });
  assert.equal((await queue().status(taskId)).status.state, 'pending');
  const claimed = await claim(taskId);
  assert.deepEqual(claimed.task.tags, { kind: 'check' });
  assert.equal((await queue().status(taskId)).status.state, 'running');
  await of(claimed).reportCompleted(taskId, claimed.runId);
  const status = await watch(taskId);
  assert.deepEqual([status.state, status.runs[0].reasonResolved], ['completed', 'completed']);
});

test('creating_the_same_task_twice_is_one_task', async () => {
  const taskId = taskcluster.slugid();
  const task = definition();
  const first = await queue().createTask(taskId, task);
  assert.deepEqual(await queue().createTask(taskId, task), first);
  await refused(409, 'RequestConflict', queue().createTask(taskId, { ...task, retries: 3 }));
  await queue().cancelTask(taskId);
});

test('claim_is_renewed_with_new_credentials', async () => {
  const taskId = await create();
  const claimed = await claim(taskId);
  const renewed = await of(claimed).reclaimTask(taskId, claimed.runId);
  assert.ok(new Date(renewed.takenUntil) >= new Date(claimed.takenUntil));
  assert.notDeepEqual(renewed.credentials, claimed.credentials);
  await of(renewed).reportFailed(taskId, claimed.runId);
  assert.equal((await watch(taskId)).state, 'failed');
});

test('canceled_task_can_neither_be_reclaimed_nor_resolved', async () => {
  const taskId = await create();
  const claimed = await claim(taskId);
  await queue().cancelTask(taskId);
  assert.equal((await watch(taskId)).runs[0].reasonResolved, 'canceled');
  await refused(409, 'RequestConflict', of(claimed).reclaimTask(taskId, claimed.runId));
  await refused(409, 'RequestConflict', of(claimed).reportCompleted(taskId, claimed.runId));
});

test('task_that_is_rerun_has_a_second_run', async () => {
  const taskId = await create();
  await complete(taskId);
  await queue().rerunTask(taskId);
  assert.equal((await complete(taskId)).state, 'completed');
  const reasons = (await watch(taskId)).runs.map(run => run.reasonCreated);
  assert.deepEqual(reasons, ['scheduled', 'rerun']);
});

test('dependent_waits_for_what_it_depends_on', async () => {
  const first = await create();
  const second = await create({ taskGroupId: first, dependencies: [first] });
  assert.equal((await queue().status(second)).status.state, 'unscheduled');
  const { tasks } = await queue().listDependentTasks(first);
  assert.deepEqual(tasks.map(task => task.status.taskId), [second]);
  await complete(first);
  assert.equal((await complete(second)).state, 'completed');
});

test('group_is_listed_page_by_page', async () => {
  const first = await create();
  const others = [await create({ taskGroupId: first }), await create({ taskGroupId: first })];
  const found = await pages(query => queue().listTaskGroup(first, query));
  const listed = found.flatMap(page => page.tasks.map(task => task.status.taskId));
  assert.deepEqual(listed.sort(), [first, ...others].sort());
  assert.ok(found.length >= 3);
  for (const taskId of listed) {
    await queue().cancelTask(taskId);
  }
});
