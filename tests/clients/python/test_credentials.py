"""Who may do what: scopes, roles, temporary credentials, and what the client says of a refusal."""

import taskcluster

from kit import PROJECT, TAG, Check, after, create, embedded_only, options, permanent_only, queue


def temporary(scopes, name=None):
    issuer = options()["credentials"]
    return taskcluster.createTemporaryCredentials(
        issuer["clientId"], issuer["accessToken"], after(minutes=-5), after(minutes=30), scopes, name
    )


class Credentials(Check):
    def test_scopes_are_those_of_the_credentials(self):
        scopes = taskcluster.Auth(options()).currentScopes()["scopes"]
        needed = f"secrets:get:project/{PROJECT}/{TAG}"
        self.assertTrue(taskcluster.utils.scopeMatch(scopes, [[needed]]), scopes)

    def test_scopes_expand_to_themselves_at_least(self):
        scopes = [f"{PROJECT}:{TAG}"]
        self.assertIn(scopes[0], taskcluster.Auth(options()).expandScopes({"scopes": scopes})["scopes"])

    @embedded_only
    def test_role_gives_its_scopes_to_those_who_assume_it(self):
        auth = taskcluster.Auth(options())
        role_id, scope = f"project:{PROJECT}/{TAG}", f"{PROJECT}:of-the-role"
        auth.createRole(role_id, {"scopes": [scope], "description": "Made by a check."})
        self.assertIn(scope, auth.expandScopes({"scopes": [f"assume:{role_id}"]})["scopes"])
        self.assertIn(scope, auth.role(role_id)["expandedScopes"])
        auth.deleteRole(role_id)
        self.assertNotIn(scope, auth.expandScopes({"scopes": [f"assume:{role_id}"]})["scopes"])

    @embedded_only
    def test_client_may_do_what_it_was_made_for_until_it_is_disabled(self):
        auth = taskcluster.Auth(options())
        client_id = f"project/{PROJECT}/{TAG}"
        request = {"expires": after(hours=1), "description": "Made by a check.", "scopes": ["auth:current-scopes"]}
        made = auth.createClient(client_id, request)
        own = {"clientId": client_id, "accessToken": made["accessToken"]}
        as_client = taskcluster.Auth(options(credentials=own))
        self.assertIn("auth:current-scopes", as_client.currentScopes()["scopes"])
        auth.disableClient(client_id)
        self.refused(401, "AuthenticationFailed", as_client.currentScopes)
        auth.deleteClient(client_id)

    @permanent_only
    def test_temporary_credentials_may_do_what_they_were_made_for(self):
        own = temporary(["auth:current-scopes"])
        scopes = taskcluster.Auth(options(credentials=own)).currentScopes()["scopes"]
        self.assertIn("auth:current-scopes", scopes)
        limited = taskcluster.Secrets(options(credentials=own))
        self.refused(403, "InsufficientScopes", limited.get, f"project/{PROJECT}/{TAG}")

    @embedded_only
    def test_named_temporary_credentials_may_do_what_they_were_made_for(self):
        own = temporary(["auth:current-scopes"], name=f"project/{PROJECT}/{TAG}/temporary")
        self.assertIn("auth:current-scopes", taskcluster.Auth(options(credentials=own)).currentScopes()["scopes"])
        stolen = own | {"clientId": f"project/{PROJECT}/{TAG}/another"}
        self.refused(401, "AuthenticationFailed", taskcluster.Auth(options(credentials=stolen)).currentScopes)

    def test_authorized_scopes_narrow_what_a_client_may_do(self):
        task_id = create()
        narrowed = taskcluster.Queue(options(authorizedScopes=["queue:get-task:*"]))
        self.assertEqual(narrowed.task(task_id)["schedulerId"], PROJECT)
        message = self.refused(403, "InsufficientScopes", narrowed.cancelTask, task_id)
        self.assertIn("queue:cancel-task", message)
        queue().cancelTask(task_id)

    def test_unknown_task_is_not_found(self):
        self.refused(404, "ResourceNotFound", queue().status, taskcluster.slugId())

    def test_malformed_task_is_refused_with_what_is_wrong(self):
        message = self.refused(400, "InputValidationError", queue().createTask, taskcluster.slugId(), {"payload": {}})
        self.assertIn("created", message)

    def test_wrong_access_token_is_an_error_of_its_own(self):
        wrong = options()["credentials"] | {"accessToken": taskcluster.slugId() * 2}
        auth = taskcluster.Auth(options(credentials=wrong))
        with self.assertRaises(taskcluster.exceptions.TaskclusterAuthFailure):
            auth.currentScopes()
