;; Has a schema for its config that the secret in there can't fit, so that the error shows it.
(func $describe (result i32) (i32.const 2304))
;; Name, version, summary, no documentation, schema of the config: address and length of each.
(data (i32.const 2304) "\00\0a\00\00\13\00\00\00" "\20\0a\00\00\05\00\00\00" "\40\0a\00\00\0a\00\00\00")
(data (i32.const 2328) "\00\00\00\00\00\00\00\00" "\60\0a\00\00\6b\00\00\00")
(data (i32.const 2560) "45-secret-in-errors")
(data (i32.const 2592) "1.0.0")
(data (i32.const 2624) "An attack.")
(data (i32.const 2656) "{\22properties\22: {\22token\22: {\22type\22: \22integer\22}, \22more\22: {\22enum\22: [1]}, \22last\22: {\22items\22: {\22pattern\22: \22^$\22}}}}")
