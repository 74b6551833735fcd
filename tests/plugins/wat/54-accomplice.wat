;; Twice in one task, under two names, to pass on what one of them has. 1: makes a file and waits. 2: uses the number that the
;; other's file has. Both set one variable, and leave a mark for the next task.
(import "taskcluster:plugin/files@0.1.0" "from-bytes" (func $from_bytes (param i32 i32 i32)))
(import "taskcluster:plugin/files@0.1.0" "[method]file.size" (func $size (param i32) (result i64)))
(import "taskcluster:plugin/sandbox@0.1.0" "[method]sandbox.wait" (func $wait (param i32 i32 i64) (result i32)))
(import "taskcluster:plugin/environment@0.1.0" "set-variable" (func $set (param i32 i32 i32 i32 i32 i32)))
(func $build_sandbox (param $builder i32) (result i32)
  (if (i32.load (i32.const 4096)) (then (call $say (i32.const 2128) (i32.const 14))))
  (i32.store (i32.const 4096) (i32.const 1))
  (call $set (local.get $builder) (i32.const 2112) (i32.const 6) (i32.const 2112) (i32.const 6) (i32.const 2064))
  (if (i32.load8_u (i32.const 2064)) (then (call $say (i32.load (i32.const 2072)) (i32.load (i32.const 2076)))))
  (call $ok))
(func $started (param $sandbox i32) (result i32)
  (if (i32.eq (global.get $mode) (i32.const 2))
    (then
      (drop (call $wait (local.get $sandbox) (i32.const 1) (i64.const 50)))
      ;; In both of them it comes after that of the sandbox.
      (drop (call $size (i32.add (local.get $sandbox) (i32.const 1))))))
  (call $from_bytes (i32.const 2112) (i32.const 6) (i32.const 2064))
  (drop (call $wait (local.get $sandbox) (i32.const 0) (i64.const 0)))
  (call $ok))
(data (i32.const 2112) "SHARED")
(data (i32.const 2128) "54: remembered")
