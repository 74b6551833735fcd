# Puts one version in the place of another, again and again, with half a file in between: DIRECTORY NAME OLD NEW
set -eu
put() {
    cat > "$1/.swapped.new"
    mv "$1/.swapped.new" "$1/$2.wasm"
}
for _ in 1 2 3 4 5; do
    put "$1" "$2" < "$4"
    sleep 0.02
    head -c 5000 "$3" | put "$1" "$2"
    sleep 0.02
    put "$1" "$2" < "$3"
    sleep 0.02
done
