;; Takes part in every task, under whatever name it is given: one of a plugin that is there, or one that looks the same.
(start $always)
(func $always (global.set $mode (i32.const 1)))
(func $new_task (result i32)
  (call $say (i32.const 2048) (i32.const 11))
  (call $ok))
(data (i32.const 2048) "9: squatted")
