// Workers and their pools. What makes or changes a pool is for the embedded services alone.

import assert from 'node:assert/strict';
import test from 'node:test';

import {
  TASK_QUEUE_ID, TAG, WORKER_GROUP, WORKER_ID, after, complete, create, embeddedOnly, options, queue, refused, taskcluster,
} from './kit.mjs';

const staticSecret = 's'.repeat(44);
const manager = more => new taskcluster.WorkerManager(options(more));

// A pool of one static worker, and that worker's registration.
const register = async () => {
  const workerPoolId = `checks/p${taskcluster.slugid().toLowerCase().replaceAll('_', '-')}0`;
  await manager().createWorkerPool(workerPoolId, {
    providerId: 'static',
    description: 'Made by a check.',
    owner: 'nobody@example.com',
    emailOnError: false,
    config: { workerConfig: { of: 'the pool' }, lifecycle: { reregistrationTimeout: 3600 } },
  });
  const worker = { expires: after('1 hour'), capacity: 1, providerInfo: { staticSecret } };
  await manager().createWorker(workerPoolId, WORKER_GROUP, WORKER_ID, worker);
  const who = { workerPoolId, workerGroup: WORKER_GROUP, workerId: WORKER_ID };
  const proof = { providerId: 'static', workerIdentityProof: { staticSecret } };
  const anonymous = new taskcluster.WorkerManager({ rootUrl: options().rootUrl });
  return { who, ...(await anonymous.registerWorker({ ...who, ...proof })) };
};

test('worker_that_claimed_is_known', async () => {
  const taskId = await create();
  await complete(taskId);
  const worker = await queue().getWorker(...TASK_QUEUE_ID.split('/'), WORKER_GROUP, WORKER_ID);
  assert.ok(worker.recentTasks.some(task => task.taskId === taskId));
});

test('quarantined_worker_is_listed_as_such', embeddedOnly, async () => {
  const where = ['checks', 'quarantine-node'];
  const quarantine = { quarantineUntil: after('1 hour'), quarantineInfo: 'a check' };
  await queue().declareWorker(...where, WORKER_GROUP, TAG, { expires: after('1 hour') });
  await queue().quarantineWorker(...where, WORKER_GROUP, TAG, quarantine);
  assert.equal((await queue().getWorker(...where, WORKER_GROUP, TAG)).quarantineUntil, quarantine.quarantineUntil);
  for (const quarantined of [true, false]) {
    const { workers } = await queue().listWorkers(...where, { quarantined });
    assert.equal(workers.some(worker => worker.workerId === TAG), quarantined);
  }
});

test('worker_registers_and_registers_again', embeddedOnly, async () => {
  const { who, secret, credentials, workerConfig } = await register();
  assert.deepEqual(workerConfig, { of: 'the pool' });
  const again = await manager({ credentials }).reregisterWorker({ ...who, secret });
  assert.notEqual(again.secret, secret);
  await refused(400, 'InputError', manager({ credentials }).reregisterWorker({ ...who, secret }));
});

// The newest client that npm has knows no `shouldWorkerTerminate`.
test('worker_runs_until_it_is_removed', embeddedOnly, async () => {
  const { who, credentials } = await register();
  const where = [who.workerPoolId, who.workerGroup, who.workerId];
  assert.equal((await manager().worker(...where)).state, 'running');
  await manager({ credentials }).removeWorker(...where);
  assert.notEqual((await manager().worker(...where)).state, 'running');
});

test('errors_and_workers_of_a_pool_are_listed', embeddedOnly, async () => {
  const { who: { workerPoolId }, credentials } = await register();
  await manager({ credentials }).reportWorkerError(workerPoolId, {
    workerGroup: WORKER_GROUP,
    workerId: WORKER_ID,
    kind: 'check',
    title: 'A check',
    description: 'reports an error.',
    extra: { of: TAG },
  });
  const { workerPoolErrors } = await manager().listWorkerPoolErrors(workerPoolId);
  assert.deepEqual(workerPoolErrors.map(error => [error.kind, error.title]), [['check', 'A check']]);
  const { workers } = await manager().listWorkersForWorkerPool(workerPoolId);
  assert.deepEqual(workers.map(worker => worker.workerId), [WORKER_ID]);
});
