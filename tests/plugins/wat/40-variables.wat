;; Sets variables that change what is run, or that are none, and says what each of them came to.
(import "taskcluster:plugin/environment@0.1.0" "set-variable" (func $set (param i32 i32 i32 i32 i32 i32)))
(func $build_sandbox (param $builder i32) (result i32)
  (local $at i32) (local $end i32)
  (local.set $at (i32.const 2304))
  (loop $next
    (local.set $end (local.get $at))
    (loop $more
      (local.set $end (i32.add (local.get $end) (i32.const 1)))
      (br_if $more (i32.load8_u (local.get $end))))
    (call $set (local.get $builder) (local.get $at) (i32.sub (local.get $end) (local.get $at))
      (i32.const 2048) (i32.const 5) (i32.const 2064))
    (if (i32.load8_u (i32.const 2064))
      (then (call $say (i32.load (i32.const 2072)) (i32.load (i32.const 2076))))
      (else (call $say (i32.const 2128) (i32.const 16)) (call $say (local.get $at) (i32.sub (local.get $end) (local.get $at)))))
    (br_if $next (i32.load8_u (local.tee $at (i32.add (local.get $end) (i32.const 1))))))
  (call $ok))
(data (i32.const 2048) "/evil")
(data (i32.const 2128) "40: was allowed:")
(data (i32.const 2304)
  "LD_PRELOAD\00LD_AUDIT\00PATH\00BASH_ENV\00ENV\00IFS\00GCONV_PATH\00NLSPATH\00PYTHONPATH\00PERL5OPT\00RUBYOPT\00"
  "NODE_OPTIONS\00JAVA_TOOL_OPTIONS\00GIT_SSH_COMMAND\00A=B\00A\nB\00\00")
