#!/bin/sh
# Copies guests that cargo has built for wasm32-wasip2 into a directory of plugins, under their plugins' names. A file is
# replaced only where it differs, by rename, so that a running worker never reads half of one.
#
#   install-plugins.sh DIRECTORY NAME…        the plugins that come with the worker
#   install-plugins.sh DIRECTORY --examples   every guest under tests/plugins/examples
set -eu
directory=$1
shift
built=${CARGO_TARGET_DIR:-target}/wasm32-wasip2/plugin
mkdir -p "$directory"

install_one() { # built file, name
    if ! cmp -s "$1" "$directory/$2.wasm"; then
        cp "$1" "$directory/.$2.new"
        chmod 644 "$directory/.$2.new"
        mv "$directory/.$2.new" "$directory/$2.wasm"
    fi
}

if [ "$1" = --examples ]; then
    for source in tests/plugins/examples/*.rs; do
        name=$(basename "$source" .rs)
        install_one "$built/examples/$name.wasm" "$(echo "$name" | tr _ -)"
    done
else
    for name in "$@"; do
        install_one "$built/plugin_$(echo "$name" | tr - _).wasm" "$name"
    done
fi
