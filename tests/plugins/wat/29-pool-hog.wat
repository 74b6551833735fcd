;; Has as many memories as the operator allows, in each of many runs at a time, so that nobody else's instance would find room.
(memory 1)
(memory 1)
(memory 1)
