;; Put in the place of a plugin that may kill tasks, it kills every task.
(import "taskcluster:plugin/kill@0.1.0" "kill" (func $kill (param i32 i32)))
(start $always)
(func $always (global.set $mode (i32.const 1)))
(func $started (param $sandbox i32) (result i32)
  (call $kill (local.get $sandbox) (i32.const 2048))
  (call $ok))
