;; Walks through a folder that has no end.
(import "taskcluster:plugin/results@0.1.0" "extract-folder" (func $extract (param i32 i32 i32 i32)))
(import "taskcluster:plugin/results@0.1.0" "[method]folder.next" (func $next (param i32 i32)))
(import "taskcluster:plugin/files@0.1.0" "[resource-drop]file" (func $drop_file (param i32)))
(data (i32.const 2048) "endless")

(func $stopped (param $results i32) (result i32)
  (local $folder i32)
  (call $extract (local.get $results) (i32.const 2048) (i32.const 7) (i32.const 512))
  (if (i32.load8_u (i32.const 512)) (then unreachable))
  (local.set $folder (i32.load (i32.const 516)))
  (loop $forever
    (call $next (local.get $folder) (i32.const 544))
    ;; No error, an entry, and its content.
    (if (i32.load8_u (i32.const 544)) (then unreachable))
    (if (i32.eqz (i32.load8_u (i32.const 548))) (then unreachable))
    (call $drop_file (i32.load (i32.const 564)))
    (br $forever))
  unreachable)
