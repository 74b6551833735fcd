// What the checks have in common: clients of the services, tasks, and the part of a worker.
//
// Everything that a check makes has a name of its own, made of `TAG`, so that checks can run again and again against the
// same deployment.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

// The client is installed elsewhere than beside the checks.
const resolve = createRequire(process.env.CHECKS_NODE).resolve;
export const { default: taskcluster } = await import(pathToFileURL(resolve('taskcluster-client')));

export const TASK_QUEUE_ID = process.env.TASKCLUSTER_TASK_QUEUE_ID;
export const PROJECT = 'taskcluster-worker-checks';
export const WORKER_GROUP = 'checks';
export const WORKER_ID = 'node';
export const TAG = `node-${taskcluster.slugid()}`;
// How long something may take that takes no time, in milliseconds.
const LIMIT = 120_000;

// Options of `test` for checks that do not apply everywhere.
export const embeddedOnly = { skip: process.env.CHECKS_EMBEDDED ? false : 'only the embedded services can do this' };
export const permanentOnly = {
  skip: process.env.TASKCLUSTER_CERTIFICATE ? 'needs credentials without a certificate' : false,
};

export const options = more => ({ ...taskcluster.fromEnvVars(), ...more });
export const queue = () => new taskcluster.Queue(options());
export const after = period => taskcluster.fromNowJSON(period);

// A task for the queue of the checks; no worker but the checks themselves claims there.
export const definition = fields => ({
  taskQueueId: TASK_QUEUE_ID,
  schedulerId: PROJECT,
  retries: 0,
  created: after('0 seconds'),
  deadline: after('1 hour'),
  expires: after('1 day'),
  payload: {},
  metadata: {
    name: TAG,
    description: 'Made by a check of this deployment.',
    owner: 'nobody@example.com',
    source: 'https://example.com/',
  },
  ...fields,
});

// Creates a task, and answers its taskId.
export const create = async fields => {
  const taskId = taskcluster.slugid();
  await queue().createTask(taskId, definition(fields));
  return taskId;
};

// The queue with the credentials of a claim.
export const of = claimed => new taskcluster.Queue(options({ credentials: claimed.credentials }));

// Claims a task as a worker does. Others that wait there are left by checks that were ended, and are given back.
export const claim = async taskId => {
  const deadline = Date.now() + LIMIT;
  while (Date.now() < deadline) {
    const asked = { tasks: 1, workerGroup: WORKER_GROUP, workerId: WORKER_ID };
    for (const task of (await queue().claimWork(TASK_QUEUE_ID, asked)).tasks) {
      if (task.status.taskId === taskId) {
        return task;
      }
      await of(task).reportException(task.status.taskId, task.runId, { reason: 'resource-unavailable' });
    }
  }
  throw new Error(`task ${taskId} was not to be claimed: do other workers claim from ${TASK_QUEUE_ID}?`);
};

// Claims a task and resolves it `completed`.
export const complete = async taskId => {
  const claimed = await claim(taskId);
  return (await of(claimed).reportCompleted(taskId, claimed.runId)).status;
};

// Waits until a task is resolved, and answers its status.
export const watch = async taskId => {
  const deadline = Date.now() + LIMIT;
  while (Date.now() < deadline) {
    const { status } = await queue().status(taskId);
    if (['completed', 'failed', 'exception'].includes(status.state)) {
      return status;
    }
    await setTimeout(50);
  }
  throw new Error(`task ${taskId} is not resolved`);
};

// What a call answers once it is what is wanted: a deployment may answer from a cache.
export const eventually = async (call, wanted) => {
  const deadline = Date.now() + LIMIT;
  while (Date.now() < deadline) {
    const found = await call();
    if (wanted(found)) {
      return found;
    }
    await setTimeout(50);
  }
  throw new Error('what is wanted is never there');
};

// All pages of a call that is made with a query.
export const pages = async call => {
  const found = [];
  let query = { limit: 1 };
  do {
    const page = await call(query);
    found.push(page);
    query = { limit: 1, continuationToken: page.continuationToken };
  } while (query.continuationToken);
  return found;
};

// A call that the client's own error tells about. Answers its message.
export const refused = async (statusCode, code, promise) => {
  const error = await promise.then(() => assert.fail(`it was not refused with ${statusCode}`), error => error);
  assert.deepEqual([error.statusCode, error.code], [statusCode, code], error.message);
  return error.message;
};
