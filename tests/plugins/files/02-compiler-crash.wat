;; Ends the compiler: 9 KiB that are small in all that can be counted before, and for which wasmtime 48 lays out 600 tables of
;; 4 MiB each. What is in repeat … end is written so often, with its number in place of n.
(component
  (; repeat 6 ;)
  (core module (func $f)
    (; repeat 100 ;) (table 1048576 funcref) (; end ;)
    (; repeat 100 ;) (elem (table (; n ;)) (i32.const 1048575) func $f) (; end ;))
  (; end ;)
  (component $nothing) (instance $empty (instantiate $nothing))
  (export "taskcluster:plugin/plugin@0.1.0" (instance $empty))
  (export "taskcluster:plugin/task-hooks@0.1.0" (instance $empty)))
