#!/bin/sh
# Installs the official clients, with the versions that are written down beside the checks, below target/clients. What is
# there already with these versions stays. Says in one line what is missing; under CI=true that is an error.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}/clients
mkdir -p "$target"
complete=true

missing() { # language, what is missing, packages of Debian's
    echo "clients: no checks in $1: $2 is missing (on Debian: apt-get install $3)"
    complete=false
}

# Whether a language is installed as its files say: its mark has their sums.
installed() { # language, files…
    language=$1
    shift
    sums=$(cat "$@" | sha256sum)
    [ -f "$target/$language/installed" ] && [ "$(cat "$target/$language/installed")" = "$sums" ]
}

mark() { # language
    printf '%s\n' "$sums" > "$target/$1/installed"
}

if ! command -v python3 > /dev/null; then
    missing Python python3 "python3 python3-venv"
elif ! python3 -c 'import venv, ensurepip' 2> /dev/null; then
    missing Python "python3's venv" python3-venv
elif ! installed python "$here/python/requirements.txt"; then
    echo "clients: installing those for Python"
    rm -rf "$target/python"
    python3 -m venv "$target/python"
    "$target/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/python/requirements.txt"
    mark python
fi

if ! command -v node > /dev/null; then
    missing JavaScript Node.js "nodejs npm"
elif ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)'; then
    missing JavaScript "Node.js 20 or newer" "nodejs npm"
elif ! command -v npm > /dev/null; then
    missing JavaScript npm npm
elif ! installed node "$here/node/package.json" "$here/node/package-lock.json"; then
    echo "clients: installing those for JavaScript"
    rm -rf "$target/node"
    mkdir -p "$target/node"
    cp "$here/node/package.json" "$here/node/package-lock.json" "$target/node"
    (cd "$target/node" && npm ci --silent --ignore-scripts --no-audit --no-fund)
    mark node
fi

for tool in git curl; do
    command -v $tool > /dev/null || missing "what taskgraph submits" $tool $tool
done

[ "$complete" = true ] || [ "${CI:-}" != true ]
