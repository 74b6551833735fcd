;; Fills all the memory that it can get in one instruction, again and again: between two of them nobody looks at it.
(func $started (param $sandbox i32) (result i32)
  (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
  (loop $forever
    (memory.fill (i32.const 65536) (i32.const 1)
      (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 65536)))
    (br $forever))
  unreachable)
