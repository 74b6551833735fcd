;; Writes fifty lines of ten letters.
(data (i32.const 2048) "line flood")

(func $started (param $sandbox i32) (result i32)
  (local $written i32)
  (loop $more
    (call $say (i32.const 2048) (i32.const 10))
    (local.set $written (i32.add (local.get $written) (i32.const 1)))
    (br_if $more (i32.lt_u (local.get $written) (i32.const 50))))
  (call $ok))
