;; Allocates on a heap that is collected, beside the memories that are counted.
(module
  (type $bytes (array (mut i8)))
  (func (export "eat") (drop (array.new_default $bytes (i32.const 1_000_000)))))
