/* The table of findings and the list of those of one run: see fsck_findings.h. */
#include "fsck/fsck_findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP    "Run avchat-fsck --repair: what is intact stays, and the originals are kept."
#define REFETCH "  Then avchat sync fetches again what the server had acknowledged."

static const struct fsck_kind kinds[FSCK_CODES] = {
    [FSCK_NO_SEGMENTS] =
        {"AVJ-F001", FSCK_FILES, FSCK_DAMAGED, "no segment file",
         "The folder that holds the log is empty: every record is gone.",
         "Restore the segments folder from a backup.  If there is none, avchat-fsck "
         "--salvage OUTDIR looks for pieces of the log in what is left."},
    [FSCK_SEGMENT_MISSING] =
        {"AVJ-F002", FSCK_FILES, FSCK_DAMAGED, "segment missing",
         "A file of the log was deleted or renamed; its records are gone.",
         "Put the file back from a backup, under the name given here; else run avchat-fsck "
         "--repair, which looks for it under other names."},
    [FSCK_UNREADABLE] = {"AVJ-F003", FSCK_FILES, FSCK_DAMAGED, "segment can not be read",
                         "The disk does not give the bytes of this file.",
                         "Copy the folder to another disk now, or take out what can be read with "
                         "avchat-fsck --salvage OUTDIR; then have this disk checked."},
    [FSCK_NO_ACCESS] = {"AVJ-F004", FSCK_FILES, FSCK_WARNING, "no permission to read",
                        "This part could not be checked.",
                        "Run the check as the user who owns the journal."},
    [FSCK_LEFTOVER] = {"AVJ-F005", FSCK_FILES, FSCK_WARNING, "leftover temporary file",
                       "A program died while it began a new segment; the file is not part of the "
                       "log.",
                       "Nothing is lost; avchat-fsck --repair moves the file aside."},
    [FSCK_STRANGE_NAME] =
        {"AVJ-F006", FSCK_FILES, FSCK_WARNING, "unexpected file name",
         "A file that is no segment lies among the segments.",
         "Run avchat-fsck --repair: a segment that is missed is put back in its place, "
         "any other file is moved aside."},
    [FSCK_NO_LOCK] = {"AVJ-F007", FSCK_FILES, FSCK_WARNING, "lock file missing",
                      "The file that keeps writers apart is not there.",
                      "Close every program that uses the journal; the next one to open it for "
                      "writing makes the file anew, and so does avchat-fsck --repair."},
    [FSCK_NO_WITNESS] = {"AVJ-F008", FSCK_FILES, FSCK_WARNING, "end of the log not proven",
                         "The note of what was last made durable is missing or unreadable, so "
                         "records cut off the end would not be noticed.",
                         "Nothing is known to be lost; the next durable change writes the note "
                         "again, and so does avchat-fsck --repair."},
    [FSCK_SESSION_MODE] =
        {"AVJ-F009", FSCK_FILES, FSCK_WARNING, "session file open to other users",
         "session.json holds the login; others on this machine may read it.",
         "Run chmod 600 session.json, or avchat-fsck --repair; if others had access, "
         "run avchat logout and avchat login."},
    [FSCK_SEGMENT_HEADER] = {"AVJ-F010", FSCK_FRAMES, FSCK_DAMAGED, "segment header damaged",
                             "The first 4096 bytes of the file are not as written, and without "
                             "them none of its records can be believed.",
                             KEEP REFETCH},
    [FSCK_FRAME_HEADER] = {"AVJ-F011", FSCK_FRAMES, FSCK_DAMAGED, "frame header damaged",
                           "Bytes of the log are not as written; the records in them are lost.",
                           KEEP REFETCH},
    [FSCK_PAYLOAD] = {"AVJ-F012", FSCK_FRAMES, FSCK_DAMAGED, "frame content damaged",
                      "Bytes of the log are not as written; the records in them are lost.",
                      KEEP REFETCH},
    [FSCK_TRAILER] = {"AVJ-F013", FSCK_FRAMES, FSCK_DAMAGED, "frame trailer damaged",
                      "The end mark of a frame is not as written; its records are not trusted.",
                      KEEP REFETCH},
    [FSCK_PADDING] = {"AVJ-F014", FSCK_FRAMES, FSCK_DAMAGED, "frame padding damaged",
                      "Filling bytes of a frame are not as written; its records are not trusted.",
                      KEEP REFETCH},
    [FSCK_TRUNCATED] = {"AVJ-F015", FSCK_FRAMES, FSCK_DAMAGED, "file cut off inside a frame",
                        "The file ends before the records that were in it.", KEEP REFETCH},
    [FSCK_DECOMPRESS] = {"AVJ-F016", FSCK_FRAMES, FSCK_DAMAGED, "frame does not decompress",
                         "The bytes are as written but do not unpack: a defect of the program "
                         "that wrote them.",
                         "Report it with this line.  " KEEP REFETCH},
    [FSCK_UNSYNCED_TAIL] = {"AVJ-F017", FSCK_FRAMES, FSCK_INFO, "unsynced tail",
                            "The last write was cut short by a crash; nobody was told that it "
                            "was saved.",
                            "Nothing to do: the next change begins a new segment and leaves these "
                            "bytes aside."},
    [FSCK_SET_ASIDE] =
        {"AVJ-F018", FSCK_FRAMES, FSCK_INFO, "bytes set aside",
         "Remains of a write that a crash cut short, or of a sync that failed or "
         "was killed, left where they were; what could be had of them is in the next "
         "segment.",
         "Nothing to do."},
    [FSCK_DICTIONARY] = {"AVJ-F019", FSCK_FRAMES, FSCK_DAMAGED, "dictionary damaged",
                         "The compression dictionary of the segment is not as written; frames that "
                         "need it do not unpack.",
                         KEEP REFETCH},
    [FSCK_FOREIGN] =
        {"AVJ-F020", FSCK_CHAIN, FSCK_DAMAGED, "segment of another journal",
         "The file was copied here from another journal; the records that belong "
         "here are not in it.",
         "Put the right file in its place; else run avchat-fsck --repair, which looks for it under "
         "other names." REFETCH},
    [FSCK_MISPLACED] = {"AVJ-F021", FSCK_CHAIN, FSCK_DAMAGED, "segment under a wrong name",
                        "The file holds another segment than its name says: renamed, copied or "
                        "swapped.",
                        "Run avchat-fsck --repair, which puts files back by the number inside."},
    [FSCK_PREDECESSOR] =
        {"AVJ-F022", FSCK_CHAIN, FSCK_DAMAGED, "segment does not continue its predecessor",
         "One of the two files is another version than the one that was here: "
         "restored from a backup, or written by a copy of the journal.",
         "Put both files back from the same backup; else run avchat-fsck --repair." REFETCH},
    [FSCK_SHORT] = {"AVJ-F023", FSCK_CHAIN, FSCK_DAMAGED, "segment ends too early",
                    "Records at the end of the file are gone: it was cut off, overwritten with "
                    "zeros, or restored from an earlier backup.",
                    KEEP REFETCH},
    [FSCK_CHAIN_BROKEN] = {"AVJ-F024", FSCK_CHAIN, FSCK_DAMAGED, "chain of frames broken",
                           "A frame is whole but does not follow the one before it.", KEEP REFETCH},
    [FSCK_SEQUENCE] = {"AVJ-F025", FSCK_CHAIN, FSCK_DAMAGED, "sequence numbers do not follow",
                       "Records are missing or there twice between two intact places.",
                       KEEP REFETCH},
    [FSCK_MISSING_DURABLE] = {"AVJ-F026", FSCK_CHAIN, FSCK_DAMAGED, "durable records missing",
                              "More was once safely on the disk than is there now: the end of "
                              "the log was cut off, deleted, or restored from an earlier backup.",
                              KEEP REFETCH},
    [FSCK_WITNESS_DIFFERS] =
        {"AVJ-F027", FSCK_CHAIN, FSCK_DAMAGED, "log differs from what was made durable",
         "The note of what was last made durable names a place that the log "
         "does not have: the segments are not those it was written for.",
         "Put the whole folder back from one backup, not parts of it; else run avchat-fsck "
         "--repair." REFETCH},
    [FSCK_INDEX] = {"AVJ-F028", FSCK_CHAIN, FSCK_DAMAGED, "index of a sealed segment wrong",
                    "The list of what stands where in the file is missing or tells of something "
                    "else; the records themselves are not affected by it.",
                    KEEP},
    [FSCK_CONTENT] = {"AVJ-F029", FSCK_CHAIN, FSCK_DAMAGED, "sealed records are not the original's",
                      "The segment was rewritten, and what is in it is not what was there before: "
                      "a defect of the program that rewrote it.",
                      KEEP REFETCH},
    [FSCK_NOT_AN_ENTRY] =
        {"AVJ-F030", FSCK_DECODE, FSCK_DAMAGED, "record is no entry",
         "The record is as written but nothing this program understands: a "
         "defect of the program that wrote it.",
         "Report it with this line; the other records are not affected.  avchat-fsck "
         "--repair puts an entry in its place that keeps its bytes."},
    [FSCK_UNKNOWN_TYPES] = {"AVJ-F031", FSCK_DECODE, FSCK_INFO, "entries of unknown types",
                            "A newer program wrote entries that this one keeps and skips.",
                            "Check with the newer avchat-fsck to have them looked at too."},
    [FSCK_NOT_FOLDED] = {"AVJ-F040", FSCK_FOLD, FSCK_DAMAGED, "entry can not be replayed",
                         "The entry lacks what its type needs and changes nothing: a defect of "
                         "the program that wrote it.",
                         "Report it with this line; the other records are not affected."},
    [FSCK_FOLD_STOPPED] = {"AVJ-F041", FSCK_FOLD, FSCK_INFO, "replay stopped at the first gap",
                           "Counts and digest of the view are those before the damage.",
                           "See the damage that is told before: after avchat-fsck --repair all is "
                           "replayed that is there."},
    [FSCK_UNMATCHED_ACKS] = {"AVJ-F042", FSCK_FOLD, FSCK_WARNING,
                             "acknowledgements without a change",
                             "The server acknowledged a change of a document that this journal has "
                             "never held before.",
                             "Nothing is lost by it: avchat sync fetches what the server has, and "
                             "avchat-fsck --audit tells what happened to a message."},
    [FSCK_NO_THREAD] =
        {"AVJ-F043", FSCK_FOLD, FSCK_INFO, "messages without a thread",
         "They are kept, and appear when their thread arrives.",
         "Run avchat sync, which fetches missing threads; where no server has them, and "
         "the log is damaged too, avchat-fsck --repair makes them anew."},
    [FSCK_NOT_FETCHED] =
        {"AVJ-F044", FSCK_FOLD, FSCK_DAMAGED, "record can not be read again",
         "The record was good when the log was read, and could not be had when a "
         "later entry needed it: the disk gives different answers, or another "
         "part of the folder that leads to it is damaged.",
         "Check again; if it stays, copy the folder to another disk, or take out what "
         "can be read with avchat-fsck --salvage OUTDIR, and have this one "
         "checked."},
    [FSCK_SNAPSHOT_DAMAGED] =
        {"AVJ-F045", FSCK_FOLD, FSCK_WARNING, "snapshot damaged",
         "Bytes of the file are not as written.  It is made from the log, "
         "and the program does without it.",
         "Nothing is lost: delete the file, or run avchat-fsck --repair, which "
         "moves it aside; the next one is made by itself."},
    [FSCK_SNAPSHOT_STALE] =
        {"AVJ-F046", FSCK_FOLD, FSCK_WARNING, "snapshot of another log",
         "It was made from records that this log does not have: the log lost its end in a crash, "
         "or was restored from a backup without its snapshots.",
         "Nothing to do unless damage is told of too: the program sets the file aside and makes "
         "another."},
    [FSCK_SNAPSHOT_DIFFERS] =
        {"AVJ-F047", FSCK_FOLD, FSCK_DAMAGED, "snapshot says something else than the log",
         "The file is whole, but replaying the log gives another view: what the program shows may "
         "be wrong, what the log holds is not affected.  A defect of the program that wrote it, "
         "or somebody changed one of the two.",
         "Keep a copy of the folder and report this line; then close the program and delete the "
         "file: what is shown is made from the log again."},
    [FSCK_SNAPSHOT_LEFTOVER] = {"AVJ-F048", FSCK_FILES, FSCK_WARNING, "leftover of a snapshot",
                                "A snapshot that was not finished, or was set aside because it "
                                "could not be used; it is read by nobody.",
                                "Nothing is lost: the file may be deleted, and the next snapshot "
                                "takes it away."},
    [FSCK_SNAPSHOT_OTHER] = {"AVJ-F049", FSCK_FOLD, FSCK_INFO,
                             "snapshot of another program version",
                             "It was written by another version of the program or on another kind "
                             "of machine, and can not be used or checked here.",
                             "Nothing to do: the program does without it and makes another."},
    [FSCK_UNFINISHED] = {"AVJ-F050", FSCK_FOLD, FSCK_WARNING, "check not finished",
                         "The time allowed ran out; what was looked at is told here.",
                         "Run again with a longer --max-duration or without, or with --state "
                         "FILE, which lets the next check go on from there."},
    [FSCK_MORE] = {"AVJ-F051", FSCK_FOLD, FSCK_INFO, "more findings of one kind",
                   "They are counted but not listed one by one.",
                   "See the listed ones of that kind."},
    [FSCK_LATER] = {"AVJ-F052", FSCK_FOLD, FSCK_WARNING, "entry about a later record",
                    "It settles, refuses or gives up changes up to a record that was written after "
                    "it, which can not be: a defect of the program that wrote it.",
                    "Report it with this line.  avchat-fsck --audit tells what became of the "
                    "messages, and avchat sync compares with the server."},
    [FSCK_CLOCK_BACK] = {"AVJ-F053", FSCK_FOLD, FSCK_WARNING, "clock ran backwards",
                         "It is stamped more than an hour before what stands in front of it: a "
                         "clock was put back, or two copies of the journal were written to.  "
                         "Nothing is lost; where two devices changed the same, the later one by "
                         "these stamps has won.",
                         "avchat conflicts lists what lost; set the machine's clock."},
    [FSCK_INTERRUPTED] = {"AVJ-F054", FSCK_FOLD, FSCK_INFO, "answer interrupted",
                          "Who wrote it ended before the answer did; what had come is there.",
                          "avchat stream --resume goes on with it, avchat stream --finish leaves "
                          "it as it is."},
    [FSCK_SHARED_ROW] = {"AVJ-F055", FSCK_FOLD, FSCK_WARNING, "one row of the server twice",
                         "Two documents here are bound to one row of the server: another program "
                         "has changed the row's own id, or this one a wrong one.  A change to one "
                         "of them changes the row of both.",
                         "Run avchat-fsck --audit with their ids, and delete the one that is not "
                         "wanted."},
};

const struct fsck_kind *fsck_kind(enum fsck_code code)
{
    return &kinds[code];
}

const char *fsck_phase_name(enum fsck_phase phase)
{
    static const char *const names[FSCK_PHASES] = {"files", "frames", "chain", "decode", "fold"};
    return names[phase];
}

const char *fsck_severity_name(enum fsck_severity severity)
{
    static const char *const names[FSCK_SEVERITIES] = {"info", "warning", "damage"};
    return names[severity];
}

static void ids_release(struct fsck_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        free(ids->ids[i]);
}

static void finding_free(struct fsck_finding *finding)
{
    ids_release(&finding->threads);
    ids_release(&finding->messages);
    for (size_t i = 0; i < FSCK_IDS_MAX; i++)
        free(finding->titles[i]);
    free(finding);
}

void fsck_findings_release(struct fsck_findings *list)
{
    for (size_t i = 0; i < list->count; i++)
        finding_free(list->items[i]);
    free(list->items);
    memset(list, 0, sizeof(*list));
}

static struct fsck_finding *keep(struct fsck_findings *list, enum fsck_code code)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 16;
        struct fsck_finding **items = realloc(list->items, cap * sizeof(*items));
        if (!items)
            return NULL;
        list->items = items;
        list->cap = cap;
    }
    struct fsck_finding *finding = calloc(1, sizeof(*finding));
    if (!finding)
        return NULL;
    finding->code = code;
    list->items[list->count++] = finding;
    return finding;
}

struct fsck_finding *fsck_findings_add(struct fsck_findings *list, enum fsck_code code)
{
    list->by_severity[kinds[code].severity]++;
    if (list->by_code[code]++ >= FSCK_FINDINGS_PER_KIND)
        return NULL;
    struct fsck_finding *finding = keep(list, code);
    if (!finding)
        list->failed = true;
    return finding;
}

void fsck_findings_join(struct fsck_findings *list, struct fsck_findings *from)
{
    for (size_t i = 0; i < from->count; i++) {
        struct fsck_finding *finding = from->items[i];
        struct fsck_finding *kept = keep(list, finding->code);
        if (kept) {
            *kept = *finding; /* its ids too */
            free(finding);
        } else {
            list->failed = true;
            finding_free(finding);
        }
    }
    for (int code = 0; code < FSCK_CODES; code++)
        list->by_code[code] += from->by_code[code];
    for (int severity = 0; severity < FSCK_SEVERITIES; severity++)
        list->by_severity[severity] += from->by_severity[severity];
    list->failed = list->failed || from->failed;
    free(from->items);
    memset(from, 0, sizeof(*from));
}

void fsck_findings_drop(struct fsck_findings *list, enum fsck_code code)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i]->code == code)
            finding_free(list->items[i]);
        else
            list->items[kept++] = list->items[i];
    list->count = kept;
    list->by_severity[kinds[code].severity] -= list->by_code[code];
    list->by_code[code] = 0;
}

void fsck_findings_close(struct fsck_findings *list)
{
    for (int code = 0; code < FSCK_CODES; code++) {
        if (code == FSCK_MORE || list->by_code[code] <= FSCK_FINDINGS_PER_KIND)
            continue;
        struct fsck_finding *more = fsck_findings_add(list, FSCK_MORE);
        if (!more)
            return;
        more->count = list->by_code[code] - FSCK_FINDINGS_PER_KIND;
        fsck_detail(more, "%llu more of %s, %s", (unsigned long long)more->count, kinds[code].id,
                    kinds[code].title);
    }
}

void fsck_detail(struct fsck_finding *finding, const char *format, ...)
{
    if (!finding)
        return;
    va_list list;
    va_start(list, format);
    vsnprintf(finding->detail, sizeof(finding->detail), format, list);
    va_end(list);
}

void fsck_ids_add(struct fsck_ids *ids, const char *id, size_t len)
{
    for (size_t i = 0; i < ids->count; i++)
        if (strlen(ids->ids[i]) == len && memcmp(ids->ids[i], id, len) == 0)
            return;
    char *copy = ids->count < FSCK_IDS_MAX ? malloc(len + 1) : NULL;
    if (!copy) {
        ids->more = true;
        return;
    }
    memcpy(copy, id, len);
    copy[len] = 0;
    ids->ids[ids->count++] = copy;
}
