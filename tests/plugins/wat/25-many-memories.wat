;; 1: has three memories, and grows each by less than all of them together may have. 2: asks for four gigabytes.
(memory $second 1)
(memory $third 1)

(func $grow (param $grown i32)
  ;; What allocators do that get no memory.
  (if (i32.eq (local.get $grown) (i32.const -1)) (then unreachable)))

(func $started (param $sandbox i32) (result i32)
  (if (i32.eq (global.get $mode) (i32.const 1))
    (then
      (call $grow (memory.grow $memory (i32.const 48)))
      (call $grow (memory.grow $second (i32.const 48)))
      (call $grow (memory.grow $third (i32.const 48))))
    (else (call $grow (memory.grow $memory (i32.const 65532)))))
  (call $ok))
