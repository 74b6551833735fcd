;; A component that can have any number of calls under way at a time: it is lifted asynchronously.
(component
  (core module $code
    (func (export "begin"))
    (memory (export "memory") 1))
  (core instance $code (instantiate $code))
  (func (export "begin") async (canon lift (core func $code "begin") async)))
