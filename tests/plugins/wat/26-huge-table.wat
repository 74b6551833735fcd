;; Begins with a table of ten million elements.
(table $huge 10_000_000 funcref)
