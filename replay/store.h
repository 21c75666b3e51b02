/*
 * The store: a journal of chats, opened.  Mutations are appended as `local` entries and folded into
 * the view; the view is always what replaying the log gives.  This is the API that a client embeds,
 * and what the sync engine and the command line stand on.
 *
 * Per document: base (last known server state) + kept (fields the deployment cannot hold) + pending
 * (own mutations not settled) = visible.
 *
 * In memory is an index of some dozens of bytes a document; bodies are read out of the log through
 * a bounded cache.  A snapshot of the index (files in `snapshots`, derived, may be deleted) spares
 * open the replay of what it covers.
 *
 * Threading: one thread a store.  Several processes (and several stores of one process) may have
 * the same journal open; avj_store_refresh folds in what the others appended.
 *
 * Lifetime: what a reading function gives (ids, fields, lists of documents) is borrowed, and valid
 * until the same function is called again with this store or until the store is changed: mutate,
 * append, refresh, close.
 */
#ifndef AVJ_STORE_H
#define AVJ_STORE_H

#include "replay/entry.h"
#include "replay/fields.h"

AVJ_BEGIN_C

struct avj_store;

struct avj_store_options { /* all zero: the defaults */
    struct avj_journal_options journal;
    bool read_only;
    bool no_snapshots;  /* neither read nor write any: replay the whole log */
    size_t cache_bytes; /* of decompressed bodies kept for reading, 0: 16 MiB */
    /* Time travel, both imply read_only: the state after record at_seq (0: the newest), or that
     * before the first record stamped after at_ms (0: now; milliseconds since 1970).  A refresh
     * changes nothing then.  AVJ_ENOTFOUND where at_seq has not been written yet. */
    uint64_t at_seq;
    int64_t at_ms;
    /* Called while open replays, with the records folded and the total; NULL: not called. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *progress_arg;
    /* What the session of this process is called in the log: borrowed until close.  See
     * sessions.h. */
    const char *program; /* and its version: "avchat 0.1.0"; NULL: libavchat and its */
    const char *device;  /* NULL: the host's name */
    bool anonymous;      /* no session: neither entries of it nor a lock; nobody can tell whether
                            who wrote is still there */
};

/* What `init` decided, kept in the journal's first entry. */
struct avj_upstream {
    const char
        *endpoint; /* "https://host/v1"; NULL: none (a guest's journal, or an embedded upstream) */
    const char *project;
    const char *database;
    const char *collections[AVJ_ENTITIES];
};

/* Creates a journal and writes its `session` init entry.  upstream may be NULL.  Durable on return.
 * Errors: as avj_journal_create. */
AVJ_API AVJ_CHECKED enum avj_status avj_store_create(const char *path,
                                                     const struct avj_upstream *upstream,
                                                     const struct avj_store_options *options,
                                                     struct avj_error *err);

/* Gives a journal that has no upstream one: a guest's work is then claimed by the first login.
 * Durable on return. Errors: AVJ_EEXIST (it has one), AVJ_EREFUSED (it is an embedded upstream
 * itself), and those of avj_journal_append. */
AVJ_API AVJ_CHECKED enum avj_status avj_store_connect(struct avj_store *store,
                                                      const struct avj_upstream *upstream,
                                                      struct avj_error *err);

/* Opens and replays.  Errors: as avj_journal_open and avj_cursor_next; AVJ_EFORMAT (a record that
 * is no entry). */
AVJ_API AVJ_CHECKED enum avj_status avj_store_open(const char *path,
                                                   const struct avj_store_options *options,
                                                   struct avj_store **out, struct avj_error *err);
AVJ_API void avj_store_close(struct avj_store *store);

/* Folds in what was appended since, by anyone; *changed (may be NULL) tells whether something was.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_store_refresh(struct avj_store *store, bool *changed,
                                                      struct avj_error *err);

/* The journal beneath, for cursors, wake-ups and info.  Borrowed. */
AVJ_API struct avj_journal *avj_store_journal(struct avj_store *store);
/* NULL members where there is none.  Borrowed until close. */
AVJ_API const struct avj_upstream *avj_store_upstream(const struct avj_store *store);
/* The user who is logged in according to the log, NULL: a guest. */
AVJ_API const char *avj_store_user(const struct avj_store *store);
/* This process's session id, and the next stamp of its clock. */
AVJ_API const char *avj_store_session(const struct avj_store *store);
AVJ_API uint64_t avj_store_stamp(struct avj_store *store);

/* ---- documents ---- */

struct avj_doc {
    enum avj_entity entity;
    const char *id;
    struct avj_fields fields; /* visible, canonical, the id included */
    const char *remote_id;    /* $id of the row it is bound to, NULL: not upstream yet */
    const char *version;      /* that row's $updatedAt, NULL */
    uint64_t body_seq;        /* newest entry that holds fields of it */
    int64_t created_ms;       /* visible createdAt; 0 where there is none */
    int64_t last_message_ms;  /* threads: the larger of lastMessageAt and its newest message */
    size_t messages;          /* threads: visible messages */
    unsigned pending;         /* own mutations not settled */
    enum avj_streaming {      /* messages: */
                         AVJ_NOT_STREAMED,
                         AVJ_STREAM_GROWS, /* it grows, content is what has come so far: stream.h */
                         AVJ_STREAM_STOPPED, /* it does no more, and was not ended */
    } streaming;
    bool parked;       /* a mutation was refused and waits for a person; why: */
    int reject_status; /* HTTP status */
    const char *reject_type, *reject_message; /* NULL when not parked */
};

/* AVJ_ENOTFOUND when there is no visible document of that id.  Other errors: those of reading the
 * log (AVJ_ECORRUPT, AVJ_EIO, AVJ_ENOMEM). */
AVJ_API AVJ_CHECKED enum avj_status avj_store_get(struct avj_store *store, enum avj_entity entity,
                                                  const char *id, struct avj_doc *doc);

/* The document that a row of the server stands for, by its $id.  As avj_store_get. */
AVJ_API AVJ_CHECKED enum avj_status avj_store_get_remote(struct avj_store *store,
                                                         enum avj_entity entity,
                                                         const char *remote_id,
                                                         struct avj_doc *doc);

/* The visible documents of an entity: threads pinned first, then by last message, newest first;
 * everything else by (createdAt, id).  Holds all of them in memory: for messages see
 * avj_store_page and avj_store_walk. *docs: array owned by the store, borrowed as said above. */
AVJ_API AVJ_CHECKED enum avj_status avj_store_list(struct avj_store *store, enum avj_entity entity,
                                                   const struct avj_doc **docs, size_t *count,
                                                   struct avj_error *err);

/* A window on an ordered list, for paging in both directions.  All zero: the whole list. */
struct avj_page {
    const char *after;  /* id: only what stands behind it; NULL: from the beginning */
    const char *before; /* id: only what stands in front of it; NULL: to the end */
    size_t limit;       /* 0: all of these; else so many of them: */
    bool from_end;      /* the last ones, else the first ones */
};

/* Threads in the order of avj_store_list.  AVJ_ENOTFOUND: after or before is no visible thread. */
AVJ_API AVJ_CHECKED enum avj_status avj_store_threads(struct avj_store *store,
                                                      const struct avj_page *page,
                                                      const struct avj_doc **docs, size_t *count,
                                                      struct avj_error *err);

/* Messages of a thread, oldest first.  AVJ_ENOTFOUND: no such thread, or after or before is not in
 * it. */
AVJ_API AVJ_CHECKED enum avj_status avj_store_page(struct avj_store *store, const char *thread,
                                                   const struct avj_page *page,
                                                   const struct avj_doc **docs, size_t *count,
                                                   struct avj_error *err);

/* avj_store_page for the last `limit` (0: all) messages before message `before` (NULL: the end);
 * shares its lifetime. */
AVJ_API AVJ_CHECKED enum avj_status avj_store_messages(struct avj_store *store, const char *thread,
                                                       const char *before, size_t limit,
                                                       const struct avj_doc **docs, size_t *count,
                                                       struct avj_error *err);

/* Calls each() for every visible document of an entity, in no promised order, until it returns
 * false; in little memory.  doc is borrowed during the call, which must not change the store. */
AVJ_API AVJ_CHECKED enum avj_status avj_store_walk(struct avj_store *store, enum avj_entity entity,
                                                   bool (*each)(void *arg,
                                                                const struct avj_doc *doc),
                                                   void *arg, struct avj_error *err);

/* Calls each() for the id of every visible document of an entity whose id begins with `prefix`
 * ("": all), in no promised order, until it returns false.  Reads no body: quick however many there
 * are.  id is borrowed during the call, which must not change the store. */
AVJ_API void avj_store_ids(const struct avj_store *store, enum avj_entity entity,
                           const char *prefix, bool (*each)(void *arg, const char *id), void *arg);

/* The documents that are parked, deleted ones included, in the order of the outbox. */
AVJ_API AVJ_CHECKED enum avj_status avj_store_parked(struct avj_store *store,
                                                     const struct avj_doc **docs, size_t *count,
                                                     struct avj_error *err);

/* ---- mutations: each appends one frame, whole or not at all, and folds it in ---- */

struct avj_mutation {
    enum avj_op op;
    enum avj_entity entity;
    const char *id;
    struct avj_fields fields; /* create: all; update: the changed ones, nil clears; delete: none.
                                 Need not be canonical. */
};

/*
 * Appends `count` mutations as one frame per AVJ_FRAME_RAW_MAX (one frame in practice).  *seq (may
 * be NULL) gets the last sequence number. Errors: AVJ_EEXIST (create of an id that is visible),
 * AVJ_ENOTFOUND (update or delete of one that is not), AVJ_EFORMAT (a required field is missing or
 * a field has the wrong type; the message names it), and those of avj_journal_append.  On error
 * nothing was changed.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_store_mutate(struct avj_store *store,
                                                     const struct avj_mutation *mutations,
                                                     size_t count, enum avj_durability durability,
                                                     uint64_t *seq, struct avj_error *err);

/* ids: 36 characters and NUL; `out` may be NULL */
#define AVJ_ID_TEXT 37
AVJ_API AVJ_CHECKED enum avj_status avj_id_new(struct avj_store *store,
                                               char out[AVJ_ID_TEXT]); /* a random uuid */

/*
 * The operations of the data model, on top of mutate.  Texts and ids are UTF-8 and borrowed during
 * the call; `out` gets the id of what was made and may be NULL.  Each is one frame and durable on
 * return.  A document's updatedAt is raised by every change of it and never lowered.
 *
 * Errors, where nothing else is said: AVJ_ENOTFOUND (a document that is named is not visible; the
 * message says which) and those of avj_store_mutate.  On error nothing was changed.
 */

AVJ_API AVJ_CHECKED enum avj_status avj_thread_new(struct avj_store *store,
                                                   const char *title /* NULL: "New Chat" */,
                                                   char out[AVJ_ID_TEXT], struct avj_error *err);
AVJ_API AVJ_CHECKED enum avj_status avj_thread_rename(struct avj_store *store, const char *thread,
                                                      const char *title, struct avj_error *err);
AVJ_API AVJ_CHECKED enum avj_status avj_thread_pin(struct avj_store *store, const char *thread,
                                                   bool pinned, struct avj_error *err);

enum avj_tagging {
    AVJ_TAGS_ADD,    /* behind those that are there */
    AVJ_TAGS_REMOVE, /* those that are not there are no error */
    AVJ_TAGS_SET,    /* these and no others; count 0: none */
};

/* A tag that is named twice counts once. */
AVJ_API AVJ_CHECKED enum avj_status avj_thread_tag(struct avj_store *store, const char *thread,
                                                   enum avj_tagging how, const char *const *tags,
                                                   size_t count, struct avj_error *err);

/* Puts a thread into a project; NULL: into none. */
AVJ_API AVJ_CHECKED enum avj_status avj_thread_move(struct avj_store *store, const char *thread,
                                                    const char *project, struct avj_error *err);

/* Makes a thread public under a share id, a random uuid.  One that is shared already keeps its id
 * and the time that it was first shared at.  out (may be NULL) gets the id, which another client
 * may have made: up to AVJ_SHARE_TEXT bytes with NUL; a longer one is replaced. */
#define AVJ_SHARE_TEXT 256
AVJ_API AVJ_CHECKED enum avj_status avj_thread_share(struct avj_store *store, const char *thread,
                                                     char out[AVJ_SHARE_TEXT],
                                                     struct avj_error *err);
/* Clears the share id: sharing it again makes another one. */
AVJ_API AVJ_CHECKED enum avj_status avj_thread_unshare(struct avj_store *store, const char *thread,
                                                       struct avj_error *err);

/* With its messages and summaries, as explicit deletes. */
AVJ_API AVJ_CHECKED enum avj_status avj_thread_delete(struct avj_store *store, const char *thread,
                                                      struct avj_error *err);
/* Copies the thread and its messages up to and with `upto` into a new thread, made now, with title,
 * tags and project of the old one, neither pinned nor shared. */
AVJ_API AVJ_CHECKED enum avj_status avj_thread_branch(struct avj_store *store, const char *thread,
                                                      const char *upto, char out[AVJ_ID_TEXT],
                                                      struct avj_error *err);
/* Deletes `from` and every message of its thread at or after its createdAt; *deleted (may be NULL)
 * counts them. */
AVJ_API AVJ_CHECKED enum avj_status avj_thread_trim(struct avj_store *store, const char *thread,
                                                    const char *from, size_t *deleted,
                                                    struct avj_error *err);

/* Appends a message behind what the thread has and raises its lastMessageAt.  role: user,
 * assistant, system or data. */
AVJ_API AVJ_CHECKED enum avj_status avj_message_send(struct avj_store *store, const char *thread,
                                                     const char *role, const char *text, size_t len,
                                                     char out[AVJ_ID_TEXT], struct avj_error *err);
/* As avj_message_send, with more fields (attachments, model, ...): a map, which need not be
 * canonical; the fields that avj_message_send writes it can not change. */
AVJ_API AVJ_CHECKED enum avj_status
avj_message_send_with(struct avj_store *store, const char *thread, const char *role,
                      const char *text, size_t len, struct avj_fields more, char out[AVJ_ID_TEXT],
                      struct avj_error *err);
AVJ_API AVJ_CHECKED enum avj_status avj_message_edit(struct avj_store *store, const char *message,
                                                     const char *text, size_t len,
                                                     struct avj_error *err);
AVJ_API AVJ_CHECKED enum avj_status avj_message_delete(struct avj_store *store, const char *message,
                                                       struct avj_error *err);

/* Of the thread up to and with a message of it. */
AVJ_API AVJ_CHECKED enum avj_status avj_summary_add(struct avj_store *store, const char *thread,
                                                    const char *message, const char *text,
                                                    size_t len, char out[AVJ_ID_TEXT],
                                                    struct avj_error *err);

/* What a project is to be given.  NULL leaves a text as it is, "" clears it (a name can not be
 * cleared: AVJ_EINVAL). */
struct avj_project_edit {
    const char *name, *description, *prompt;
    bool colored; /* colorIndex is to be: */
    int64_t color;
};

/* AVJ_EINVAL: it has no name. */
AVJ_API AVJ_CHECKED enum avj_status avj_project_new(struct avj_store *store,
                                                    const struct avj_project_edit *edit,
                                                    char out[AVJ_ID_TEXT], struct avj_error *err);
AVJ_API AVJ_CHECKED enum avj_status avj_project_edit(struct avj_store *store, const char *project,
                                                     const struct avj_project_edit *edit,
                                                     struct avj_error *err);
/* Its threads go to project `heir`; NULL: they stay, in no project. */
AVJ_API AVJ_CHECKED enum avj_status avj_project_delete(struct avj_store *store, const char *project,
                                                       const char *heir, struct avj_error *err);
/* With its threads, and all that is in them. */
AVJ_API AVJ_CHECKED enum avj_status
avj_project_delete_all(struct avj_store *store, const char *project, struct avj_error *err);

/* ---- conflicts: what lost a merge is kept ---- */

struct avj_conflict {
    uint64_t seq; /* of the `conflict` entry: its name */
    enum avj_entity entity;
    const char *id;
    int64_t ms;               /* when it was found */
    bool lost_here;           /* the edit made here lost; else one from elsewhere did */
    struct avj_fields fields; /* what was lost; empty: a deletion */
    const char *why;
    uint64_t edit_seq;   /* the `local` entry concerned */
    const char *version; /* $updatedAt of the row that it met, NULL */
};

/* Those that nobody has restored or dismissed, oldest first. */
AVJ_API AVJ_CHECKED enum avj_status avj_store_conflicts(struct avj_store *store,
                                                        const struct avj_conflict **conflicts,
                                                        size_t *count, struct avj_error *err);

/* Makes the lost fields an edit of today: the document is updated with them, or made anew from them
 * and what is known of it where it was deleted (with its thread's id as it was).  The conflict is
 * settled by it.  AVJ_ENOTFOUND: no open conflict of that number; AVJ_EFORMAT: what is left of a
 * deleted document is not enough to make one. */
AVJ_API AVJ_CHECKED enum avj_status avj_conflict_restore(struct avj_store *store, uint64_t seq,
                                                         struct avj_error *err);
/* Takes it off the list; what was lost stays in the log.  AVJ_ENOTFOUND. */
AVJ_API AVJ_CHECKED enum avj_status avj_conflict_dismiss(struct avj_store *store, uint64_t seq,
                                                         struct avj_error *err);

/* ---- snapshots ---- */

struct avj_snapshot_info {
    uint64_t seq;       /* last record in it */
    uint64_t bytes;     /* of the file */
    uint64_t documents; /* in it, invisible ones included */
};

/* Writes a snapshot of the view as it stands and keeps the newest two.  Happens by itself, in the
 * background and at close, when the log has grown enough since the last one.  info may be NULL.
 * Durable on return.  Errors: AVJ_EREADONLY, AVJ_ELOCKED (another process is at it), AVJ_ENOSPC,
 * AVJ_EIO, AVJ_ENOMEM; the ones that are there stay. */
AVJ_API AVJ_CHECKED enum avj_status
avj_store_snapshot(struct avj_store *store, struct avj_snapshot_info *info, struct avj_error *err);

/* ---- state ---- */

struct avj_store_status {
    uint64_t records, bytes, segments;
    uint64_t pending, parked, conflicts;
    uint64_t visible[AVJ_ENTITIES]; /* documents */
    int64_t oldest_pending_ms; /* stamp of the first pending mutation of the document whose turn is
                                  first, 0: none */
    int64_t last_ack_ms;       /* 0: never */
    bool gap_open;             /* events may have been missed: a sweep is due */
    const char *swept;         /* server time up to which a sweep saw everything, NULL: never */
    uint64_t unknown_entries;  /* of types that this program does not know */
    int64_t clock_offset_ms;   /* the server's clock minus this machine's, as last measured */
    uint64_t folded;           /* records replayed by open, behind the snapshot; 0 with none new */
    uint64_t snapshot_seq;     /* last record of the snapshot that open used, 0: none */
    uint8_t digest[16];        /* of the view; equal on all replicas with empty outboxes */
};
AVJ_API AVJ_CHECKED enum avj_status
avj_store_status(struct avj_store *store, struct avj_store_status *status, struct avj_error *err);

AVJ_END_C

#endif
