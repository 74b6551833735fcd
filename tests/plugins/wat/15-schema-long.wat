;; A schema of 2 MiB, nearly all of it spaces.
(func $payload_schema (param $config i32) (param $length i32) (result i32)
  (drop (memory.grow (i32.const 40)))
  (memory.fill (i32.const 262144) (i32.const 32) (i32.const 2097152))
  (i32.store16 (i32.const 262144) (i32.const 0x7d7b))
  (i32.const 2048))
(data (i32.const 2048) "\00\00\00\00" "\00\00\04\00" "\00\00\20\00")
