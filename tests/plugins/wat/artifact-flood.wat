;; Creates ten artifacts that refer elsewhere, and says when it is refused another.
(import "taskcluster:plugin/artifacts@0.1.0" "reference" (func $refer (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 2048) "public/0")
(data (i32.const 2064) "https://localhost/")
(data (i32.const 2096) "text/plain")
(data (i32.const 2112) "no more artifacts")

(func $started (param $sandbox i32) (result i32)
  (local $made i32)
  (loop $more
    (i32.store8 (i32.const 2055) (i32.add (local.get $made) (i32.const 48)))
    (call $refer (i32.const 2048) (i32.const 8) (i32.const 2064) (i32.const 18)
      (i32.const 2096) (i32.const 10) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
    ;; An error that is `limit`.
    (if (i32.load8_u (i32.const 512))
      (then
        (if (i32.ne (i32.load8_u (i32.const 516)) (i32.const 5)) (then unreachable))
        (call $say (i32.const 2112) (i32.const 17))
        (return (call $ok))))
    (local.set $made (i32.add (local.get $made) (i32.const 1)))
    (br_if $more (i32.lt_u (local.get $made) (i32.const 10))))
  (call $ok))
