#!/bin/sh
# What `make demo` shows: a task that compiles one of our own plugins, and the plugin that it built.
set -eu
worker=target/debug/taskcluster-worker
artifacts=target/demo
rm -rf "$artifacts"

# A task's environment is cleared: what it may use of ours is passed in by name. Cargo finds its registry and its
# toolchain there, so the task needs no network once the project itself has been built.
"$worker" run-task examples/build-a-plugin.yml \
    --env SOURCE_DIR="$(pwd)" \
    --env PATH \
    --env CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" \
    --env RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" \
    --artifacts "$artifacts"

printf '\nThe plugin that the task built:\n\n'
"$worker" plugin inspect "$artifacts/public/env.wasm"
