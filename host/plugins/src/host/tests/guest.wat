;; A plugin with nothing behind its hooks. The parts in comments are filled in by fixture.rs.
(component
  (; imports ;)
  (core module $code
    (memory (export "memory") 1)
    (; data ;)
    ;; Everything that is passed to it lies where nothing else does.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768))
    (func (export "describe") (result i32) (; describe ;) (i32.const 16))
    (func (export "payload-schema") (param i32 i32) (result i32) (i32.const 64))
    (func (export "hook")))
  (core instance $code (instantiate $code))
  (alias core export $code "memory" (core memory $memory))
  (alias core export $code "realloc" (core func $realloc))

  (type $section (record (field "title" string) (field "content" string)))
  (type $description (record
    (field "name" string) (field "version" string) (field "summary" string)
    (field "documentation" (list $section)) (field "config-schema" string)))
  (func $describe (result $description)
    (canon lift (core func $code "describe") (memory $memory) (realloc $realloc)))
  (func $payload-schema (param "config" string) (result (result string (error string)))
    (canon lift (core func $code "payload-schema") (memory $memory) (realloc $realloc)))
  (func $hook (canon lift (core func $code "hook")))

  ;; Types of an exported interface are exported themselves, which takes a component of its own.
  (component $plugin
    (type $s (record (field "title" string) (field "content" string)))
    (import "import-section" (type $section (eq $s)))
    (type $d (record
      (field "name" string) (field "version" string) (field "summary" string)
      (field "documentation" (list $section)) (field "config-schema" string)))
    (import "import-description" (type $description (eq $d)))
    (import "import-describe" (func $describe (result $description)))
    (import "import-payload-schema"
      (func $payload-schema (param "config" string) (result (result string (error string)))))
    (export $exported-section "section" (type $section))
    (type $e (record
      (field "name" string) (field "version" string) (field "summary" string)
      (field "documentation" (list $exported-section)) (field "config-schema" string)))
    (export $exported-description "description" (type $e))
    (export "describe" (func $describe) (func (result $exported-description)))
    (export "payload-schema" (func $payload-schema)))
  (instance $plugin (instantiate $plugin
    (with "import-section" (type $section))
    (with "import-description" (type $description))
    (with "import-describe" (func $describe))
    (with "import-payload-schema" (func $payload-schema))))
  (export "taskcluster:plugin/plugin@0.1.0" (instance $plugin))

  (instance $hooks
    (export "new-task" (func $hook))
    (export "build-sandbox" (func $hook))
    (export "started" (func $hook))
    (export "stopped" (func $hook))
    (export "finished" (func $hook))
    (export "exception" (func $hook)))
  (export "taskcluster:plugin/task-hooks@0.1.0" (instance $hooks)))
