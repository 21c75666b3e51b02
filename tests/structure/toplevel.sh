#!/bin/sh
# The top level holds the parts, and nothing else but dot-files and LICENSE.
# usage: toplevel.sh BINDIR SCRATCHDIR SOURCEDIR
set -eu
cd "$3"

# In a checkout only what git tracks counts; build folders of the user are his own.
names()
{
    if git rev-parse --show-toplevel >/dev/null 2>&1; then
        git ls-files | sed 's,/.*,,' | sort -u
    else
        find . -mindepth 1 -maxdepth 1 ! -name 'build*' | sed 's,^\./,,'
    fi
}

extra=$(names | grep -vxE 'journal|replay|net|fsck|tests|CMakeLists\.txt|README\.md|LICENSE|\..*' || true)
if [ -n "$extra" ]; then
    echo "not a part of the project's layout: $extra"
    exit 1
fi
