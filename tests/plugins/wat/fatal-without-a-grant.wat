;; Says that the worker is broken and must stop. 1: while the sandbox runs. 2: once it has ended.
(func $started (param $sandbox i32) (result i32)
  (if (result i32) (i32.eq (global.get $mode) (i32.const 1)) (then (i32.const 2048)) (else (call $ok))))
(func $stopped (param $results i32) (result i32)
  (if (result i32) (i32.eq (global.get $mode) (i32.const 2)) (then (i32.const 2048)) (else (call $yes))))
(data (i32.const 2048) "\01\00\00\00" "\04\00\00\00" "\10\08\00\00" "\14\00\00\00")
(data (i32.const 2064) "the worker must stop")
