;; Calls the host without end, each call a short one. 1: sleeps for a millisecond. 2: makes a file and drops it. 3: opens one.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
(import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop_timer (param i32)))
(import "taskcluster:plugin/files@0.1.0" "from-bytes" (func $from_bytes (param i32 i32 i32)))
(import "taskcluster:plugin/files@0.1.0" "[method]file.read" (func $read (param i32 i32)))
(import "taskcluster:plugin/files@0.1.0" "[resource-drop]reader" (func $drop_reader (param i32)))
(import "taskcluster:plugin/files@0.1.0" "[resource-drop]file" (func $drop_file (param i32)))

(func $started (param $sandbox i32) (result i32)
  (local $timer i32)
  (loop $forever
    (if (i32.eq (global.get $mode) (i32.const 1))
      (then
        (call $block (local.tee $timer (call $timer (i64.const 1_000_000))))
        (call $drop_timer (local.get $timer)))
      (else
        (call $from_bytes (i32.const 2048) (i32.const 64) (i32.const 512))
        (if (i32.eq (global.get $mode) (i32.const 3))
          (then
            (call $read (i32.load (i32.const 516)) (i32.const 544))
            (call $drop_reader (i32.load (i32.const 548)))))
        (call $drop_file (i32.load (i32.const 516)))))
    (br $forever))
  unreachable)
