;; Names things that it was not given. 1: makes eight files and waits, so that there is something to name. 2: files of others,
;; by guessing their numbers. 3: the builder as if it were a sandbox. 4: the sandbox, once all is over.
(import "taskcluster:plugin/files@0.1.0" "from-bytes" (func $from_bytes (param i32 i32 i32)))
(import "taskcluster:plugin/files@0.1.0" "[method]file.size" (func $size (param i32) (result i64)))
(import "taskcluster:plugin/sandbox@0.1.0" "[method]sandbox.wait" (func $wait (param i32 i32 i64) (result i32)))
(global $kept (mut i32) (i32.const 0))
(func $build_sandbox (param $builder i32) (result i32)
  (if (i32.eq (global.get $mode) (i32.const 3))
    (then (drop (call $wait (local.get $builder) (i32.const 1) (i64.const 0)))))
  (call $ok))
(func $started (param $sandbox i32) (result i32)
  (local $n i32)
  (global.set $kept (local.get $sandbox))
  (if (i32.eq (global.get $mode) (i32.const 4)) (then (return (call $ok))))
  (if (i32.eq (global.get $mode) (i32.const 2))
    (then
      ;; The first is the sandbox, which is its own.
      (local.set $n (local.get $sandbox))
      (loop $again
        (drop (call $size (local.tee $n (i32.add (local.get $n) (i32.const 1)))))
        (br $again))))
  (loop $again
    (call $from_bytes (i32.const 2048) (i32.const 8) (i32.const 2064))
    (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 8))))
  (drop (call $wait (local.get $sandbox) (i32.const 0) (i64.const 0)))
  (call $ok))
(func $finished (param $success i32) (result i32)
  (if (i32.eq (global.get $mode) (i32.const 4))
    (then (drop (call $wait (global.get $kept) (i32.const 1) (i64.const 0)))))
  (call $ok))
(data (i32.const 2048) "a secret")
