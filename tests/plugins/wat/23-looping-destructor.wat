;; Has a resource of its own whose destructor does not end. 1: drops one. 2: keeps one and traps. 3: keeps one.
(import "[export]test:attacks/junk" "[resource-new]scrap" (func $new (param i32) (result i32)))
(import "[export]test:attacks/junk" "[resource-drop]scrap" (func $drop (param i32)))
(data (i32.const 2048) "23: the destructor ran in mode 0")

(func (export "test:attacks/junk#[constructor]scrap") (result i32) (call $new (i32.const 0)))
(func (export "test:attacks/junk#[dtor]scrap") (param $mode i32)
  (i32.store8 (i32.const 2079) (i32.add (local.get $mode) (i32.const 48)))
  (call $say (i32.const 2048) (i32.const 32))
  (loop $forever (br $forever)))

(func $started (param $sandbox i32) (result i32)
  (local $scrap i32)
  (local.set $scrap (call $new (global.get $mode)))
  (if (i32.eq (global.get $mode) (i32.const 1)) (then (call $drop (local.get $scrap))))
  (if (i32.eq (global.get $mode) (i32.const 2)) (then unreachable))
  (call $ok))
