;; Computes without end when an instance is made of it.
(start $forever)
(func $forever (loop $again (br $again)))
