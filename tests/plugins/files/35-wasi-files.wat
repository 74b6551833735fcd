;; Reaches for the files of the machine.
(component
  (import "wasi:filesystem/preopens@0.2.6" (instance))
  (import "wasi:filesystem/types@0.2.6" (instance))
  (component $nothing) (instance $empty (instantiate $nothing))
  (export "taskcluster:plugin/plugin@0.1.0" (instance $empty))
  (export "taskcluster:plugin/task-hooks@0.1.0" (instance $empty)))
