#!/bin/sh
# The shared libraries give a client what the public headers declare, all of it, and nothing that is not named avj_.
# usage: symbols.sh BINDIR SCRATCHDIR SOURCEDIR, with AVJ_FLAGS (of a sanitizer) set
set -eu
build=$(dirname "$1")
cd "$2"
if [ -n "$AVJ_FLAGS" ]; then
    echo "a sanitizer exports symbols of its own"
    exit 77
fi
rm -rf ./*
cmake --install "$build" --prefix "$2/installed" --component library >install.log
cmake --install "$build" --prefix "$2/installed" --component development >>install.log
headers=$(find installed/include -name '*.h')
bad=0

# The functions that headers declare, one a line: without comments and directives, a declaration is what ends in ";".
declared()
{
    sed 's,//.*,,' "$@" | sed -e ':a' -e 's,/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/,,g' -e 'ta' -e '/\/\*/{' -e 'N' -e 'ba' -e '}' |
        sed -e '/^#/{' -e ':b' -e '/\\$/{' -e 'N' -e 'bb' -e '}' -e 'd' -e '}' | tr '\n' ' ' | tr ';{}' '\n\n\n' |
        sed -n "$pattern"
}
# The name stands before the first parenthesis that follows a name.
name='\(avj_[a-z0-9_]*\)(.*'
pattern="/AVJ_API/s/^[^(]*[ *]$name/\\1/p"

exported()
{
    nm -D --defined-only "$1" | awk '{ print $3 }' | sort
}

# shellcheck disable=SC2086
for library in libavchat libavchat-net; do
    file=$(find installed -name $library.so)
    exported "$file" >$library.exported
    if grep -v '^avj_' $library.exported; then
        echo "^ exported by $library, and not ours by name"
        bad=1
    fi
done
sort -u libavchat.exported libavchat-net.exported >exported
# shellcheck disable=SC2086
declared $headers | sort -u >declared
[ "$(wc -l <declared)" -ge 80 ] || { echo "found too few declarations to be right:"; cat declared; exit 1; }
if comm -23 declared exported | grep .; then
    echo "^ declared in a public header, exported by no library"
    bad=1
fi

# What is declared without AVJ_API would be missing in the shared library.
pattern="/AVJ_API/d; /static inline/d; s/^ *[a-z][^(=]*[ *]$name/\\1/p"
# shellcheck disable=SC2086
if declared $headers | grep .; then
    echo "^ declared in a public header without AVJ_API"
    bad=1
fi

# In a static library every function is there to collide with: all of them are avj_ too.
for library in libavchat libavchat-net; do
    nm -g --defined-only "$(find installed -name $library.a)" 2>/dev/null | awk 'NF == 3 { print $3 }' >static
    [ -s static ] || { echo "$library.a has no symbols"; exit 1; }
    if grep -v '^avj_' static; then
        echo "^ in $library.a, and not ours by name"
        bad=1
    fi
done
exit $bad
