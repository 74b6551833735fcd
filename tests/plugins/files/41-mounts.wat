;; Would mount something over the files of the worker: there is nothing that mounts.
(component
  (import "taskcluster:plugin/mounts@0.1.0" (instance))
  (component $nothing) (instance $empty (instantiate $nothing))
  (export "taskcluster:plugin/plugin@0.1.0" (instance $empty))
  (export "taskcluster:plugin/task-hooks@0.1.0" (instance $empty)))
