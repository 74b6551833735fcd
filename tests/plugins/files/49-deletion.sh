# Removes the plugin that keeps others in check: DIRECTORY NAME
rm "$1/$2.wasm"
