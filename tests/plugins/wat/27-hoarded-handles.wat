;; Holds 300 handles at a time. 1: of resources of its own. 2: of files, and says when it is refused another.
(import "[export]test:attacks/junk" "[resource-new]scrap" (func $new (param i32) (result i32)))
(import "taskcluster:plugin/files@0.1.0" "from-bytes" (func $from_bytes (param i32 i32 i32)))
(data (i32.const 2048) "27: no more files")

(func (export "test:attacks/junk#[constructor]scrap") (result i32) (call $new (i32.const 0)))
(func (export "test:attacks/junk#[dtor]scrap") (param i32))

(func $started (param $sandbox i32) (result i32)
  (local $held i32)
  (loop $more
    (if (i32.eq (global.get $mode) (i32.const 1))
      (then (drop (call $new (local.get $held))))
      (else
        (call $from_bytes (i32.const 2048) (i32.const 1) (i32.const 512))
        ;; An error that is `limit`.
        (if (i32.load8_u (i32.const 512))
          (then
            (if (i32.ne (i32.load8_u (i32.const 516)) (i32.const 5)) (then unreachable))
            (call $say (i32.const 2048) (i32.const 17))
            (return (call $ok))))))
    (local.set $held (i32.add (local.get $held) (i32.const 1)))
    (br_if $more (i32.lt_u (local.get $held) (i32.const 300))))
  (call $ok))
