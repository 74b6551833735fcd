;; Has a schema that is refused, for an expression that looks like a line of the worker's log.
(func $payload_schema (param $config i32) (param $length i32) (result i32) (i32.const 2048))
(data (i32.const 2048) "\00\00\00\00" "\00\09\00\00" "\75\00\00\00")
(data (i32.const 2304) "{\22properties\22: {\22a\22: {\22pattern\22: \22(\\n2026-01-01T00:00:00.000000Z ERROR forged: as the worker's own\\u001b[2J\\u202e\22}}}")
