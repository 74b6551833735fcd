;; Waits in the host for as long as the sandbox runs, and waits again when it is told to end.
(import "taskcluster:plugin/sandbox@0.1.0" "[method]sandbox.wait" (func $wait (param i32 i32 i64) (result i32)))
(data (i32.const 2048) "51: waits")

(func $started (param $sandbox i32) (result i32)
  (call $say (i32.const 2048) (i32.const 9))
  (loop $forever
    (drop (call $wait (local.get $sandbox) (i32.const 0) (i64.const 0)))
    (br $forever))
  unreachable)
