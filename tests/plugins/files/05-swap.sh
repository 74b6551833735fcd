# Puts one file in the place of another and back, by rename and by writing over it, as fast as it can, so that what was checked
# and what is run are two files: DIRECTORY NAME GOOD EVIL
set -eu
for _ in 1 2 3 4 5 6 7 8; do
    for file in "$4" "$3"; do
        cp "$file" "$1/.swapped.new"
        mv "$1/.swapped.new" "$1/$2.wasm"
    done
    cat "$4" > "$1/$2.wasm"
    cat "$3" > "$1/$2.wasm"
done
