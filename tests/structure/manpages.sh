#!/bin/sh
# Manual pages are well-formed mdoc.
# usage: manpages.sh BINDIR SCRATCHDIR SOURCEDIR
set -eu
cd "$3"
pages=$(find journal replay net fsck -name '*.[1-8]' -type f)
[ -n "$pages" ] || { echo "there are no manual pages"; exit 1; }
command -v mandoc >/dev/null || { echo "mandoc is not installed: see tests/setup"; exit 77; }
# shellcheck disable=SC2086
mandoc -T lint -W warning $pages
