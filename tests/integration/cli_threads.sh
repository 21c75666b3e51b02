#!/bin/sh
# Threads, projects, summaries, search, time travel, the log's filters and conflicts by the avchat command, and a guest's
# journal that an account claims.
# usage: cli_threads.sh FOLDER-OF-PROGRAMS SCRATCH-FOLDER [SOURCE-FOLDER]
set -u

[ $# -ge 2 ] || { echo "usage: $0 FOLDER-OF-PROGRAMS SCRATCH-FOLDER [SOURCE-FOLDER]" >&2; exit 2; }
avchat=$1/avchat
[ -x "$avchat" ] || { echo "$avchat is not there" >&2; exit 2; }
mkdir -p "$2" || exit 2
scratch=$(mktemp -d "$2/avchat-threads.XXXXXX") || exit 2
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$scratch"' EXIT
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

said() { # said EXPECTED WHAT: the whole output, its lines joined by blanks
    same "$1" "$(tr '\n' ' ' <"$out" | sed 's/ $//')" "$2"
}

ids() { # ids EXPECTED WHAT: the first column
    same "$1" "$(cut -f1 "$out" | tr '\n' ' ' | sed 's/ $//')" "$2"
}

fresh() { # a new guest's journal
    rm -rf "$AVCHAT_DIR"
    run 0 init
}

records() { "$avchat" --json status | sed 's/.*"records": \([0-9]*\).*/\1/'; }

wait_for() { # wait_for FILE PATTERN: until a line is there, at most a minute
    tries=0
    until grep -q -e "$2" "$1" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || { complain "'$2' never came: $(cat "$1")"; return 1; }
        sleep 0.05
    done
}

# ---- tags ----

fresh
run 0 thread new 'Sourdough'
t=$(cat "$out")
run 0 thread tag "$t"
said '' "a new thread has no tags"
run 0 thread tag "$t" bread 'two words' bread
said '' "tagging is silent"
run 0 thread tag "$t"
said 'bread two words' "tags are listed, one a line"
run 0 --json thread tag "$t"
same "{\"kind\": \"thread\", \"id\": \"$t\", \"tags\": [\"bread\", \"two words\"]}" "$(cat "$out")" "tags in JSON"
run 0 thread tag --clear "$t" only
run 0 thread tag "$t"
said 'only' "--clear puts the named tags in place of all"
run 0 thread tag "$t" --clear
run 0 thread tag "$t"
said '' "--clear takes all off"
run 2 thread tag "$t" --remove
run 2 thread tag "$t" --remove --clear x
run 2 thread tag "$t" ''
run 1 thread tag nowhere x

# ---- sharing ----

run 0 thread share "$t"
share=$(cat "$out")
run 0 --json thread share "$t"
same "{\"kind\": \"thread\", \"id\": \"$t\", \"shareId\": \"$share\"}" "$(cat "$out")" "sharing again keeps the id"
run 0 export "$t"
has "$out" "\"isShared\": true, \"shareId\": \"$share\", \"sharedAt\": \"20" "a shared thread"
run 0 thread unshare "$t"
said '' "unsharing is silent"
run 0 export "$t"
has "$out" '"isShared": false}' "unsharing clears the id and the time"
run 0 thread share "$t"
[ "$(cat "$out")" != "$share" ] || complain "sharing after unsharing gives the old id"

# ---- projects ----

run 0 project new Kitchen --description 'What is eaten' --prompt 'Be brief.' --color 4
p=$(cat "$out")
run 0 --json project new Garden
has "$out" '^{"kind": "project", "id": "[0-9a-f-]*"}$' "project new --json"
q=$(sed 's/.*"id": "\([^"]*\)".*/\1/' "$out")
run 0 project list
has "$out" "^$p	pending	-	Kitchen	What is eaten\$" "a project's line"
run 0 --json project list
has "$out" "\"id\": \"$p\", \"name\": \"Kitchen\", \"description\": \"What is eaten\", \"prompt\": \"Be brief.\", \"colorIndex\": 4" "project list --json"
run 0 project rename "$q" Allotment
run 0 project edit "$q" --description Beds
run 0 project list
has "$out" "^$q	.*	Allotment	Beds\$" "a project renamed and edited"
run 0 project edit "$q" --description ''
run 0 --json project list
hasnt "$out" 'Beds' "an empty text clears"
run 2 project new ''
run 2 project new Red --color red
run 2 project rename "$q" ''
run 2 project edit "$q"
run 1 project rename nowhere x
printf '%s\n' '{"kind": "project", "id": "shown-1", "name": "S", "members": ["ada", "bob"], "createdAt": "2026-01-01T00:00:00.000+00:00"}' \
    '{"kind": "project", "id": "shown-2", "name": "S", "createdAt": "2026-01-01T00:00:00.000+00:00"}' >"$scratch/lines"
run 0 import "$scratch/lines"
run 0 project list
has "$out" '^shown-1	pending	ada,bob	S	$' "members are shown"
run 1 project rename shown x
has "$err" "'shown' fits 2 projects: shown-" "an ambiguous id lists what it fits"

run 0 thread move "$t" "$(echo "$p" | cut -c1-8)"
run 0 thread new 'Elsewhere'
other=$(cat "$out")
run 0 thread tag "$other" bread
run 0 thread list --project "$p"
ids "$t" "threads of a project"
run 0 thread list --tag bread
ids "$other" "threads with a tag"
run 0 thread list --tag bread --project "$p"
ids '' "both"
run 1 thread list --project nowhere
run 2 thread move "$t"
run 2 thread move "$t" "$p" --none
run 1 thread move "$t" nowhere
before=$(records)
run 0 project delete "$p" --move-to "$q"
same $((before + 3)) "$(records)" "a project goes and its thread moves in two records, and one of the session"
run 0 thread list --project "$q"
ids "$t" "the thread is in the heir"
run 0 thread move "$t" --none
run 0 export "$t"
hasnt "$out" 'projectId' "a thread in no project"
run 0 thread move "$t" "$q"
run 0 --json project delete "$q"
same "{\"kind\": \"project\", \"id\": \"$q\"}" "$(cat "$out")" "project delete --json"
run 0 export "$t"
hasnt "$out" 'projectId' "a thread loses a deleted project"
run 2 project delete shown-1 --move-to shown-2 --delete-threads
run 1 project delete shown-1 --move-to shown-1
run 0 thread move "$t" shown-1
run 0 send "$t" 'gone soon'
run 0 project delete shown-1 --delete-threads
run 0 thread list
ids "$other" "--delete-threads deletes the threads"

# ---- summaries ----

fresh
run 0 thread new 'Long talk'
t=$(cat "$out")
run 0 send "$t" 'The Fjord in May'
m1=$(cat "$out")
run 0 send "$t" "$(printf 'first line\nan Ärger with the fjord, said at some length so that it does not fit a line of a terminal, as texts of answers never do\nlast line')"
m2=$(cat "$out")
run 0 send "$t" 'something else'
m3=$(cat "$out")
run 0 summary add "$t" "$m2" 'So far: fjords'
s=$(cat "$out")
run 0 summary list "$t"
has "$out" "^$s	20.*	$m2	pending	So far: fjords\$" "a summary's line"
run 0 --json summary list "$t"
has "$out" "\"kind\": \"summary\", \"id\": \"$s\", \"threadId\": \"$t\", \"messageId\": \"$m2\", \"content\": \"So far: fjords\"" "summary list --json"
printf 'from stdin\n' | "$avchat" summary add "$t" "$m2" - >"$out" 2>"$err" || complain "summary add -: $(cat "$err")"
run 0 thread new 'Other'
other=$(cat "$out")
run 0 summary list "$other"
said '' "summaries of another thread are not shown"
run 1 summary add "$other" "$m2" x

# ---- reading forth and back ----

run 0 messages "$t" --after "$m1"
ids "$m2 $m3" "--after gives those behind"
run 0 messages "$t" --after "$m1" --limit 1
ids "$m2" "--limit counts from --after"
run 0 messages "$t" --after "$m1" --before "$m3"
ids "$m2" "between two messages"
run 0 messages "$t" --before "$m3" --limit 100
ids "$m1 $m2" "a limit that is larger than the thread"
run 1 messages "$other" --after "$m1"
i=0
while [ $i -lt 450 ]; do
    printf '{"kind": "message", "id": "page-%04d", "threadId": "%s", "role": "user", "content": "x", "createdAt": "2026-01-01T00:00:00.000+00:00"}\n' $i "$other"
    i=$((i + 1))
done >"$scratch/pages"
run 0 import "$scratch/pages"
sed 's/.*"id": "\(page-[0-9]*\)".*/\1/' "$scratch/pages" >"$scratch/ids"
run 0 messages "$other"
cut -f1 "$out" >"$scratch/got"
checks=$((checks + 1))
cmp "$scratch/ids" "$scratch/got" || complain "a long thread is not shown whole, in order"
run 0 messages "$other" --after page-0010 --before page-0441
same 430 "$(wc -l <"$out")" "a long part of it"
run 0 messages "$other" --limit 449
same page-0001 "$(head -n 1 "$out" | cut -f1)" "the newest of it"
run 0 thread list --limit 1
first=$(cut -f1 "$out")
run 0 thread list --after "$first"
[ "$(cut -f1 "$out")" != "$first" ] || complain "--after shows the thread again"
same 1 "$(wc -l <"$out")" "thread list --after is the rest"
run 0 thread list --limit 0
said '' "--limit 0 lists none"

# ---- search ----

run 0 search FJORD
ids 'message message' "search finds whatever the case"
same "$m2 $m1" "$(cut -f2 "$out" | tr '\n' ' ' | sed 's/ $//')" "the newest first"
has "$out" "^message	$m2	$t	20.*	an Ärger with the fjord" "with the line that holds the word"
hasnt "$out" 'first line' "and no other"
run 0 search fjord may
same "$m1" "$(cut -f2 "$out")" "every word must be there"
run 0 search Fjord --match-case
same "$m1" "$(cut -f2 "$out")" "--match-case"
run 0 search ärger
same "$m2" "$(cut -f2 "$out")" "letters beyond ASCII have cases too"
run 0 search talk
has "$out" "^thread	$t	$t	20.*	Long talk\$" "titles are searched"
run 0 search fjord --limit 1
same "$m2" "$(cut -f2 "$out")" "search --limit"
run 0 search fjord --thread "$other"
said '' "search in one thread"
run 0 --json search fjord may
has "$out" "^{\"kind\": \"message\", \"id\": \"$m1\".*\"content\": \"The Fjord in May\"" "search --json"
run 0 search nothing-like-this
said '' "nothing found is no failure"
run 2 search ''
run 2 search
if command -v script >/dev/null 2>&1; then
    TERM=xterm NO_COLOR='' script -qec "'$avchat' search FJORD --limit 1" /dev/null </dev/null >"$out" 2>&1
    has "$out" "$(printf 'the \033\\[1mfjord\033\\[0m, said')" "a terminal shows the match in bold"
    has "$out" '\.\.\.' "and that the line is longer"
    TERM=dumb script -qec "'$avchat' search FJORD" /dev/null </dev/null >"$out" 2>&1
    hasnt "$out" "$(printf '\033')" "a terminal that can not is not asked to"
fi

# ---- as it was ----

fresh
run 0 thread new 'Before'
t=$(cat "$out")
run 0 send "$t" 'kept'
m=$(cat "$out")
then=$(records)
run 0 edit "$m" 'changed'
run 0 thread rename "$t" 'After'
run 0 thread new 'Later'
run 0 messages "$t" --at "$then"
has "$out" '	kept$' "messages --at SEQ"
run 0 thread list --at "$then"
same 1 "$(wc -l <"$out")" "thread list --at SEQ"
has "$out" '	Before$' "with the title of then"
run 0 export --at "$then"
has "$out" '"title": "Before"' "export --at SEQ"
run 0 search kept --at "$then"
ids message "search --at SEQ"
run 0 messages "$t" --at "$(date -u -d '1 hour' '+%Y-%m-%dT%H:%M:%SZ' 2>/dev/null || echo 2999-01-01)"
has "$out" '	changed$' "--at a time to come is now"
for past in -1w -3d -2h -30m -1800s 2001-01-01 '2001-01-01 10:00' 2001-01-01T10:00:30 2001-01-01T10:00:00.000+02:00; do
    run 0 thread list --at "$past"
    said '' "before there was anything (--at $past)"
done
run 1 messages "$t" --at -1w
has "$err" "no thread" "a thread that was not there then"
run 1 thread list --at 1000000
has "$err" 'has not been written yet' "a record to come"
for moment in yesterday -2x - '' 0 -0x 2026-02-31 2026-13-01 99999999999999999999; do
    run 2 thread list --at "$moment"
done

# ---- the log's filters ----

fresh
run 0 thread new 'One'
t=$(cat "$out")
run 0 thread new 'Two'
other=$(cat "$out")
run 0 send "$t" 'first'
m=$(cat "$out")
run 0 send "$other" 'second'
run 0 edit "$m" 'edited'
run 0 delete "$m"
last=$(records)
seqs() { cut -f1 "$out" | tr '\n' ' ' | sed 's/ $//'; }
run 0 log --thread "$t"
same '2 6 7 12 14' "$(seqs)" "log --thread: the thread and its messages, deleted ones too"
run 0 log --thread "$(echo "$t" | cut -c1-8)" --from 8
same '12 14' "$(seqs)" "of a part"
run 0 log --message "$m"
same '6 12 14' "$(seqs)" "log --message, a deleted one by its id"
run 0 log --limit 2
same "$((last - 1)) $last" "$(seqs)" "log --limit: the newest"
run 0 log --from 3 --limit 2
same '3 4' "$(seqs)" "with --from the first"
run 0 log --thread "$t" --limit 2
same '12 14' "$(seqs)" "the newest of a thread"
run 0 log --to 5 --limit 2
same '4 5' "$(seqs)" "the newest up to a record"
run 0 log --limit 0
said '' "log --limit 0"
run 0 log --type session,push
same '1 3 5 8 11 13 15' "$(seqs)" "types, separated by commas"
run 0 log --type local,session --json
same "$last" "$(wc -l <"$out")" "all of them"
run 2 log --type local,nonsense
run 2 log --type local,
run 2 log --since tomorrow
run 0 log --since -1h
same "$last" "$(wc -l <"$out")" "log --since"
run 0 log --until -1h
said '' "log --until"
run 0 log --since 2001-01-01 --limit 1
same 1 "$(seqs)" "with --since the first"
run 0 log --since 2999-01-01
said '' "since a time to come"
run 0 log --message nowhere
said '' "a message that never was has no entries"
"$avchat" log --follow --limit 1 --thread "$t" >"$scratch/followed" 2>"$err" &
follower=$!
wait_for "$scratch/followed" '^14	'
run 0 send "$other" 'not about it'
run 0 send "$t" 'about it'
wait_for "$scratch/followed" 'about it'
kill -TERM $follower
wait $follower
same 0 $? "log --follow ends well: $(cat "$err")"
hasnt "$scratch/followed" 'not about it' "log --follow leaves out what does not fit"
same '14' "$(head -n 1 "$scratch/followed" | cut -f1)" "and begins with the newest"

# ---- snapshot, conflicts ----

run 0 snapshot
has "$out" '^snapshot of record [0-9]*: [0-9]* documents, [0-9]* bytes$' "snapshot"
run 0 --json snapshot
has "$out" '^{"seq": [0-9]*, "bytes": [0-9]*, "documents": [0-9]*}$' "snapshot --json"
ls "$AVCHAT_DIR"/snapshots/* >/dev/null 2>&1 || complain "snapshot wrote no file"
run 0 conflicts
said '' "no conflicts"
run 1 conflicts restore 7
has "$err" 'no open conflict 7' "a conflict that is not there"
run 2 conflicts restore seven
run 1 conflicts dismiss 7
run 2 conflicts nonsense

# ---- a guest's journal, claimed ----

run 0 -C "$scratch/up" init
"$avchat" -C "$scratch/up" serve --no-rate-limit >"$scratch/serving" 2>"$scratch/serving.err" &
server=$!
wait_for "$scratch/serving" '^listening on http'
url=$(sed 's/^listening on //' "$scratch/serving")
login() { # login CODE EMAIL ARGUMENT...
    expected=$1
    shift
    echo 'correct horse' | "$avchat" login "$@" >"$out" 2>"$err"
    same "$expected" $? "login $*: $(cat "$err")"
}

fresh
run 0 thread new 'Guest'
t=$(cat "$out")
run 0 send "$t" 'one'
m1=$(cat "$out")
run 0 send "$t" 'two' --role assistant
m2=$(cat "$out")
run 0 send "$t" 'three'
m3=$(cat "$out")
run 0 edit "$m1" 'one, edited'
run 0 trim "$t" --from "$m3"
run 0 project new 'Guest project'
p=$(cat "$out")
run 0 thread move "$t" "$p"
run 0 thread pin "$t"
run 0 thread tag "$t" a b
run 0 thread share "$t"
run 0 summary add "$t" "$m2" 'in short'
run 0 thread branch "$t" "$m1"
run 0 thread new 'Gone'
run 0 thread delete "$(cat "$out")"
run 0 export
cp "$out" "$scratch/guest"
run 1 sync
run 0 init --endpoint "$url" --project p --database d
login 0 ada@example.org --create
run 0 export
checks=$((checks + 1))
cmp "$scratch/guest" "$out" || complain "the login changed a guest's documents"
run 0 sync
run 0 --json status
has "$out" '"pending": 0, "parked": 0' "everything of a guest is pushed"
run 0 export
checks=$((checks + 1))
cmp "$scratch/guest" "$out" || complain "the sync changed a guest's documents"
run 0 logout
login 1 eve@example.org --create
has "$err" 'another' "a journal that is claimed takes no second user"
run 0 export
checks=$((checks + 1))
cmp "$scratch/guest" "$out" || complain "a second user's login changed the documents"
login 0 ada@example.org
export AVCHAT_DIR="$scratch/second"
run 0 init --endpoint "$url" --project p --database d
login 0 ada@example.org
run 0 sync
run 0 export
checks=$((checks + 1))
cmp "$scratch/guest" "$out" || complain "another device of the user has other documents"

# ---- a conflict, between these two devices ----

first=$scratch/journal
run 0 edit "$m1" 'the phone says'
run 0 -C "$first" edit "$m1" 'the laptop says'
# The one that reaches the server last meets the other there, and that is later.
run 0 sync
run 0 -C "$first" sync
export AVCHAT_DIR="$first"
run 0 conflicts
same 1 "$(wc -l <"$out")" "one edit lost"
number=$(cut -f1 "$out")
has "$out" "^[0-9]*	20.*	message	$m1	lost here	content=\"the laptop says\"" "and it is told which"
run 0 --json conflicts
has "$out" "^{\"conflict\": $number, \"kind\": \"message\", \"id\": \"$m1\", .*\"lost\": \"here\", \"fields\": {\"content\": \"the laptop says\"" "conflicts --json"
run 0 status
has "$out" '^conflicts  1; see: avchat conflicts' "status tells of it"
run 0 --json conflicts restore "$number"
same "{\"kind\": \"message\", \"id\": \"$m1\"}" "$(cat "$out")" "conflicts restore --json"
run 0 messages "$t"
has "$out" '	the laptop says$' "what was lost is back"
run 0 conflicts
said '' "and the conflict is settled"
run 0 sync
run 0 -C "$scratch/second" sync
run 0 -C "$scratch/second" edit "$m1" 'once more'
run 0 edit "$m1" 'and again'
run 0 -C "$scratch/second" sync
run 0 sync
run 0 conflicts
number=$(cut -f1 "$out")
run 0 conflicts dismiss "$number"
run 0 conflicts
said '' "a dismissed conflict is off the list"
run 0 log --from "$number" --to "$number"
has "$out" 'and again' "but stays in the log"

kill -TERM "$server"
wait "$server"
same 0 $? "serve ends well: $(cat "$scratch/serving.err")"
server=

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
