;; Computes without end in the first hook: many at a time leave no thread of the guests' idle.
(func $new_task (result i32)
  (loop $forever (br $forever))
  unreachable)
