#!/bin/sh
# Dependencies point one way, and the transports' headers stay in the transports.
# usage: includes.sh BINDIR SCRATCHDIR SOURCEDIR
set -eu
cd "$3"
bad=0

# forbid WHAT PATTERN FILE...: no line of the files may match.
forbid()
{
    what=$1
    pattern=$2
    shift 2
    if grep -nE "$pattern" "$@" /dev/null; then
        echo "^ $what"
        bad=1
    fi
}

# sources FOLDER...: their C files.
sources()
{
    find "$@" -name '*.[ch]' -type f
}

without()
{
    grep -v "$1" || true
}

include='^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]'
journal=$(sources journal)
replay=$(sources replay)
fsck=$(sources fsck)
all=$(sources journal replay net fsck tests)
[ -n "$journal$replay" ] || { echo "no sources in $3"; exit 1; }

# The lists are file names of ours, without blanks.
# shellcheck disable=SC2046,SC2086
{
    forbid 'journal/ knows nothing of the folders above it' "$include(replay|net|fsck)/" $journal
    forbid 'replay/ uses only journal/' "$include(net|fsck)/" $replay
    forbid 'fsck/ never uses net/' "${include}net/" $fsck
    forbid 'only *_curl.c may include curl' "${include}curl/" \
        $(printf '%s\n' $all | without '_curl\.c$')
    forbid 'only *_lws.c may include libwebsockets' "${include}libwebsockets" \
        $(printf '%s\n' $all | without '_lws\.c$')
    forbid 'msgpack is used through replay/value.h only' "${include}msgpack" \
        $(printf '%s\n' $all | without '^replay/value\.c$' | without '^tests/unit/test_raw\.c$')
    forbid 'journal/ and replay/ know no JSON' "${include}jansson" $journal $replay
}
exit $bad
