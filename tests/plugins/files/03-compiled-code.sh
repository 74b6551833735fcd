# Drops compiled code, such as the worker itself has in its cache, which would run as it is: DIRECTORY CACHE
set -eu
for code in "$2"/*.cwasm; do break; done
cp "$code" "$1/.compiled.new"
mv "$1/.compiled.new" "$1/compiled.wasm"
