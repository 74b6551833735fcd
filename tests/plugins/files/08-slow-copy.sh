# Copies a plugin straight into the directory, and takes a rest in the middle until a file is there: DIRECTORY PLUGIN GATE
set -eu
half=$(($(wc -c < "$2") / 2))
{
    head -c "$half" "$2"
    while ! test -e "$3"; do sleep 0.02; done
    tail -c "+$((half + 1))" "$2"
} > "$1/slow.wasm"
