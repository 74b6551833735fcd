;; Opens and never closes, and says how often it could. 1: a file of its own. 2: a folder that the sandbox left behind.
(import "taskcluster:plugin/files@0.1.0" "from-bytes" (func $from_bytes (param i32 i32 i32)))
(import "taskcluster:plugin/files@0.1.0" "[method]file.read" (func $read (param i32 i32)))
(import "taskcluster:plugin/results@0.1.0" "extract-folder" (func $extract (param i32 i32 i32 i32)))
(data (i32.const 2048) "endless")
(data (i32.const 2064) "27: opened 64 readers and no more")
(data (i32.const 2112) "27: opened 4 folders and no more")

(func $started (param $sandbox i32) (result i32)
  (local $file i32) (local $open i32)
  (if (i32.ne (global.get $mode) (i32.const 1)) (then (return (call $ok))))
  (call $from_bytes (i32.const 2048) (i32.const 1) (i32.const 512))
  (if (i32.load8_u (i32.const 512)) (then unreachable))
  (local.set $file (i32.load (i32.const 516)))
  (loop $more
    (call $read (local.get $file) (i32.const 512))
    (if (i32.eqz (i32.load8_u (i32.const 512)))
      (then
        (local.set $open (i32.add (local.get $open) (i32.const 1)))
        (br $more))))
  ;; `limit`, at the 65th.
  (if (i32.ne (i32.load8_u (i32.const 516)) (i32.const 5)) (then unreachable))
  (if (i32.ne (local.get $open) (i32.const 64)) (then unreachable))
  (call $say (i32.const 2064) (i32.const 33))
  (call $ok))

(func $stopped (param $results i32) (result i32)
  (local $open i32)
  (if (i32.ne (global.get $mode) (i32.const 2)) (then (return (call $yes))))
  (loop $more
    (call $extract (local.get $results) (i32.const 2048) (i32.const 7) (i32.const 512))
    (if (i32.eqz (i32.load8_u (i32.const 512)))
      (then
        (local.set $open (i32.add (local.get $open) (i32.const 1)))
        (br $more))))
  (if (i32.ne (local.get $open) (i32.const 4)) (then unreachable))
  (call $say (i32.const 2112) (i32.const 32))
  (call $yes))
