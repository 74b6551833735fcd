;; Reaches for the network, where the cloud's metadata and whatever trusts the worker's address are.
(component
  (import "wasi:http/types@0.2.6" (instance))
  (import "wasi:http/outgoing-handler@0.2.6" (instance))
  (import "wasi:sockets/tcp@0.2.6" (instance))
  (import "wasi:sockets/ip-name-lookup@0.2.6" (instance))
  (component $nothing) (instance $empty (instantiate $nothing))
  (export "taskcluster:plugin/plugin@0.1.0" (instance $empty))
  (export "taskcluster:plugin/task-hooks@0.1.0" (instance $empty)))
