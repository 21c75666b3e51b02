#!/bin/sh
# What is installed is enough for a client: C and C++, shared and static, through CMake and through pkg-config; also when
# the installed tree was moved.
# usage: client.sh BINDIR SCRATCHDIR SOURCEDIR, with AVJ_CC, AVJ_FLAGS (of a sanitizer) and AVJ_GENERATOR set
set -eu
build=$(dirname "$1")
scratch=$2
source=$3
cd "$scratch"
rm -rf ./*
warnings="-Wall -Wextra -Wpedantic -Wshadow -Werror"

case $AVJ_CC in
*gcc*) cxx=$(echo "$AVJ_CC" | sed 's/\(.*\)gcc/\1g++/') ;;
*clang*) cxx=$(echo "$AVJ_CC" | sed 's/\(.*\)clang/\1clang++/') ;;
*) cxx=c++ ;;
esac
if ! command -v "$cxx" >/dev/null; then
    echo "there is no C++ compiler beside $AVJ_CC: only C is built"
    cxx=
fi

cmake --install "$build" --prefix "$scratch/first" >install.log || { cat install.log; exit 1; }
mv first installed
libraries=$(dirname "$(find "$scratch/installed" -name libavchat.a)")
export PKG_CONFIG_PATH="$libraries/pkgconfig"

# expect PROGRAM TEXT: runs it with a new journal, and compares.
expect()
{
    "$1" "$scratch/journal-of-$(basename "$1")" >got || { echo "$1 failed"; exit 1; }
    printf '%s\n' "$2" | diff - got || { echo "^ $1 says something else"; exit 1; }
}

version=$(pkg-config --modversion avchat)
chat="5 messages in Counting
 four five
 two three
 one
5 messages, version $version"
sync="invalid argument
127.0.0.1, a port: yes
ok"

# All programs of one kind (shared, static) in folder $1.
run()
{
    expect "$1/chat-$2" "$chat"
    [ ! -e "$1/sync-$2" ] || expect "$1/sync-$2" "$sync"
    [ -z "$cxx" ] || expect "$1/cxx-$2" "Hello from C++"
    rm -rf "$scratch"/journal-of-*
}

echo "through CMake"
cmake -S "$source/tests/install/client" -B cmake -G "$AVJ_GENERATOR" -DCMAKE_PREFIX_PATH="$scratch/installed" \
    -DCMAKE_C_COMPILER="$AVJ_CC" -DCMAKE_CXX_COMPILER="${cxx:-NOTFOUND}" \
    -DCMAKE_C_FLAGS="$warnings $AVJ_FLAGS" -DCMAKE_CXX_FLAGS="$warnings $AVJ_FLAGS" >cmake.log 2>&1 &&
    cmake --build cmake >>cmake.log 2>&1 || { cat cmake.log; exit 1; }
run cmake shared
run cmake static
[ -e cmake/sync-shared ] && [ -e cmake/sync-static ]

# A library of the other kind must not have been taken.
links()
{
    readelf -d "$1" | grep -q 'NEEDED.*libavchat'
}
links cmake/chat-shared || { echo "chat-shared does not use the shared library"; exit 1; }
! links cmake/chat-static || { echo "chat-static uses the shared library"; exit 1; }

echo "through pkg-config"
mkdir pkg-config
# make_kind KIND PROGRAM:PACKAGE... -- [PKG-CONFIG OPTION]
make_kind()
{
    kind=$1
    shift
    programs=
    while [ "$1" != -- ]; do
        programs="$programs $1"
        shift
    done
    shift
    for program in $programs; do
        package=${program#*:}
        program=${program%:*}
        # With --static, pkg-config names what a static library needs; which one is taken is for the linker's command line.
        flags=$(pkg-config "$@" --cflags --libs "$package")
        [ "$kind" = shared ] || flags=$(echo "$flags" | sed 's/-l\(avchat[^ ]*\)/-l:lib\1.a/g')
        if [ "$program" = cxx ]; then
            # shellcheck disable=SC2086
            "$cxx" $warnings $AVJ_FLAGS "$source/tests/install/client/cxx.cc" -o "pkg-config/cxx-$kind" $flags
        else
            # shellcheck disable=SC2086
            "$AVJ_CC" -std=c11 $warnings $AVJ_FLAGS "$source/tests/install/client/$program.c" \
                -o "pkg-config/$program-$kind" $flags
        fi
    done
}
make_kind shared chat:avchat sync:avchat-net ${cxx:+cxx:avchat} --
# Not sync: --static goes all the way down, and asks for static libraries of libcurl's that Debian has no need of.
make_kind static chat:avchat ${cxx:+cxx:avchat} -- --static
! links pkg-config/chat-static || { echo "chat-static uses the shared library"; exit 1; }
LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
run pkg-config shared
unset LD_LIBRARY_PATH
run pkg-config static

# Where the system has every library as a static one, a program that needs no other file.
# shellcheck disable=SC2046
if [ -z "$AVJ_FLAGS" ] && "$AVJ_CC" -static -o pkg-config/chat-bare "$source/tests/install/client/chat.c" \
    $(pkg-config --static --cflags --libs avchat) 2>bare.log; then
    expect pkg-config/chat-bare "$chat"
fi
rm -rf cmake pkg-config installed
