;; Has a memory that threads share, which no limit would count.
(module (memory 1 1024 shared))
