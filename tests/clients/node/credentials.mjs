// Who may do what: scopes, roles, temporary credentials, and what the client says of a refusal.

import assert from 'node:assert/strict';
import test from 'node:test';

import {
  PROJECT, TAG, after, create, embeddedOnly, options, permanentOnly, queue, refused, taskcluster,
} from './kit.mjs';

const auth = more => new taskcluster.Auth(options(more));

test('scopes_are_those_of_the_credentials', async () => {
  const { scopes } = await auth().currentScopes();
  assert.ok(scopes.length > 0);
  const own = `${PROJECT}:${TAG}`;
  assert.ok((await auth().expandScopes({ scopes: [own] })).scopes.includes(own));
});

test('role_gives_its_scopes_to_those_who_assume_it', embeddedOnly, async () => {
  const roleId = `project:${PROJECT}/${TAG}`;
  const scope = `${PROJECT}:of-the-role`;
  const expanded = async () => (await auth().expandScopes({ scopes: [`assume:${roleId}`] })).scopes;
  await auth().createRole(roleId, { scopes: [scope], description: 'Made by a check.' });
  assert.ok((await expanded()).includes(scope));
  await auth().deleteRole(roleId);
  assert.ok(!(await expanded()).includes(scope));
});

test('temporary_credentials_may_do_what_they_were_made_for', permanentOnly, async () => {
  const credentials = taskcluster.createTemporaryCredentials({
    start: new Date(Date.now() - 5 * 60_000),
    expiry: new Date(Date.now() + 30 * 60_000),
    scopes: ['auth:current-scopes'],
    credentials: options().credentials,
  });
  const { scopes } = await auth({ credentials }).currentScopes();
  assert.ok(scopes.includes('auth:current-scopes'));
  const secrets = new taskcluster.Secrets(options({ credentials }));
  await refused(403, 'InsufficientScopes', secrets.get(`project/${PROJECT}/${TAG}`));
});

test('authorized_scopes_narrow_what_a_client_may_do', async () => {
  const taskId = await create();
  const narrowed = new taskcluster.Queue(options({ authorizedScopes: ['queue:get-task:*'] }));
  assert.equal((await narrowed.task(taskId)).schedulerId, PROJECT);
  assert.match(await refused(403, 'InsufficientScopes', narrowed.cancelTask(taskId)), /queue:cancel-task/);
  await queue().cancelTask(taskId);
});

test('unknown_task_is_not_found', async () => {
  await refused(404, 'ResourceNotFound', queue().status(taskcluster.slugid()));
});

test('malformed_task_is_refused_with_what_is_wrong', async () => {
  const malformed = queue().createTask(taskcluster.slugid(), { payload: {} });
  assert.match(await refused(400, 'InputValidationError', malformed), /created/);
});

test('wrong_access_token_is_refused', async () => {
  const credentials = { ...options().credentials, accessToken: taskcluster.slugid() + taskcluster.slugid() };
  await refused(401, 'AuthenticationFailed', auth({ credentials }).currentScopes());
});

test('expired_temporary_credentials_are_refused', permanentOnly, async () => {
  const credentials = taskcluster.createTemporaryCredentials({
    start: new Date(Date.now() - 120 * 60_000),
    expiry: new Date(Date.now() - 60 * 60_000),
    scopes: ['auth:current-scopes'],
    credentials: options().credentials,
  });
  await refused(401, 'AuthenticationFailed', auth({ credentials }).currentScopes());
});
