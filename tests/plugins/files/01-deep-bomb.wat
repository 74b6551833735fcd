;; A compile bomb: one function of tests in tests, 60 KiB, over which a compiler spends seconds and hundreds of megabytes; with
;; four times as many it is half a minute and gigabytes. What is in repeat … end is written so often.
(component
  (core module (func (; repeat 12000 ;) i32.const 1 if (; end ;) (; repeat 12000 ;) end (; end ;)))
  (component $nothing) (instance $empty (instantiate $nothing))
  (export "taskcluster:plugin/plugin@0.1.0" (instance $empty))
  (export "taskcluster:plugin/task-hooks@0.1.0" (instance $empty)))
