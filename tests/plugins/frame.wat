;; What each attack under wat/ is put into: a plugin that does nothing, but for the hooks that the attack defines, and those
;; only in a task whose payload asks for it: `NAME: MODE`, a digit from 1 to 9. `tests/it/attacks/hostile.rs` fills in what is
;; in comments, and a default for each of $describe, $payload_schema, $new_task, $build_sandbox, $started, $stopped,
;; $finished, $exception and $allocated that the attack does not define. The attack may use the memory from 2048 to 65536. Its
;; lines that import something go where imports must be.
(module
  (import "taskcluster:plugin/log@0.1.0" "task" (func $task_line (param i32 i32 i32)))
  (import "taskcluster:plugin/log@0.1.0" "worker" (func $worker_line (param i32 i32 i32)))
  (import "taskcluster:plugin/sandbox-builder@0.1.0" "[resource-drop]sandbox-builder" (func $drop_builder (param i32)))
  (import "taskcluster:plugin/sandbox@0.1.0" "[resource-drop]sandbox" (func $drop_sandbox (param i32)))
  (import "taskcluster:plugin/result-set@0.1.0" "[resource-drop]result-set" (func $drop_results (param i32)))
  (; imports ;)

  (memory $memory (export "memory") 4)
  (; attack ;)
  (; defaults ;)

  (; strings ;)
  ;; The answers Ok(()) and Ok(true), at 256 and 288.
  (data (i32.const 256) "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  (data (i32.const 288) "\00\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00")
  (func $ok (result i32) (i32.const 256))
  (func $yes (result i32) (i32.const 288))

  ;; What the payload asks for; 0 is nothing.
  (global $mode (mut i32) (i32.const 0))
  ;; Writes a line in both logs.
  (func $say (param $at i32) (param $length i32)
    (call $task_line (i32.const 1) (local.get $at) (local.get $length))
    (call $worker_line (i32.const 1) (local.get $at) (local.get $length)))

  ;; What is passed to it lies behind all else, and is written over when the memory is full.
  (global $heap (mut i32) (i32.const 65536))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (call $allocated)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (if (i32.gt_u (i32.add (local.get $at) (local.get 3)) (i32.const 262144))
      (then (local.set $at (i32.const 65536))))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (if (i32.gt_u (global.get $heap) (i32.const 262144)) (then unreachable))
    (local.get $at))

  (func (export "taskcluster:plugin/plugin@0.1.0#describe") (result i32) (call $describe))
  (func (export "taskcluster:plugin/plugin@0.1.0#payload-schema") (param i32 i32) (result i32)
    (call $payload_schema (local.get 0) (local.get 1)))

  ;; The payload is the last argument, an option of a text that ends with the digit and a brace.
  (func (export "taskcluster:plugin/task-hooks@0.1.0#new-task") (param $arguments i32) (result i32)
    (local $payload i32) (local $length i32)
    (local.set $payload (i32.load offset=112 (local.get $arguments)))
    (local.set $length (i32.load offset=116 (local.get $arguments)))
    (if (i32.and (i32.load8_u offset=108 (local.get $arguments)) (i32.gt_u (local.get $length) (i32.const 2)))
      (then (global.set $mode (i32.sub
        (i32.load8_u (i32.sub (i32.add (local.get $payload) (local.get $length)) (i32.const 2)))
        (i32.const 48)))))
    (if (result i32) (global.get $mode) (then (call $new_task)) (else (call $ok))))
  (func (export "taskcluster:plugin/task-hooks@0.1.0#build-sandbox") (param $handle i32) (result i32)
    (if (result i32) (global.get $mode) (then (call $build_sandbox (local.get $handle))) (else (call $ok)))
    (call $drop_builder (local.get $handle)))
  (func (export "taskcluster:plugin/task-hooks@0.1.0#started") (param $handle i32) (result i32)
    (if (result i32) (global.get $mode) (then (call $started (local.get $handle))) (else (call $ok)))
    (call $drop_sandbox (local.get $handle)))
  (func (export "taskcluster:plugin/task-hooks@0.1.0#stopped") (param $handle i32) (result i32)
    (if (result i32) (global.get $mode) (then (call $stopped (local.get $handle))) (else (call $yes)))
    (call $drop_results (local.get $handle)))
  (func (export "taskcluster:plugin/task-hooks@0.1.0#finished") (param $success i32) (result i32)
    (if (result i32) (global.get $mode) (then (call $finished (local.get $success))) (else (call $ok))))
  (func (export "taskcluster:plugin/task-hooks@0.1.0#exception") (param $reason i32) (result i32)
    (if (result i32) (global.get $mode) (then (call $exception (local.get $reason))) (else (call $ok)))))
