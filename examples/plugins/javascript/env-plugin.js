/**
 * The plugin `env` in JavaScript: the variables of a task's environment. It does what guest-plugins/env does in Rust.
 *
 * `componentize-js` looks for an export for each interface that the world exports, here `plugin` and `taskHooks`, whose
 * functions it calls. What is at the top level runs when the component is built, not for each task: an instance begins
 * with what was there then. One instance serves one run of one task, so the state of the task is plainly a variable.
 */

import { setVariable } from "taskcluster:plugin/environment@0.1.0";

const documentation = `\
Variables of a task's environment, by name. Every value is a string:

\`\`\`yaml
env:
  RUST_BACKTRACE: "1"
\`\`\`

The worker sets \`TASK_ID\`, \`RUN_ID\`, \`TASK_GROUP_ID\` and \`TASKCLUSTER_ROOT_URL\`, and, where the operator says what they are,
\`TASKCLUSTER_WORKER_LOCATION\` and \`TASKCLUSTER_INSTANCE_TYPE\`. These can't be replaced. The operator may set more, which a
task's own value replaces.
`;

/** What the operator may write under `plugins.env.config`. */
const configSchema = {
  type: "object",
  properties: {
    extra: {
      title: "Variables of every task",
      description: "Variables for every task, by name. A task may set its own value.",
      type: "object",
      additionalProperties: { type: "string" },
    },
  },
  additionalProperties: false,
};

/** What a task may write in its payload. The worker merges it with those of its engine and of the other plugins. */
const payloadSchema = {
  type: "object",
  properties: {
    env: {
      title: "Environment variables",
      description:
        "Environment variables of the task, by name. Those that the worker sets itself (TASK_ID, RUN_ID, " +
        "TASK_GROUP_ID, TASKCLUSTER_ROOT_URL, …) can't be replaced.",
      type: "object",
      additionalProperties: { type: "string" },
    },
  },
};

/** What the plugin says of itself. The worker asks when it loads it, in an instance that serves no task. */
export const plugin = {
  describe() {
    return {
      name: "env",
      version: "0.1.0",
      summary: "Sets the environment variables of the task.",
      documentation: [{ title: "Environment variables", content: documentation }],
      configSchema: JSON.stringify(configSchema),
    };
  },

  payloadSchema(_config) {
    return JSON.stringify(payloadSchema);
  },
};

/** Of the task that this instance serves, by name. A map, since `__proto__` may be a variable's name. */
const variables = new Map();

/** The names that the task itself sets. */
const ownNames = new Set();

/** What the plugin does in a task, in the order in which it happens. */
export const taskHooks = {
  newTask(task, worker, config, payload) {
    // Both are valid, as the schemas have it. There is no payload where the task's is not.
    const { extra } = JSON.parse(config);
    const { env } = JSON.parse(payload ?? "{}");
    for (const name of Object.keys(env ?? {})) {
      ownNames.add(name);
    }
    // Later ones win: a task replaces what the operator sets, and can't pass for another.
    for (const some of [extra ?? {}, env ?? {}, ofWorker(task, worker)]) {
      for (const [name, value] of Object.entries(some)) {
        variables.set(name, value);
      }
    }
  },

  buildSandbox(builder) {
    for (const [name, value] of variables) {
      try {
        setVariable(builder, name, value);
      } catch (refused) {
        throw hookError(refused.payload, name);
      }
    }
  },

  started(_sandbox) {},

  stopped(_results) {
    return true;
  },

  finished(_success) {},

  exception(_reason) {},
};

/** What the worker tells every task. */
function ofWorker(task, worker) {
  const all = {
    TASK_ID: task.taskId,
    RUN_ID: String(task.runId),
    TASK_GROUP_ID: task.taskGroupId,
    TASKCLUSTER_ROOT_URL: worker.rootUrl,
  };
  const metadata = new Map(worker.metadata);
  const optional = { TASKCLUSTER_WORKER_LOCATION: "location", TASKCLUSTER_INSTANCE_TYPE: "instanceType" };
  for (const [name, key] of Object.entries(optional)) {
    if (metadata.has(key)) {
      all[name] = metadata.get(key);
    }
  }
  return all;
}

/**
 * What a hook throws where the worker refused to set a variable. The case says who is to blame, and so how the task is
 * resolved. Any `Error` that is thrown ends the instance, as a trap does: the worker takes it for a fault of the plugin's.
 *
 * @param {{tag: string, val?: string}} error of the interface `types`
 * @param {string} name of the variable
 * @returns {{tag: string, val: string}} a `hook-error`
 */
function hookError(error, name) {
  const message = error.val ?? error.tag;
  switch (error.tag) {
    case "invalid":
    case "conflict":
    case "not-supported":
      return { tag: "malformed-payload", val: message };
    case "denied":
      // What an operator lets no task set is the task's to leave out.
      return { tag: ownNames.has(name) ? "malformed-payload" : "internal", val: message };
    case "unavailable":
      return { tag: "resource-unavailable", val: message };
    default:
      return { tag: "internal", val: message };
  }
}
