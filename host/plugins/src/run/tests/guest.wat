;; A core module that wit-component makes a plugin of. The parts in comments are filled in by guest.rs.
(module
  (import "taskcluster:plugin/log@0.1.0" "task" (func $log (param i32 i32 i32)))
  (import "taskcluster:plugin/environment@0.1.0" "set-variable" (func $set_variable (param i32 i32 i32 i32 i32 i32)))
  (import "taskcluster:plugin/sandbox-builder@0.1.0" "[resource-drop]sandbox-builder" (func $drop_builder (param i32)))
  (import "taskcluster:plugin/sandbox@0.1.0" "[method]sandbox.wait" (func $wait (param i32 i32 i64) (result i32)))
  (import "taskcluster:plugin/sandbox@0.1.0" "[resource-drop]sandbox" (func $drop_sandbox (param i32)))
  (import "taskcluster:plugin/kill@0.1.0" "kill" (func $kill (param i32 i32)))
  (import "taskcluster:plugin/result-set@0.1.0" "[resource-drop]result-set" (func $drop_results (param i32)))
  (import "taskcluster:plugin/results@0.1.0" "extract-file" (func $extract_file (param i32 i32 i32 i32)))
  (import "taskcluster:plugin/results@0.1.0" "extract-folder" (func $extract_folder (param i32 i32 i32 i32)))
  (import "taskcluster:plugin/results@0.1.0" "[method]folder.next" (func $next_entry (param i32 i32)))
  (import "taskcluster:plugin/files@0.1.0" "from-bytes" (func $from_bytes (param i32 i32 i32)))
  (import "taskcluster:plugin/files@0.1.0" "[resource-drop]file" (func $drop_file (param i32)))
  (import "taskcluster:plugin/files@0.1.0" "[method]file.size" (func $size (param i32) (result i64)))
  (import "taskcluster:plugin/files@0.1.0" "[method]file.read" (func $read (param i32 i32)))
  (import "taskcluster:plugin/files@0.1.0" "[method]reader.next" (func $next (param i32 i32 i32)))
  (import "taskcluster:plugin/artifacts@0.1.0" "upload" (func $upload (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "taskcluster:plugin/artifacts@0.1.0" "next-outcome" (func $next_outcome (param i32)))
  (import "taskcluster:plugin/artifacts@0.1.0" "reference" (func $reference (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "taskcluster:plugin/artifacts@0.1.0" "link" (func $link (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "taskcluster:plugin/artifacts@0.1.0" "report-error" (func $report_error (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "taskcluster:plugin/task-definition@0.1.0" "get" (func $definition (param i32)))
  (import "taskcluster:plugin/task-log@0.1.0" "content" (func $log_content (param i32)))
  (import "taskcluster:plugin/task-log@0.1.0" "live-url" (func $live_url (param i32)))
  (import "taskcluster:plugin/lifecycle@0.1.0" "worker" (func $worker (result i32)))
  (import "taskcluster:plugin/lifecycle@0.1.0" "[method]lifecycle.stop-gracefully" (func $stop_gracefully (param i32 i32 i32)))
  (import "taskcluster:plugin/lifecycle@0.1.0" "[method]lifecycle.stop-now" (func $stop_now (param i32 i32 i32)))
  (import "taskcluster:plugin/lifecycle@0.1.0" "[method]lifecycle.stopping" (func $stopping (param i32) (result i32)))

  (memory (export "memory") 4)
  ;; Names that hooks pass: "NAME" at 0, "public/a" at 16, "text/plain" at 32, a control sequence at 48, "PANIC" at 64,
  ;; the queue's word for a missing file at 80.
  (data (i32.const 0) "NAME")
  (data (i32.const 16) "public/a")
  (data (i32.const 32) "text/plain")
  (data (i32.const 48) "a\1b[2Jb")
  (data (i32.const 64) "PANIC")
  (data (i32.const 80) "file-missing-on-worker")
  ;; What `describe` answers: five empty lists but for the config schema; what `payload-schema` answers.
  (data (i32.const 124) "{}")
  (data (i32.const 128) "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\7c\00\00\00\02\00\00\00")
  (data (i32.const 192) "\00\00\00\00\7c\00\00\00\02\00\00\00")
  ;; Ok(()) and Ok(true).
  (data (i32.const 256) "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  (data (i32.const 288) "\00\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00")

  ;; What is passed to it lies behind all else, and is forgotten when the memory is full.
  (global $heap (mut i32) (i32.const 65536))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (if (i32.gt_u (global.get $heap) (i32.const 262144)) (then unreachable))
    (local.get $at))

  ;; Set where a hook is to keep its handle.
  (global $keep (mut i32) (i32.const 0))
  ;; What a hook remembers for the next.
  (global $memory (mut i32) (i32.const 0))

  (func $ok (result i32) (i32.const 256))
  (func $no (result i32) (i32.store8 (i32.const 292) (i32.const 0)) (i32.const 288))
  ;; The error of a hook, by its place in `hook-error`; the message is "NAME".
  (func $fail (param $case i32) (result i32)
    (i32.store8 (i32.const 320) (i32.const 1))
    (i32.store8 (i32.const 324) (local.get $case))
    (i32.store (i32.const 328) (i32.const 0))
    (i32.store (i32.const 332) (i32.const 4))
    (i32.const 320))
  ;; Traps unless the result at 512 is the error of this place in `error`; 99 stands for no error.
  (func $expect (param $case i32)
    (if (i32.eq (local.get $case) (i32.const 99))
      (then (if (i32.load8_u (i32.const 512)) (then unreachable)))
      (else
        (if (i32.eqz (i32.load8_u (i32.const 512))) (then unreachable))
        (if (i32.ne (i32.load8_u (i32.const 516)) (local.get $case)) (then unreachable)))))
  ;; Traps unless the result at 512 is a refusal of `results` for this reason, by its place in `error`.
  (func $expect_refused (param $case i32)
    (call $expect (i32.const 4))
    (if (i32.ne (i32.load8_u (i32.const 520)) (local.get $case)) (then unreachable)))
  ;; Writes in the task's log the text whose address and length are there.
  (func $say (param $at i32)
    (call $log (i32.const 1) (i32.load (local.get $at)) (i32.load offset=4 (local.get $at))))
  ;; A file of so many bytes, which the result at 512 has.
  (func $make (param $bytes i32) (call $from_bytes (i32.const 0) (local.get $bytes) (i32.const 512)))
  ;; Queues an upload of four bytes as public/a.
  (func $queue
    (call $make (i32.const 4))
    (call $upload (i32.const 16) (i32.const 8) (i32.load (i32.const 516)) (i32.const 0)
      (i32.const 32) (i32.const 10) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512)))
  ;; Opens the whole log.
  (func $read_log
    (call $log_content (i32.const 512)) (call $expect (i32.const 99))
    (call $read (i32.load (i32.const 516)) (i32.const 512)))
  ;; Creates a reference as public/a.
  (func $refer
    (call $reference (i32.const 16) (i32.const 8) (i32.const 16) (i32.const 8)
      (i32.const 32) (i32.const 10) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512)))

  (func (export "taskcluster:plugin/plugin@0.1.0#describe") (result i32) (; describe ;) (i32.const 128))
  (func (export "taskcluster:plugin/plugin@0.1.0#payload-schema") (param i32 i32) (result i32) (i32.const 192))
  (func $new_task (export "taskcluster:plugin/task-hooks@0.1.0#new-task") (param i32) (result i32) (; new-task ;))
  (func $build_sandbox (param $handle i32) (result i32) (; build-sandbox ;))
  (func $started (param $handle i32) (result i32) (; started ;))
  (func $stopped (param $handle i32) (result i32) (; stopped ;))
  (func $finished (export "taskcluster:plugin/task-hooks@0.1.0#finished") (param i32) (result i32) (; finished ;))
  (func $exception (export "taskcluster:plugin/task-hooks@0.1.0#exception") (param i32) (result i32) (; exception ;))

  (func (export "taskcluster:plugin/task-hooks@0.1.0#build-sandbox") (param i32) (result i32)
    (call $build_sandbox (local.get 0))
    (if (i32.eqz (global.get $keep)) (then (call $drop_builder (local.get 0)))))
  (func (export "taskcluster:plugin/task-hooks@0.1.0#started") (param i32) (result i32)
    (call $started (local.get 0))
    (call $drop_sandbox (local.get 0)))
  (func (export "taskcluster:plugin/task-hooks@0.1.0#stopped") (param i32) (result i32)
    (call $stopped (local.get 0))
    (call $drop_results (local.get 0)))
  (; rest ;))
