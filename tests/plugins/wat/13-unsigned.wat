;; Takes part in every task, and says so. It is not what somebody has signed.
(start $always)
(func $always (global.set $mode (i32.const 1)))
(func $new_task (result i32)
  (call $say (i32.const 2048) (i32.const 11))
  (call $ok))
(data (i32.const 2048) "13: was run")
