;; Calls itself until the stack is full.
(func $deeper (param $depth i64) (result i64)
  (i64.add (call $deeper (i64.add (local.get $depth) (i64.const 1))) (local.get $depth)))

(func $started (param $sandbox i32) (result i32)
  (drop (call $deeper (i64.const 0)))
  (call $ok))
