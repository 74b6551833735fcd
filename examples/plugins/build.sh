#!/bin/sh
# Builds the plugin `env` in Python and in JavaScript, to target/example-plugins/python/env.wasm and …/javascript/env.wasm,
# with tools of the versions that are written down beside the sources. Tools and plugins that are there already stay. Says
# in one line what is missing and builds the rest; under CI=true that is an error.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}/example-plugins
tools=$target/tools
mkdir -p "$tools"
complete=true

missing() { # language, what is missing
    echo "example plugins: none in $1: $2"
    rm -rf "${target:?}/$1"
    complete=false
}

# Whether something was made of these files, and of nothing else: its mark has their sums.
is_made_of() { # mark, files…
    mark=$1
    shift
    sums=$(cat "$@" | sha256sum)
    [ -f "$mark" ] && [ "$(cat "$mark")" = "$sums" ]
}

made() {
    printf '%s\n' "$sums" > "$mark"
}

install_python() {
    is_made_of "$tools/python/installed" "$here/python/requirements.txt" && return
    echo "example plugins: installing componentize-py"
    rm -rf "$tools/python"
    python3 -m venv "$tools/python" &&
        "$tools/python/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
            -r "$here/python/requirements.txt" && made
}

build_python() {
    plugin=$target/python/env.wasm
    is_made_of "$target/python/built" "$here/python/requirements.txt" "$here/python/env_plugin.py" "$here/wit/env.wit" \
        "$here/../../wit/plugin.wit" && [ -f "$plugin" ] && return
    echo "example plugins: building the one in Python"
    mkdir -p "$target/python"
    # Python writes what it compiles beside the source.
    cp "$here/python/env_plugin.py" "$target/python"
    "$tools/python/bin/componentize-py" --quiet --wit-path "$here/wit" --world env componentize --stub-wasi \
        --python-path "$target/python" --output "$plugin" env_plugin
    made
}

install_javascript() {
    is_made_of "$tools/javascript/installed" "$here/javascript/package.json" "$here/javascript/package-lock.json" && return
    echo "example plugins: installing componentize-js"
    rm -rf "$tools/javascript"
    mkdir -p "$tools/javascript"
    cp "$here/javascript/package.json" "$here/javascript/package-lock.json" "$tools/javascript"
    (cd "$tools/javascript" && npm ci --silent --ignore-scripts --no-audit --no-fund) && made
}

build_javascript() {
    plugin=$target/javascript/env.wasm
    is_made_of "$target/javascript/built" "$here/javascript/package-lock.json" "$here/javascript/build.mjs" \
        "$here/javascript/env-plugin.js" "$here/wit/env.wit" "$here/../../wit/plugin.wit" && [ -f "$plugin" ] && return
    echo "example plugins: building the one in JavaScript"
    mkdir -p "$target/javascript"
    # Node.js looks for packages beside the program.
    cp "$here/javascript/build.mjs" "$tools/javascript"
    node "$tools/javascript/build.mjs" "$here/javascript/env-plugin.js" "$here/wit" env "$plugin"
    made
}

if ! python3 -c 'import venv, ensurepip' 2> /dev/null; then
    missing python "Python 3 with venv is not there (on Debian: apt-get install python3-venv)"
elif ! install_python; then
    missing python "componentize-py could not be installed"
else
    build_python
fi

if ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' 2> /dev/null || ! command -v npm > /dev/null; then
    missing javascript "Node.js 20 or newer with npm is not there (on Debian: apt-get install nodejs npm)"
elif ! install_javascript; then
    missing javascript "componentize-js could not be installed"
else
    build_javascript
fi

[ "$complete" = true ] || [ "${CI:-}" != true ]
