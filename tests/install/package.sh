#!/bin/sh
# The Debian packages, unpacked side by side, are a program that runs and a library that a client finds.
# usage: package.sh BINDIR SCRATCHDIR SOURCEDIR, with AVJ_CC and AVJ_FLAGS (of a sanitizer) set
set -eu
build=$(dirname "$1")
source=$3
cd "$2"
if [ -n "$AVJ_FLAGS" ]; then
    echo "nobody packages a sanitizer's build"
    exit 77
fi
command -v dpkg-shlibdeps >/dev/null || { echo "there is no dpkg-shlibdeps: this is no Debian system"; exit 77; }
rm -rf ./*
cpack --config "$build/CPackConfig.cmake" -G "DEB;TGZ" -B "$2/packages" >cpack.log 2>&1 || { cat cpack.log; exit 1; }

# needs PACKAGE TEXT: it depends on that.
needs()
{
    dpkg-deb -f packages/"$1"_*.deb Depends | grep -q "$2" || { echo "$1 does not depend on $2"; exit 1; }
}
library=$(basename packages/libavchat[0-9]*.deb | cut -d_ -f1)
needs avchat-journal libzstd1
needs avchat-journal libcurl4
needs "$library" libmsgpackc2
needs libavchat-dev "$library"

for package in packages/*.deb; do
    dpkg-deb -x "$package" root
done
[ "$(find packages -maxdepth 1 -name '*.deb' | wc -l)" = 3 ] || { echo "there are not three packages"; exit 1; }
root/usr/bin/avchat --version
root/usr/bin/avchat-fsck --version
root/usr/bin/avchat -C journal init --guest
flags=$(PKG_CONFIG_PATH=root/usr/lib/pkgconfig pkg-config --cflags --libs avchat)
# shellcheck disable=SC2086
"$AVJ_CC" "$source/tests/install/client/chat.c" -o chat $flags
LD_LIBRARY_PATH=root/usr/lib ./chat chats
tar -tzf packages/*.tar.gz | grep -q '/bin/avchat$' || { echo "the archive has no bin/avchat"; exit 1; }
rm -rf packages root
