#!/bin/sh
# The avchat command as its users meet it: arguments, exit codes, output, and what a journal holds afterwards.
# usage: cli.sh FOLDER-OF-PROGRAMS SCRATCH-FOLDER [SOURCE-FOLDER]
set -u

[ $# -ge 2 ] || { echo "usage: $0 FOLDER-OF-PROGRAMS SCRATCH-FOLDER [SOURCE-FOLDER]" >&2; exit 2; }
avchat=$1/avchat
source=${3:-$(dirname "$0")/../..}
[ -x "$avchat" ] || { echo "$avchat is not there" >&2; exit 2; }
mkdir -p "$2" || exit 2
scratch=$(mktemp -d "$2/avchat-cli.XXXXXX") || exit 2
trap 'rm -rf "$scratch"' EXIT
unset XDG_DATA_HOME
export HOME="$scratch/home" TZ=UTC AVCHAT_DIR="$scratch/journal"
out=$scratch/out err=$scratch/err
failures=0 checks=0

complain() { echo "FAILED: $*"; failures=$((failures + 1)); }

# run EXPECTED-CODE ARGUMENT...: stdout and stderr go to $out and $err; a failure is one line on stderr.
run() {
    expected=$1
    shift
    "$avchat" "$@" >"$out" 2>"$err"
    code=$?
    checks=$((checks + 1))
    [ $code -eq "$expected" ] || complain "avchat $*: exit $code, not $expected: $(cat "$err")"
    if [ "$expected" -ne 0 ]; then
        { [ "$(wc -l <"$err")" -eq 1 ] && grep -q '^avchat: ' "$err"; } ||
            complain "avchat $*: not one line on stderr: $(cat "$err")"
    fi
}

has() { # has FILE PATTERN WHAT
    checks=$((checks + 1))
    grep -q -e "$2" "$1" || complain "$3: no '$2' in: $(head -c 600 "$1")"
}

hasnt() {
    checks=$((checks + 1))
    if grep -q -e "$2" "$1"; then complain "$3: '$2' in: $(head -c 600 "$1")"; fi
}

same() { # same EXPECTED ACTUAL WHAT
    checks=$((checks + 1))
    [ "$1" = "$2" ] || complain "$3: '$2', not '$1'"
}

same_file() {
    checks=$((checks + 1))
    cmp "$1" "$2" >"$scratch/cmp" 2>&1 || complain "$3: $(cat "$scratch/cmp")"
}

fresh() { # a new guest's journal
    rm -rf "$AVCHAT_DIR"
    run 0 init
}

wait_for() { # wait_for FILE PATTERN: until a line is there, at most a minute
    tries=0
    until grep -q -e "$2" "$1" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || { complain "'$2' never came: $(cat "$1")"; return 1; }
        sleep 0.05
    done
}

# ---- help ----

run 0 --help
cp "$out" "$scratch/help"
has "$out" '^usage: avchat' "--help"
run 0 help
same_file "$scratch/help" "$out" "help and --help say the same"
run 0 --version
has "$out" '^avchat [0-9]' "--version"
same "" "$(ls "$scratch/home" 2>/dev/null)" "help makes no folder"

man=$source/net/avchat.1
sed -n '/^Commands:/,/^Options/s/^  \([a-z][a-z]*\( [a-z]*\)\{0,1\}\).*/\1/p' "$scratch/help" >"$scratch/commands"
[ "$(wc -l <"$scratch/commands")" -gt 20 ] || complain "--help lists too few commands"
while read -r first second; do
    # Of "thread new" both words are the command's, of "edit MSG" only the first.
    case $first in thread | project | summary | conflicts) ;; *) second= ;; esac
    run 0 help "$first" ${second:+"$second"}
    has "$out" "^usage: avchat .* $first${second:+ $second}" "help $first $second"
    cp "$out" "$scratch/one"
    run 0 "$first" ${second:+"$second"} --help
    same_file "$scratch/one" "$out" "$first $second --help and help $first $second say the same"
    has "$man" "^\.It Cm $first${second:+ $second}" "avchat.1"
    sed -n 's/^  \(-., \)\{0,1\}--\([a-z-]*\).*/\2/p' "$out" >>"$scratch/options"
done <"$scratch/commands"
[ "$(sort -u "$scratch/options" | wc -l)" -gt 20 ] || complain "help shows too few options"
for option in $(sort -u "$scratch/options"); do
    has "$man" "Fl -$option" "avchat.1 on option --$option"
done
if command -v mandoc >/dev/null 2>&1; then
    mandoc -Tlint "$man" 2>&1 | grep -v 'referenced manual not found' >"$scratch/lint"
    same "" "$(cat "$scratch/lint")" "mandoc finds nothing in avchat.1"
fi
run 0 help thread
has "$out" 'thread rename' "help thread"

# ---- usage ----

run 2
run 2 nonsense
run 2 thread
run 2 thread nonsense
run 2 help nonsense
run 2 --nonsense status
run 2 -x
run 2 status --follow
has "$err" 'status takes no option --follow' "an option of another command"
run 2 --follow
run 2 status -C
run 2 --json=1 status
run 2 send
run 2 thread rename only-one
run 2 status too many
run 2 init --guest --endpoint http://h --project p --database d
run 2 init --endpoint http://h
run 2 init --endpoint ftp://h/v1 --project p --database d
run 2 init --endpoint http:///v1 --project p --database d
run 2 init --endpoint 'http://u@h/v1' --project p --database d
run 2 init --endpoint http://h --project 'no good' --database d
run 2 init --project p
run 2 log --type nonsense
run 2 -C '' status

# ---- a journal and its folder ----

run 1 status
has "$err" 'init' "a missing journal says how to make one"
run 0 -C "$scratch/deep/er/journal" init --guest --json
has "$out" '^{"journal": ".*", "endpoint": null' "init --json"
run 1 -C "$scratch/deep/er/journal" init
rm -rf "$HOME"
(unset AVCHAT_DIR; "$avchat" init) >"$out" 2>"$err" || complain "init in the home folder: $(cat "$err")"
[ -d "$HOME/.local/share/avchat" ] || complain "init made no ~/.local/share/avchat"
(unset AVCHAT_DIR; XDG_DATA_HOME=$scratch/xdg "$avchat" init) >"$out" 2>"$err" || complain "init under XDG_DATA_HOME"
[ -d "$scratch/xdg/avchat" ] || complain "init made no \$XDG_DATA_HOME/avchat"
run 0 -C "$scratch/up" init --endpoint http://127.0.0.1:9/ --project p --database d --json
has "$out" '"endpoint": "http://127.0.0.1:9/v1"' "the endpoint gets its /v1"
run 0 -C "$scratch/up2" init --endpoint http://127.0.0.1:9/v1/ --project p --database d --json
has "$out" '"endpoint": "http://127.0.0.1:9/v1"' "an endpoint with /v1 keeps it"
run 0 -C "$scratch/up" status --json
has "$out" '"session": "guest"' "before a login the journal is a guest's"

fresh
run 1 sync
has "$err" 'init --endpoint' "sync of a guest's journal says what is missing"
run 0 thread new 'Made as a guest'
run 0 init --endpoint http://127.0.0.1:9/ --project p --database d
has "$out" 'http://127.0.0.1:9/v1' "a guest's journal is given a server"
run 0 --json thread list
has "$out" 'Made as a guest' "and keeps what is in it"
run 1 init --endpoint http://127.0.0.1:10/ --project p --database d
has "$err" 'has an upstream already' "once"

fresh
run 1 login a@b.c
run 2 sync --once --follow
run 2 messages x --limit -1
run 2 messages x --limit 1x
run 2 trim x
run 2 send x y --role king
run 2 serve --listen nowhere
run 2 serve --listen ::1:80
run 2 serve --listen 127.0.0.1:65536
run 0 whoami
same guest "$(cat "$out")" "whoami of a guest"

# ---- threads and messages ----

fresh
run 0 thread new 'First thread'
first=$(cat "$out")
run 0 --json thread new
has "$out" '^{"kind": "thread", "id": "[0-9a-f-]*"}$' "thread new --json"
second=$(sed 's/.*"id": "\([^"]*\)".*/\1/' "$out")
run 0 send "$first" 'hello there'
m1=$(cat "$out")
printf 'from\tstdin\nwith \\ two lines\n' >"$scratch/text"
"$avchat" send "$first" - --role assistant <"$scratch/text" >"$out" 2>"$err" || complain "send -: $(cat "$err")"
m2=$(cat "$out")
"$avchat" send "$first" <"$scratch/text" >"$out" 2>"$err" || complain "send from stdin: $(cat "$err")"
m3=$(cat "$out")
run 0 send "$first" -C "$AVCHAT_DIR" --json -- --dashed
has "$out" '^{"kind": "message", "id"' "options stand behind the words too, and -- ends them"
m4=$(sed 's/.*"id": "\([^"]*\)".*/\1/' "$out")
run 0 messages "$first"
same 4 "$(wc -l <"$out")" "four messages are four lines"
has "$out" "^$m1	20[0-9T:.+-]*	user	pending	hello there\$" "a message's line"
has "$out" "^$m2	.*	assistant	pending	from\\\\tstdin\\\\nwith \\\\\\\\ two lines\$" "tab, newline and backslash are escaped"
has "$out" "^$m4	.*	--dashed\$" "a text that looks like an option"
run 0 messages "$first" --limit 2
same "$m3 $m4" "$(cut -f1 "$out" | tr '\n' ' ' | sed 's/ $//')" "--limit gives the newest"
run 0 messages "$first" --limit 2 --before "$m3"
same "$m1 $m2" "$(cut -f1 "$out" | tr '\n' ' ' | sed 's/ $//')" "--before gives those before"
run 0 messages "$first" --limit 0
same "" "$(cat "$out")" "--limit 0 gives none"
run 0 messages "$first" --json
has "$out" '^{"kind": "message", "id": .*"content": "hello there".*"pending": true, "parked": false}$' "messages --json"
run 0 edit "$m1" 'edited'
same "" "$(cat "$out")" "edit is silent"
run 0 --json edit "$m1" 'edited again'
run 0 messages "$first"
has "$out" "^$m1	.*	edited again\$" "edit changes the text"
run 0 delete "$m2"
run 1 delete "$m2"
run 0 trim "$first" --from "$m3" --json
has "$out" '^{"deleted": 2}$' "trim deletes from there on"
run 0 messages "$first"
same "$m1" "$(cut -f1 "$out")" "trim leaves what is older"
run 1 messages "$first" --before "$m3"
run 1 send nowhere hello
run 2 send "$first" ''
printf '\377' | "$avchat" send "$first" - >"$out" 2>"$err"
same 2 $? "a text that is no UTF-8 is refused"

# ---- shortened ids ----

short=$(echo "$first" | cut -c1-12)
run 0 messages "$short"
same "$m1" "$(cut -f1 "$out")" "a shortened id finds its thread"
run 1 messages "$(echo "$first" | cut -c1-3)"
has "$err" '4 characters' "three characters are too few"
printf '%s\n' '{"kind": "thread", "id": "same-1", "title": "a", "createdAt": "2026-01-01T00:00:00.000+00:00"}' \
    '{"kind": "thread", "id": "same-2", "title": "b", "createdAt": "2026-01-01T00:00:00.000+00:00"}' \
    '{"kind": "thread", "id": "same", "title": "c", "createdAt": "2026-01-01T00:00:00.000+00:00"}' >"$scratch/lines"
run 0 import "$scratch/lines"
run 1 messages same-
has "$err" "fits 2 threads: same-1, same-2" "an ambiguous id lists what it fits"
run 0 messages same
run 1 messages nobody-has-this

# ---- thread commands ----

run 0 thread rename "$second" 'Zweiter Faden'
run 0 thread pin "$second"
run 0 thread tag "$second" red green red
run 0 thread list
same "$second" "$(head -n 1 "$out" | cut -f1)" "a pinned thread stands first"
has "$out" "^$second	.*	0	pinned	pending	Zweiter Faden\$" "a thread's line"
run 0 --json thread list
has "$out" "\"id\": \"$second\".*\"title\": \"Zweiter Faden\".*\"isPinned\": true, \"tags\": \\[\"red\", \"green\"\\]" "thread list --json"
run 0 thread tag --remove "$second" red
run 0 --json thread list
has "$out" "\"id\": \"$second\".*\"tags\": \\[\"green\"\\]" "a tag taken off"
run 0 thread unpin "$second"
run 0 --json thread list
has "$out" "\"id\": \"$second\".*\"isPinned\": false" "unpinned"
run 0 send "$first" 'tail'
run 0 thread branch "$first" "$m1"
branch=$(cat "$out")
run 0 messages "$branch"
same "edited again" "$(cut -f5 "$out")" "a branch holds what came before"
run 0 thread branch "$first"
run 0 messages "$(cat "$out")"
same 2 "$(wc -l <"$out")" "a branch without a message holds all"
run 1 thread branch "$second"
run 0 thread delete "$branch"
run 1 messages "$branch"

# ---- attachments ----

printf 'attached \303\274 text\n' >"$scratch/notes.md"
run 0 send "$first" 'see file' --attach "$scratch/notes.md"
run 0 export "$first"
has "$out" '"attachments": \[{"id": "[0-9a-f-]*", "filename": "notes.md", "originalName": "notes.md", "fileType": "text", "mimeType": "text/markdown", "size": 17, "url": "", "createdAt": "[^"]*", "textContent": "attached ü text\\n"}\]' "an attachment"
run 0 send "$first" --attach "$scratch/notes.md"
printf 'a\0b' >"$scratch/binary"
run 1 send "$first" x --attach "$scratch/binary"
run 1 send "$first" x --attach "$scratch/nothing"
run 1 send "$first" x --attach "$scratch"
head -c 1048577 /dev/zero | tr '\0' 'x' >"$scratch/large"
run 1 send "$first" x --attach "$scratch/large"
has "$err" '1 MiB' "a large attachment"

# ---- status and log ----

run 0 --json status
for key in records bytes segments pending parked oldestPendingMs etaMs online session gapOpen conflicts lastAckAt leader \
    user leaderSession leaderHost leaderSince digest unknownEntries threads messages; do
    has "$out" "\"$key\": " "status --json"
done
same 21 "$(tr ',' '\n' <"$out" | wc -l)" "status has these keys and no more"
run 0 status
has "$out" '^pending ' "status for people"
run 0 log --to 1
same 1 "$(wc -l <"$out")" "log --to 1 is one entry"
has "$out" '^1	20.*	session	-	-	init	' "the first entry"
run 0 log --from 2 --to 3 --json
same 2 "$(wc -l <"$out")" "log of a range"
has "$out" '^{"seq": 2, "time": ".*", "type": "local", "entity": "thread", "id": ".*", "op": "create", "entry": {.*}}$' "log --json"
run 0 log --type session --to 1
same 1 "$(wc -l <"$out")" "log --type"
run 0 log --type unknown
same 0 "$(wc -l <"$out")" "there is no unknown entry"
run 0 parked
same "" "$(cat "$out")" "nothing is parked"
run 1 retry nothing
run 1 drop nothing

# ---- import and export ----

fresh
thread='{"kind": "thread", "id": "t-one", "title": "One", "createdAt": "2026-01-01T00:00:00.000+00:00"'
message='{"kind": "message", "id": "m-one", "threadId": "t-one", "role": "user", "content": "hi", "createdAt": "2026-01-02T00:00:00.000+00:00"'
cat >"$scratch/whole" <<EOF
{"kind": "project", "id": "p-one", "name": "Garden", "colorIndex": 3, "members": ["u1"], "createdAt": "2026-01-01T00:00:00.000+00:00"}
$thread, "updatedAt": "2026-01-01T00:00:00.000+00:00", "lastMessageAt": "2026-01-03T00:00:00.000+00:00", "isPinned": true, "later": {"b": [1, 2.5, 0.1, null], "a": "é\\n\\u0000"}}
$message}
{"kind": "message", "id": "m-two", "threadId": "t-one", "role": "assistant", "content": "ho", "createdAt": "2026-01-03T00:00:00.000+00:00", "model": "m"}
{"kind": "summary", "id": "s-one", "threadId": "t-one", "messageId": "m-one", "content": "greeting", "createdAt": "2026-01-02T00:00:01.000+00:00"}
{"kind": "thread", "id": "t-two", "title": "Two", "createdAt": "2026-01-04T00:00:00.000+00:00"}
EOF
run 0 import "$scratch/whole"
same "imported 6, unchanged 0" "$(cat "$out")" "import says what it did"
run 0 export
same_file "$scratch/whole" "$out" "export gives the imported lines back"
run 0 export t-two
same 1 "$(wc -l <"$out")" "export of one thread"
run 0 import "$scratch/whole"
same "imported 0, unchanged 6" "$(cat "$out")" "an import that is run again changes nothing"
cp "$scratch/whole" "$scratch/crlf"
sed -i 's/$/\r/; 1s/^/\xef\xbb\xbf/; $a\
' "$scratch/crlf"
run 0 import - <"$scratch/crlf"
same "imported 0, unchanged 6" "$(cat "$out")" "CRLF, a byte order mark and blank lines are taken"
records=$("$avchat" --json status | sed 's/.*"records": \([0-9]*\).*/\1/')
same 8 "$records" "unchanged lines write nothing"

sed 's/"Two"/"Changed"/' "$scratch/whole" >"$scratch/changed"
run 1 import "$scratch/changed"
has "$err" 'line 6: thread t-two is here with another title; skipped' "a line with other content is reported"
has "$out" 'skipped 1' "and counted"
run 0 export t-two
has "$out" '"title": "Two"' "and changes nothing"
run 0 --json import --update "$scratch/changed"
has "$out" '^{"kind": "thread", "id": "t-two"}$' "import --json prints what it took"
has "$out" '^{"imported": 0, "unchanged": 5, "updated": 1, "skipped": 0}$' "and the counts"
run 0 export t-two
has "$out" '"title": "Changed"' "--update lets the line change it"

printf '%s\n' "$thread}" "$message}" >"$scratch/raise"
fresh
run 0 import --ids "$scratch/raise"
same "t-one m-one" "$(tr '\n' ' ' <"$out" | sed 's/ $//')" "--ids prints the ids, in order"
run 0 export
has "$out" '"lastMessageAt": "2026-01-02T00:00:00.000+00:00"' "a message raises its thread in the same frame"
run 0 import "$scratch/raise"
same "imported 0, unchanged 2" "$(cat "$out")" "a raised thread is still the same thread"
printf '%s\n' '{"kind": "message", "id": "m-new", "threadId": "t-one", "role": "user", "content": "later", "createdAt": "2026-02-01T00:00:00.000+00:00"}' \
    '{"kind": "message", "id": "m-old", "threadId": "t-one", "role": "user", "content": "earlier", "createdAt": "2025-02-01T00:00:00.000+00:00"}' >"$scratch/more"
run 0 import "$scratch/more"
run 0 export
has "$out" '"lastMessageAt": "2026-02-01T00:00:00.000+00:00"' "a message raises a thread that is there already"

# One line a case: what is broken, and a word of what must be said about line 3.
broken() {
    fresh
    { printf '%s\n' "$thread}" "$message}" "$1" "$thread}"; } >"$scratch/broken"
    run 1 import "$scratch/broken"
    has "$err" "^avchat: import: line 3: .*$2.*; 2 lines before it were imported and stay\$" "broken line $1"
    run 0 export
    same 2 "$(wc -l <"$out")" "what stands before the broken line $1 stays"
}
broken 'no json' 'JSON'
broken '[1]' 'object'
broken '{"kind": "thread", "id": "x"' 'JSON'
broken '{"id": "x", "title": "t", "createdAt": "2026-01-01T00:00:00.000+00:00"}' 'kind'
broken '{"kind": "cat", "id": "x"}' 'not cat'
broken '{"kind": "thread", "title": "t", "createdAt": "2026-01-01T00:00:00.000+00:00"}' 'id'
broken '{"kind": "thread", "id": 7, "title": "t", "createdAt": "2026-01-01T00:00:00.000+00:00"}' 'id'
broken '{"kind": "thread", "id": "x", "createdAt": "2026-01-01T00:00:00.000+00:00"}' 'title'
broken '{"kind": "thread", "id": "x", "title": 5, "createdAt": "2026-01-01T00:00:00.000+00:00"}' 'title'
broken '{"kind": "thread", "id": "x", "title": "t", "createdAt": "yesterday"}' 'createdAt'
broken '{"kind": "thread", "id": "x", "id": "y", "title": "t", "createdAt": "2026-01-01T00:00:00.000+00:00"}' 'JSON'
broken '{"kind": "message", "id": "x", "threadId": "t-none", "role": "user", "content": "c", "createdAt": "2026-01-01T00:00:00.000+00:00"}' 't-none'
broken '{"kind": "summary", "id": "x", "messageId": "m-one", "content": "c", "createdAt": "2026-01-01T00:00:00.000+00:00"}' 'threadId'
broken "$(printf '{"kind": "thread", "id": "x", "title": "\377"}')" 'JSON'

fresh
head -c 17000000 /dev/zero | tr '\0' 'x' >"$scratch/long"
run 1 import "$scratch/long"
has "$err" 'line 1: .*16 MiB; nothing before it' "a line that is too long"
run 1 import "$scratch/nothing"

# A thousand times more than a batch: every id once, in order, and the same bytes back.
fresh
awk 'BEGIN { for (i = 0; i < 3000; i++) {
    if (i % 100 == 0) { t++; printf "{\"kind\": \"thread\", \"id\": \"thread-%04d\", \"title\": \"T\", \"createdAt\": \"2026-01-01T00:00:%02d.000+00:00\", \"lastMessageAt\": \"2026-02-01T00:00:00.000+00:00\"}\n", t, t }
    printf "{\"kind\": \"message\", \"id\": \"message-%06d\", \"threadId\": \"thread-%04d\", \"role\": \"user\", \"content\": \"%0800d\", \"createdAt\": \"2026-01-01T01:%02d:%02d.000+00:00\"}\n", i, t, i, i / 60, i % 60 } }' >"$scratch/many"
run 0 import --ids "$scratch/many"
sed 's/.*"id": "\([^"]*\)".*/\1/' "$scratch/many" >"$scratch/ids"
same_file "$scratch/ids" "$out" "every id is printed once, in order"
run 0 export
same_file "$scratch/many" "$out" "export gives many lines back"
{ "$avchat" export 2>"$err"; echo $? >"$scratch/code"; } | head -n 1 >"$out"
same "1 " "$(cat "$scratch/code") $(cat "$err")" "export ends quietly when its reader does"

for conversations in "$source/tests/sample/conversations.jsonl" "$source/../shared/data/conversations.jsonl"; do
    [ -r "$conversations" ] || continue
    fresh
    run 0 import "$conversations"
    run 0 export
    same_file "$conversations" "$out" "$conversations comes back byte for byte"
done

# A writer that pauses: what it wrote is acknowledged before it goes on.
fresh
mkfifo "$scratch/slow"
"$avchat" import --ids - <"$scratch/slow" >"$scratch/acknowledged" 2>"$err" &
importer=$!
exec 7>"$scratch/slow"
printf '%s\n' "$thread}" >&7
wait_for "$scratch/acknowledged" '^t-one$'
printf '%s\n' "$message}" >&7
wait_for "$scratch/acknowledged" '^m-one$'
exec 7>&-
wait $importer || complain "an import from a slow writer: $(cat "$err")"

# ---- what a terminal must not obey, and output that fails ----

fresh
run 0 thread new "$(printf 'evil \033]0;title\007 \302\233 end')"
evil=$(cat "$out")
run 0 thread list
hasnt "$out" "$(printf '\033')" "control characters do not leave as they are"
run 0 send "$evil" "$(printf 'red \033[31m text')"
if command -v script >/dev/null 2>&1; then
    script -qec "'$avchat' thread list; '$avchat' messages $evil" /dev/null </dev/null >"$out" 2>&1
    has "$out" 'evil \^\[\]0;title\^G' "a terminal shows control characters"
    has "$out" 'red \^\[\[31m text' "in messages too"
    hasnt "$out" "$(printf '\033')" "and obeys none"
fi
"$avchat" thread list >&- 2>"$err"
same "1 " "$? $(cat "$err")" "a closed stdout fails quietly"
if [ -w /dev/full ]; then
    "$avchat" thread list >/dev/full 2>"$err"
    same 1 $? "a full disk behind stdout is a failure"
    has "$err" 'avchat: the output could not be written: No space' "and said"
fi
"$avchat" send "$evil" hello >&- 2>&-
same 1 $? "with stdout and stderr closed nothing lands in the journal by mistake"
run 0 export
same 3 "$(wc -l <"$out")" "and the message is there"

# ---- watching ----

fresh
run 0 thread new watched
watched=$(cat "$out")
run 0 thread new other
other=$(cat "$out")
"$avchat" --json watch >"$scratch/all" 2>"$scratch/all.err" &
watch_all=$!
"$avchat" --json watch "$watched" >"$scratch/one" 2>"$scratch/one.err" &
watch_one=$!
"$avchat" log --follow >"$scratch/followed" 2>"$err" &
follower=$!
wait_for "$scratch/all" watching
wait_for "$scratch/one" watching
run 0 send "$other" 'elsewhere'
run 0 send "$watched" 'seen'
seen=$(cat "$out")
wait_for "$scratch/one" "\"event\": \"created\", \"kind\": \"message\", \"id\": \"$seen\""
run 0 edit "$seen" 'seen again'
wait_for "$scratch/one" "\"event\": \"changed\", \"kind\": \"message\", \"id\": \"$seen\".*seen again"
run 0 delete "$seen"
wait_for "$scratch/one" "\"event\": \"deleted\", \"kind\": \"message\", \"id\": \"$seen\", \"threadId\": \"$watched\""
wait_for "$scratch/all" "\"event\": \"deleted\", \"kind\": \"message\", \"id\": \"$seen\""
has "$scratch/all" 'elsewhere' "watch without a thread sees all"
hasnt "$scratch/one" 'elsewhere' "watch of a thread sees only that"
wait_for "$scratch/followed" "local	message	$seen	delete"
kill -INT $follower 2>/dev/null || complain "log --follow had ended: $(cat "$err")"
kill -TERM $watch_all $watch_one $follower
wait $watch_all
same 0 $? "watch ends well when it is asked to: $(cat "$scratch/all.err")"
wait $watch_one
same 0 $? "so does the other"
wait $follower
same 0 $? "so does log --follow"

# ---- a server, an account, two devices ----

run 0 -C "$scratch/server" init
"$avchat" -C "$scratch/server" serve --no-rate-limit >"$scratch/serving" 2>"$scratch/serving.err" &
server=$!
wait_for "$scratch/serving" '^listening on http://127.0.0.1:[0-9]*/v1$'
url=$(sed 's/^listening on //' "$scratch/serving")
for device in one two; do
    run 0 -C "$scratch/device-$device" init --endpoint "$url" --project p --database d
done
export AVCHAT_DIR="$scratch/device-one"
# A field that the server has no attribute for stays on this device: the other one would not have it.
sed 's/, "later": .*}$/}/' "$scratch/whole" >"$scratch/plain"
run 0 import "$scratch/plain"
run 1 sync
has "$err" 'login EMAIL' "sync without a session says how to sign in"
login() { # login CODE PASSWORD ARGUMENT...
    expected=$1
    printf '%s\nnot the password\n' "$2" >"$scratch/password"
    shift 2
    "$avchat" login "$@" <"$scratch/password" >"$out" 2>"$err"
    same "$expected" $? "login $*: $(cat "$err")"
}
login 0 'correct horse' me@example.org --create
has "$out" '^me@example.org (..*)$' "login says who is signed in"
user=$(sed 's/.*(\(.*\))$/\1/' "$out")
run 0 --json whoami
same "{\"user\": \"$user\", \"email\": \"me@example.org\"}" "$(cat "$out")" "whoami"
run 0 sync --dry-run
has "$out" '^would push 6, would pull 0' "a dry run says what it would do"
run 0 --json status
has "$out" '"pending": 6,' "and does nothing"
run 0 --json sync
has "$out" '^{"progress": {"phase": ' "sync --json tells of its progress"
has "$out" '^{"sync": {"phase": "done", "pushed": 6, .*"pending": 0,' "and of its end"
run 0 --json status
has "$out" "\"pending\": 0, .*\"etaMs\": 0, .*\"session\": \"$user\", .*\"lastAckAt\": \"20.*\"user\": \"$user\"" "everything is confirmed"
run 0 export
cp "$out" "$scratch/exported"
export AVCHAT_DIR="$scratch/device-two"
login 1 'wrong horse' me@example.org
login 0 'correct horse' me@example.org
"$avchat" sync --follow --json >"$scratch/synced" 2>"$scratch/synced.err" &
follower=$!
wait_for "$scratch/synced" '"phase": "live"'
run 0 export
same_file "$scratch/exported" "$out" "the other device holds the same"
run 0 --json status
has "$out" "\"leader\": $follower," "the process that syncs is the leader"
run 0 thread new 'Behind the leader'
run 0 sync
has "$out" "^pushed [01], pulled 0, refused 0, pending 0\$" "who leads syncs for who asks"
run 0 status
has "$out" "^syncing    by process $follower on .* since .*, session [0-9a-f]*\$" "and is named"
kill -TERM $follower
wait $follower
same 0 $? "sync --follow ends well when it is asked to: $(cat "$scratch/synced.err")"
run 0 --json status
has "$out" '"leader": null' "and leads no more"
run 0 logout
run 1 logout
run 1 whoami
run 0 --json status
has "$out" '"session": null' "signed out"
kill -TERM $server
wait $server
same 0 $? "serve ends well when it is asked to: $(cat "$scratch/serving.err")"
run 1 -C "$scratch/device-one" sync
run 1 -C "$scratch/device-one" serve

# ---- compact: what can be rewritten is, nothing else changes ----

fresh
run 0 compact
has "$out" 'nothing to do' "a new journal has nothing to compact"
i=0
while [ $i -lt 2600 ]; do
    printf '{"kind": "thread", "id": "t%s", "title": "Thread %s about %s", "createdAt": "2026-01-01T00:00:00.000+00:00"}\n' $i $i "$(printf '%x' $((i * 7919 % 99991)))"
    i=$((i + 1))
done >"$scratch/many.jsonl"
run 0 import "$scratch/many.jsonl"
run 0 export
cp "$out" "$scratch/before"
run 0 --json compact
has "$out" '"sealed": [0-9]*, "bytesBefore": [0-9]*, "bytesAfter": [0-9]*, "damaged": 0, "trained": [a-z]*' "compact says what it did"
run 0 thread new 'Behind the rest'
run 0 compact
run 0 export
grep -v 'Behind the rest' "$out" >"$scratch/after"
same_file "$scratch/before" "$scratch/after" "compact changes nothing that is said"
"${avchat}-fsck" "$AVCHAT_DIR" >"$out" 2>"$err"
same 0 $? "compact leaves a clean journal: $(cat "$out")"
run 2 compact now
for bad in '' x 10x -1 0d 5Md 99999999999999999999; do
    run 2 compact --keep "$bad"
    has "$err" 'keep takes all, days as 90d, or a size' "compact --keep $bad"
done
run 0 --json compact --keep 500M
has "$out" '"dropped": 0' "what was never sent is needed"
run 0 compact --keep 90d
run 0 compact --keep all
run 0 --json log --type session
has "$out" '"days": 90' "how long is kept is an entry"
run 0 export
grep -v 'Behind the rest' "$out" >"$scratch/after"
same_file "$scratch/before" "$scratch/after" "compact --keep changes nothing that is said"

# ---- answers that grow ----

fresh
run 0 thread new grows
thread=$(cat "$out")
printf 'one \303\266 \377two' >"$scratch/said"
"$avchat" stream "$thread" <"$scratch/said" >"$out" 2>"$err" || complain "stream: $(cat "$err")"
has "$err" 'U+FFFD' "bytes that are no UTF-8 are spoken of"
message=$(cat "$out")
run 0 --json messages "$thread"
has "$out" '"content": "one ö �two"' "what came on stdin is the message"
hasnt "$out" 'streaming\|interrupted' "an answer that has ended"
run 1 stream --finish "$message"
run 1 stream --resume "$message"
run 1 stream none
run 2 stream
run 2 stream x --finish y
run 2 stream x --role nobody
run 2 stream --resume x --role user
mkfifo "$scratch/pipe"
"$avchat" --json watch "$thread" >"$scratch/watched" 2>&1 &
watcher=$!
wait_for "$scratch/watched" '"watching"'
"$avchat" stream "$thread" <"$scratch/pipe" >"$scratch/id" 2>"$err" &
writer=$!
exec 7>"$scratch/pipe"
printf 'so far' >&7
wait_for "$scratch/watched" '"delta": "so far"'
message=$(cat "$scratch/id")
run 0 messages "$thread"
has "$out" "$message.*streaming.*so far" "others see what has come so far"
run 1 edit "$message" no
has "$err" 'is being streamed' "it can not be edited meanwhile"
kill -TERM $writer
wait $writer
same 1 $? "an interrupted stream's exit code"
exec 7>&-
has "$err" "stream --resume $message" "how to go on is said"
wait_for "$scratch/watched" '"interrupted": true'
run 0 messages "$thread"
has "$out" "$message.*interrupted.*so far" "what was interrupted says so"
run 0 export
has "$out" '"interrupted": true' "export says so too"
echo ', and on' | "$avchat" stream --resume "$message" >"$out" 2>"$err" || complain "resume: $(cat "$err")"
wait_for "$scratch/watched" '"end": true'
run 0 messages "$thread"
has "$out" "$message.*so far, and on" "it was gone on with"
hasnt "$out" 'interrupted' "and has ended"
kill $watcher
wait $watcher 2>/dev/null

# ---- a read-only journal ----

export AVCHAT_DIR="$scratch/journal"
if [ "$(id -u)" -ne 0 ]; then
    chmod -R a-w "$AVCHAT_DIR"
    run 0 thread list
    run 1 send "$watched" no
    chmod -R u+w "$AVCHAT_DIR"
fi

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
