/*
 * Journal entries: what the records of the log mean.  An entry is one msgpack map; the table below
 * names the types and is the only place that does.  A reader keeps entries of a type, and fields,
 * that it does not know.
 *
 * Keys that every entry may carry: "t" type name, "h" hybrid logical clock (uint), "p" session id
 * of the process that wrote it (text). Document entries carry "e" entity kind and "i" local id. The
 * others are listed with their type.  A *stub* is what compaction left of an entry: it has no "f",
 * but "z" (local: the entry at which it stopped being pending) or "g" (ack, remote: XXH3-64 of the
 * canonical fields); see MERGE.md.
 *
 * Threading: pure functions.
 */
#ifndef AVJ_ENTRY_H
#define AVJ_ENTRY_H

#include "replay/schema.h"
#include "replay/value.h"

AVJ_BEGIN_C

/* enumerator, name in "t", what it records and its own keys */
#define AVJ_ENTRY_TABLE(X)                                                                         \
    X(AVJ_E_LOCAL, "local",                                                                        \
      "a change made here: o op (create, update, delete), f fields (nil clears), u user id or "    \
      "nil, c conflict that it settles")                                                           \
    X(AVJ_E_PUSH, "push",                                                                          \
      "an attempt begun: a attempt id, v via (transaction, single), d [[kind, id, $id, up to "     \
      "seq, op], ...]; o (answer): one of its requests did not do it: a, v, d the documents it "   \
      "was about (none: all), x status (0: no answer came), y step (read, begin, stage, commit, "  \
      "write), m message, n how often in a row by now, w ms to wait, z ms the request took")       \
    X(AVJ_E_ACK, "ack",                                                                            \
      "settled upstream: r $id, s up to seq, v $updatedAt (of what was deleted: nil where it is "  \
      "not known), c $createdAt, f row (absent: deleted), k fields kept back, x status (0: "       \
      "elided)")                                                                                   \
    X(AVJ_E_REJECT, "reject",                                                                      \
      "refused for good, parked: s up to seq, x status, y type, m message")                        \
    X(AVJ_E_RETRY, "retry", "a person lets a parked change try again: s up to seq")                \
    X(AVJ_E_DROP, "drop", "a person gives a parked change up: s up to seq")                        \
    X(AVJ_E_REMOTE, "remote",                                                                      \
      "server state seen: b by (realtime, pull, push), r $id, v $updatedAt, c $createdAt, f row "  \
      "(absent: deleted)")                                                                         \
    X(AVJ_E_GAP, "gap",                                                                            \
      "events may have been missed: o (open, close), m why; close: w server time the sweep "       \
      "covers")                                                                                    \
    X(AVJ_E_STREAM, "stream",                                                                      \
      "a growing answer: o (begin, append, end, interrupted); append: d text that comes behind "   \
      "what there is; all but begin: s seq of the begin that they belong to, the message's last")  \
    X(AVJ_E_CONFLICT, "conflict",                                                                  \
      "what lost a merge: s seq of the loser, v winning $updatedAt, f lost fields, m why; or o "   \
      "(dismiss): s seq of the conflict that needs nobody any more")                               \
    X(AVJ_E_SESSION, "session",                                                                    \
      "o (init, login, logout, claim, schema, clock), u user id, and the facts of it: d the "      \
      "server's clock minus ours, in ms; or a process that writes: o open (pid, host, device, "    \
      "program), close, killed (who: the session that is gone)")                                   \
    X(AVJ_E_REPAIR, "repair",                                                                      \
      "o (lost: stands in for a lost record, from, to; replaced: for what was no entry, d; "       \
      "repair: what was done, lost [[from, to], ...], kept, threads, messages)")                   \
    X(AVJ_E_SERVER, "server",                                                                      \
      "state of the embedded upstream: k table, c collection, i key, d value (absent: removed)")   \
    X(AVJ_E_HISTORY, "history",                                                                    \
      "bodies that nothing needs any more are dropped: from, to seqs, records, bytes, days, "      \
      "size (what was to be kept)")

enum avj_entry_type {
#define AVJ_X(name, text, doc) name,
    AVJ_ENTRY_TABLE(AVJ_X)
#undef AVJ_X
        AVJ_ENTRY_TYPES, /* any type this program does not know */
};

AVJ_API const char *avj_entry_type_name(enum avj_entry_type type);

enum avj_op { AVJ_CREATE, AVJ_UPDATE, AVJ_DELETE, AVJ_OPS };
AVJ_API const char *avj_op_name(enum avj_op op);

/* "o" of a `stream` entry */
enum avj_stream_op {
    AVJ_STREAM_BEGIN, /* or gone on with */
    AVJ_STREAM_APPEND,
    AVJ_STREAM_END,
    AVJ_STREAM_INTERRUPTED,
    AVJ_STREAM_OPS
};
AVJ_API const char *avj_stream_op_name(enum avj_stream_op op);

/* An entry, decoded.  Slices point into the record; `tree` owns the parse. */
struct avj_entry {
    struct avj_tree *tree;
    struct avj_value root;
    enum avj_entry_type type;
    struct avj_slice type_name;
    uint64_t hlc;
    struct avj_slice session;
    bool has_document; /* "e" (a known entity) and "i" are there */
    enum avj_entity entity;
    struct avj_slice id;
};

/* Decodes one record.  Unknown types are no error (type AVJ_ENTRY_TYPES).  Release with
 * avj_entry_release. Errors: AVJ_EFORMAT (no msgpack map, no "t", a document type without "e" and
 * "i"), AVJ_ENOMEM. */
AVJ_API AVJ_CHECKED enum avj_status
avj_entry_decode(const void *data, size_t len, struct avj_entry *entry, struct avj_error *err);
AVJ_API void avj_entry_release(struct avj_entry *entry);

/* Begins an entry in `pack`: a map of `pairs` + 2 (+ 2 with entity != AVJ_ENTITIES, + 1 with
 * session) with the common keys written; the caller adds exactly `pairs` more. */
AVJ_API void avj_entry_begin(struct avj_pack *pack, enum avj_entry_type type, uint64_t hlc,
                             const char *session, enum avj_entity entity, const char *id,
                             size_t pairs);

AVJ_END_C

#endif
