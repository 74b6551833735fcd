;; Calls the host from within a call of the host: where the answer of the first is to be put.
(import "taskcluster:plugin/files@0.1.0" "from-bytes" (func $from_bytes (param i32 i32 i32)))
(import "taskcluster:plugin/files@0.1.0" "[method]file.read" (func $read (param i32 i32)))
(import "taskcluster:plugin/files@0.1.0" "[method]reader.next" (func $next (param i32 i32 i32)))
(global $asked (mut i32) (i32.const 0))
(data (i32.const 2048) "50: within a call")

(func $allocated
  (if (global.get $asked) (then (call $say (i32.const 2048) (i32.const 17)))))

(func $started (param $sandbox i32) (result i32)
  (call $from_bytes (i32.const 2048) (i32.const 17) (i32.const 512))
  (call $read (i32.load (i32.const 516)) (i32.const 544))
  (global.set $asked (i32.const 1))
  (call $next (i32.load (i32.const 548)) (i32.const 17) (i32.const 576))
  (call $ok))
