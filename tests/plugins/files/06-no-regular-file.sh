# Drops what is no file, or one that only looks small: a link to a plugin, a pipe that nobody writes to, a folder, a sparse
# file of 8 GiB and, where that is allowed, a device without end: DIRECTORY PLUGIN
set -eu
ln -s "$2" "$1/link.wasm"
mkfifo "$1/pipe.wasm"
mkdir "$1/folder.wasm"
truncate -s 8G "$1/huge.wasm"
mknod "$1/device.wasm" c 1 5 2> /dev/null || true
