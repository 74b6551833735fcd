;; Traps in `started`, with its memory poisoned, and says so where it is called again.
(global $poison (mut i32) (i32.const 0))
(data (i32.const 2048) "47: called after a trap")

(func $check
  (if (global.get $poison) (then (call $say (i32.const 2048) (i32.const 23)))))
(func $new_task (result i32) (call $check) (call $ok))
(func $started (param $sandbox i32) (result i32)
  (global.set $poison (i32.const 1))
  unreachable)
(func $stopped (param $results i32) (result i32) (call $check) (call $yes))
(func $finished (param $success i32) (result i32) (call $check) (call $ok))
(func $exception (param $reason i32) (result i32) (call $check) (call $ok))
