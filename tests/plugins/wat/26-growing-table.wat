;; Grows its tables by 10 000 elements.
(table $first 1 funcref)
(table $second 1 funcref)

(func $started (param $sandbox i32) (result i32)
  (if (i32.eq (table.grow $first (ref.null func) (i32.const 5_000)) (i32.const -1)) (then unreachable))
  (if (i32.eq (table.grow $second (ref.null func) (i32.const 5_000)) (i32.const -1)) (then unreachable))
  (call $ok))
