#!/bin/sh
# Cargo's RUSTC_WORKSPACE_WRAPPER for `make fuzz`: compiles the crates of this workspace, and no others, so that libFuzzer sees
# what an input reaches and what it is compared with. The flags are LLVM's own, which a stable rustc passes on. What the crates
# stand on, the engine of the plugins among it, stays as it was built for the tests.
#
#   instrument.sh RUSTC ARGUMENT…
set -eu
rustc=$1
shift
case " $* " in
*" --crate-name build_script_build "* | *" --crate-type proc-macro "*) exec "$rustc" "$@" ;;
*" --crate-name "*)
    # Optimised, and with every check of an unoptimised build.
    exec "$rustc" "$@" -Copt-level=1 -Cdebug-assertions=on -Coverflow-checks=on \
        -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
*) exec "$rustc" "$@" ;;
esac
