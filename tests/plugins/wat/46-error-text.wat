;; Answers an error of 192 KiB that hides, repaints and forges lines, and holds a script for whoever shows it as HTML.
(func $stopped (param $results i32) (result i32)
  (local $at i32)
  (local.set $at (i32.const 65536))
  (loop $again
    (memory.copy (local.get $at) (i32.const 3072) (i32.const 128))
    (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 128))) (i32.const 262144))))
  (i32.store8 (i32.const 2052) (i32.sub (global.get $mode) (i32.const 1)))
  (i32.const 2048))
(data (i32.const 2048) "\01\00\00\00" "\00\00\00\00" "\00\00\01\00" "\00\00\03\00")
(data (i32.const 3072) "\1b[2J\1b[1A<script>alert(1)</script>\0d\n[taskcluster 2026-01-01T00:00:00.000Z] Successful task run\n")
(data (i32.const 3164) "\e2\80\aegnidih      \c2\9b31m                    ")
