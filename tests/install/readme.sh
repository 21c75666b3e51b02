#!/bin/sh
# README's examples compile, run one after the other on one journal, and print what stands below them.
# A block that begins with "```c NAME" is an example; the "```text" block behind it is its output.  Without one it is
# compiled, not run.  Block `open` has the main() of all others.
# usage: readme.sh BINDIR SCRATCHDIR SOURCEDIR, with AVJ_CC and AVJ_FLAGS (of a sanitizer) set
set -eu
build=$(dirname "$1")
readme=$3/README.md
cd "$2"
rm -rf ./*
cmake --install "$build" --prefix "$2/installed" >install.log || { cat install.log; exit 1; }
libraries=$(dirname "$(find "$2/installed" -name libavchat.a)")
export PKG_CONFIG_PATH="$libraries/pkgconfig" LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

awk '/^```c [a-z]+$/ { name = $2; file = name ".c"; if (name != "open") print name; next }
     /^```text$/ && name != "" { file = name ".expected"; printf "" >file; next }
     /^```/ { if (file ~ /expected$/ || $0 != "```") name = ""; file = ""; next }
     file != "" { print >file }' "$readme" >names
[ -s names ] && [ -s open.c ] || { echo "README has no examples"; exit 1; }

bad=0
while read -r name; do
    # As clients see it: line numbers of the block, the program in front.
    { cat open.c; echo "#line 1 \"README.md, $name\""; cat "$name.c"; } >"program-$name.c"
    # shellcheck disable=SC2046,SC2086
    if ! "$AVJ_CC" -std=c11 -Wall -Wextra -Wpedantic -Werror $AVJ_FLAGS "program-$name.c" -o "$name" \
        $(pkg-config --cflags --libs avchat-net); then
        bad=1
    elif [ -e "$name.expected" ]; then
        ./"$name" >"$name.got" 2>&1 || { echo "README's example $name fails"; bad=1; }
        diff "$name.expected" "$name.got" || { echo "^ README's example $name prints something else"; bad=1; }
    fi
done <names
rm -rf installed
exit $bad
