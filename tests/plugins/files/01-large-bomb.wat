;; A compile bomb that nests nothing: one function of 300 KiB. What is in repeat … end is written so often.
(component
  (core module (func (; repeat 60000 ;) i32.const 1 if end (; end ;)))
  (component $nothing) (instance $empty (instantiate $nothing))
  (export "taskcluster:plugin/plugin@0.1.0" (instance $empty))
  (export "taskcluster:plugin/task-hooks@0.1.0" (instance $empty)))
