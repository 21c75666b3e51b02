#!/bin/sh
# A damaged journal as its user meets it: bytes of a segment are overwritten, avchat says what to run, avchat-fsck says
# what next, and everything that was intact is there again; after a sync, all that the server has.
# usage: fsck_user.sh FOLDER-OF-PROGRAMS SCRATCH-FOLDER [SOURCE-FOLDER]
set -u

[ $# -ge 2 ] || { echo "usage: $0 FOLDER-OF-PROGRAMS SCRATCH-FOLDER [SOURCE-FOLDER]" >&2; exit 2; }
avchat=$1/avchat fsck=$1/avchat-fsck
[ -x "$avchat" ] && [ -x "$fsck" ] || { echo "$avchat or $fsck is not there" >&2; exit 2; }
mkdir -p "$2" || exit 2
scratch=$(mktemp -d "$2/avchat-repair.XXXXXX") || exit 2
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$scratch"' EXIT
unset XDG_DATA_HOME
export HOME="$scratch/home" TZ=UTC AVCHAT_DIR="$scratch/journal"
out=$scratch/out err=$scratch/err
failures=0 checks=0

complain() { echo "FAILED: $*"; failures=$((failures + 1)); }

run() { # run EXPECTED-CODE PROGRAM ARGUMENT...
    expected=$1
    shift
    "$@" >"$out" 2>"$err"
    code=$?
    checks=$((checks + 1))
    [ $code -eq "$expected" ] || complain "$*: exit $code, not $expected: $(cat "$err" "$out")"
}

has() { # has FILE PATTERN WHAT
    checks=$((checks + 1))
    grep -q -e "$2" "$1" || complain "$3: no '$2' in: $(head -c 900 "$1")"
}

hasnt() {
    checks=$((checks + 1))
    if grep -q -e "$2" "$1"; then complain "$3: '$2' in: $(head -c 900 "$1")"; fi
}

same() { # same EXPECTED ACTUAL WHAT
    checks=$((checks + 1))
    [ "$1" = "$2" ] || complain "$3: '$2', not '$1'"
}

wait_for() { # wait_for FILE PATTERN: until a line is there, at most a minute
    tries=0
    until grep -q -e "$2" "$1" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || { complain "'$2' never came: $(cat "$1")"; return 1; }
        sleep 0.05
    done
}

number() { # number NAME: an integer of `avchat status`
    "$avchat" --json status | sed "s/.*\"$1\": \([0-9a-z]*\).*/\1/"
}

spoil() { # spoil FILE OFFSET LENGTH
    dd if=/dev/zero of="$1" bs=1 seek="$2" count="$3" conv=notrunc 2>"$err" || complain "dd: $(cat "$err")"
}

first=segments/0000000000000001.seg

# ---- without a server ----

run 0 "$avchat" init
run 0 "$avchat" thread new 'Sourdough'
t=$(cat "$out")
for word in flour water salt time heat; do
    run 0 "$avchat" send "$t" "$word"
done
spoil "$AVCHAT_DIR/$first" 5400 40
run 4 "$fsck" "$AVCHAT_DIR"
has "$out" '^AVJ-F01[0-9] damage: ' "the damage is told"
has "$out" '    next: Run avchat-fsck --repair: ' "what to do is told"
has "$out" '^DAMAGED: .*next: avchat-fsck --repair' "and once more at the end"
run 1 "$avchat" messages "$t"
has "$err" 'run avchat-fsck' "avchat itself names the tool"

cp -R "$AVCHAT_DIR" "$scratch/before"
run 4 "$fsck" --repair --dry-run "$AVCHAT_DIR"
has "$out" '^would repair: segment 1 is written anew' "a trial tells"
checks=$((checks + 1))
diff -r "$scratch/before" "$AVCHAT_DIR" >"$err" || complain "a trial changes nothing: $(cat "$err")"

run 1 "$fsck" --repair "$AVCHAT_DIR"
has "$out" '^lost: ' "what is lost is told"
has "$out" '^repaired: segment 1 is written anew' "what is done is told"
has "$out" '^    the original is kept as aside/1/0000000000000001.seg' "what is kept is told"
has "$out" '^clean: ' "it is checked again"
checks=$((checks + 1))
cmp "$scratch/before/$first" "$AVCHAT_DIR/aside/1/0000000000000001.seg" >"$err" 2>&1 ||
    complain "the original is kept: $(cat "$err")"
run 0 "$fsck" --repair "$AVCHAT_DIR"
hasnt "$out" 'repaired' "a second repair has nothing to do"
run 0 "$fsck" --deep "$AVCHAT_DIR"
run 0 "$avchat" messages "$t"
same 4 "$(wc -l <"$out" | tr -d ' ')" "every message but the one whose record was spoilt"
run 0 "$avchat" log --type repair
has "$out" 'repair	.*lost=\[\[' "the log tells of it"
same true "$(number gapOpen)" "status says that events may have been missed"
run 0 "$avchat" send "$t" 'more heat'
run 0 "$avchat" compact
run 0 "$fsck" "$AVCHAT_DIR"

# What is left of a journal without a header goes into a new one.
cp -R "$AVCHAT_DIR" "$scratch/wreck"
run 0 "$avchat" export
cp "$out" "$scratch/exported"
for segment in "$scratch/wreck/segments"/*.seg; do
    spoil "$segment" 0 4096
done
rm -r "$scratch/wreck/aside"
run 4 "$fsck" --salvage "$scratch/saved" "$scratch/wreck"
has "$out" 'messages written' "what was saved is told"
has "$out" 'next: avchat -C NEW init; avchat -C NEW import .*/salvaged.jsonl' "and what to do with it"
has "$scratch/saved/report.txt" '^segments/0000000000000001.seg: .* no header; ' "the report tells of each file"
run 0 "$avchat" -C "$scratch/new" init
run 0 "$avchat" -C "$scratch/new" import "$scratch/saved/salvaged.jsonl"
run 0 "$avchat" -C "$scratch/new" export
checks=$((checks + 1))
cmp "$scratch/exported" "$out" >"$err" 2>&1 || complain "what was salvaged: $(diff "$scratch/exported" "$out")"
run 8 "$fsck" --salvage "$scratch/wreck/in" "$scratch/wreck"
has "$err" 'is only read: name a folder elsewhere' "the source is not written to"

spoil "$AVCHAT_DIR/segments/0000000000000002.seg" 4100 8
run 1 "$fsck" --json --repair "$AVCHAT_DIR"
same '{"repair":' "$(head -1 "$out" | cut -c1-10)" "a step is a line of JSON"
same '{"summary":' "$(tail -1 "$out" | cut -c1-11)" "the summary is the last"

# ---- with a server: what it has comes back ----

rm -rf "$AVCHAT_DIR"
run 0 "$avchat" -C "$scratch/server" init
"$avchat" -C "$scratch/server" serve --no-rate-limit >"$scratch/serving" 2>"$scratch/serving.err" &
server=$!
wait_for "$scratch/serving" 'http://' || exit 1
url=$(sed -n 's/.*\(http:\/\/[^ ]*\).*/\1/p' "$scratch/serving" | head -1)
run 0 "$avchat" init --endpoint "$url" --project p --database d
printf 'secret password\n' | "$avchat" login ada@example.org --create >"$out" 2>"$err" || complain "login: $(cat "$err")"
run 0 "$avchat" thread new 'Bread'
t=$(cat "$out")
i=0
while [ $i -lt 20 ]; do
    run 0 "$avchat" send "$t" "message $i"
    i=$((i + 1))
done
run 0 "$avchat" sync --once
run 0 "$avchat" messages "$t"
cp "$out" "$scratch/messages"
same 20 "$(wc -l <"$scratch/messages" | tr -d ' ')" "messages before the damage"
same 0 "$(number pending)" "all is acknowledged"
run 0 "$avchat" send "$t" 'not sent yet'

size=$(wc -c <"$AVCHAT_DIR/$first" | tr -d ' ')
for tenth in 4 5 6; do # in the midst of changes and acknowledgements
    spoil "$AVCHAT_DIR/$first" $((4096 + (size - 4096) * tenth / 10)) 64
done
run 4 "$fsck" "$AVCHAT_DIR"
run 1 "$fsck" --repair "$AVCHAT_DIR"
has "$out" 'next: avchat sync' "what to do then is told"
same true "$(number gapOpen)" "the next sync has to look"
run 0 "$avchat" sync --once
same false "$(number gapOpen)" "it has looked"
same 0 "$(number pending)" "nothing is left over"
run 0 "$avchat" messages "$t"
cut -f1,5 "$scratch/messages" >"$scratch/wanted"
grep -v 'not sent yet' "$out" | cut -f1,5 >"$scratch/got"
checks=$((checks + 1))
cmp "$scratch/wanted" "$scratch/got" >"$err" 2>&1 ||
    complain "all messages are back: $(diff "$scratch/wanted" "$scratch/got")"
has "$out" 'not sent yet' "what had not been sent was intact, and stays"
run 0 "$fsck" --deep "$AVCHAT_DIR"

# Another device sees the same: nothing was deleted upstream, nothing is there twice.
export AVCHAT_DIR="$scratch/second"
run 0 "$avchat" init --endpoint "$url" --project p --database d
printf 'secret password\n' | "$avchat" login ada@example.org >"$out" 2>"$err" || complain "login: $(cat "$err")"
run 0 "$avchat" sync --once
run 0 "$avchat" messages "$t"
same 21 "$(wc -l <"$out" | tr -d ' ')" "what the server has"
run 0 "$avchat" thread list
same 1 "$(wc -l <"$out" | tr -d ' ')" "threads that the server has"

# ---- nothing is left ----

rm "$AVCHAT_DIR/$first"
run 68 "$fsck" --repair "$AVCHAT_DIR"
has "$err" '^avchat-fsck: no segment is left .* restore the folder from a backup' "there is nothing to make a journal of"

kill -TERM "$server"
wait "$server"
server=
[ $failures -eq 0 ] || { echo "$failures of $checks checks failed"; exit 1; }
echo "$checks checks passed"
