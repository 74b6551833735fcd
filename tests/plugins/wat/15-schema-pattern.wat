;; A schema with an expression that an engine unrolls to ten thousand million states.
(func $payload_schema (param $config i32) (param $length i32) (result i32) (i32.const 2048))
(data (i32.const 2048) "\00\00\00\00" "\00\09\00\00" "\4b\00\00\00")
(data (i32.const 2304) "{\22properties\22: {\22a\22: {\22pattern\22: \22((((a{1,99}){1,99}){1,99}){1,99}){99}\22}}}")
