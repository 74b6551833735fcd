;; 1: passes a text of two megabytes to the log. 2: makes a file of as many bytes, and says that it could not.
(import "taskcluster:plugin/files@0.1.0" "from-bytes" (func $from_bytes (param i32 i32 i32)))
(data (i32.const 2048) "28: too many bytes")

(func $started (param $sandbox i32) (result i32)
  (if (i32.eq (memory.grow (i32.const 32)) (i32.const -1)) (then unreachable))
  (if (i32.eq (global.get $mode) (i32.const 1))
    (then
      (memory.fill (i32.const 65536) (i32.const 120) (i32.const 2_097_152))
      (call $task_line (i32.const 1) (i32.const 65536) (i32.const 2_097_152)))
    (else
      (call $from_bytes (i32.const 65536) (i32.const 2_097_152) (i32.const 512))
      (if (i32.ne (i32.load8_u (i32.const 516)) (i32.const 5)) (then unreachable))
      (call $say (i32.const 2048) (i32.const 18))))
  (call $ok))
