;; 1: sleeps for ten hours in one call of the host. 2: takes a file out of a result set that gives it too late, and says whether
;; the host has cut that short.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
(import "taskcluster:plugin/results@0.1.0" "extract-file" (func $extract (param i32 i32 i32 i32)))
(data (i32.const 2048) "late")
(data (i32.const 2064) "18: there it is")
(data (i32.const 2080) "18: cut short")

(func $started (param $sandbox i32) (result i32)
  (if (i32.eq (global.get $mode) (i32.const 1))
    (then (call $block (call $timer (i64.const 36_000_000_000_000)))))
  (call $ok))

(func $stopped (param $results i32) (result i32)
  (call $extract (local.get $results) (i32.const 2048) (i32.const 4) (i32.const 512))
  ;; An error that is `refused`, for a `limit`.
  (if (i32.eqz (i32.load8_u (i32.const 512))) (then (call $say (i32.const 2064) (i32.const 15))))
  (if (i32.eq (i32.and (i32.load (i32.const 520)) (i32.const 255)) (i32.const 5))
    (then (call $say (i32.const 2080) (i32.const 13))))
  (call $yes))
