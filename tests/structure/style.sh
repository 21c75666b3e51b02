#!/bin/sh
# Habits that a compiler does not enforce.
# usage: style.sh BINDIR SCRATCHDIR SOURCEDIR
set -eu
cd "$3"
bad=0

files=$(find journal replay net fsck tests -name '*.[ch]' -type f)
[ -n "$files" ] || { echo "no sources in $3"; exit 1; }

# shellcheck disable=SC2086
{
    if grep -nE '(^|[^_[:alnum:]])(strcpy|strcat|v?sprintf|gets|alloca)[[:space:]]*\(' $files; then
        echo "^ functions that do not know how much room there is"
        bad=1
    fi
    if wc -l $files | awk '$2 != "total" && $1 > 800 { print; found = 1 } END { exit !found }'; then
        echo "^ files of more than 800 lines have outgrown one purpose"
        bad=1
    fi
    # The words are put together so that this file does not match itself.
    if grep -nE "\\b(TO""DO|FIX""ME)\\b" $files; then
        echo "^ unfinished"
        bad=1
    fi
}
exit $bad
