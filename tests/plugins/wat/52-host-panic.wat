;; Calls what breaks in the host. 1: sets a variable, which panics on the guest's own stack. 2: takes out a file, which panics
;; beside it, and says that it could not.
(import "taskcluster:plugin/environment@0.1.0" "set-variable" (func $set (param i32 i32 i32 i32 i32 i32)))
(import "taskcluster:plugin/results@0.1.0" "extract-file" (func $extract (param i32 i32 i32 i32)))
(data (i32.const 2048) "FILE")
(data (i32.const 2064) "52: it could not be taken out")

(func $build_sandbox (param $builder i32) (result i32)
  (if (i32.eq (global.get $mode) (i32.const 1))
    (then (call $set (local.get $builder) (i32.const 2048) (i32.const 4) (i32.const 2048) (i32.const 4) (i32.const 512))))
  (call $ok))

(func $stopped (param $results i32) (result i32)
  (call $extract (local.get $results) (i32.const 2048) (i32.const 4) (i32.const 512))
  ;; An error that is `refused`, for `other`.
  (if (i32.ne (i32.load8_u (i32.const 516)) (i32.const 4)) (then unreachable))
  (if (i32.ne (i32.load8_u (i32.const 520)) (i32.const 9)) (then unreachable))
  (call $say (i32.const 2064) (i32.const 29))
  (call $yes))
