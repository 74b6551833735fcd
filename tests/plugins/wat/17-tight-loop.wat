;; Computes without end.
(func $started (param $sandbox i32) (result i32)
  (loop $forever (br $forever))
  unreachable)
