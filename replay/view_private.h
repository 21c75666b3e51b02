/*
 * The inside of struct avj_view, for the files of this folder.
 *
 *   slot.c        the index: where documents are found
 *   view.c        documents opened and closed, what is summed up over them
 *   view_body.c   fields read back from the log
 *   view_fast.c   entries that meet a slot in one of the usual states
 *   view_fold.c   all other entries, by way of an open document
 *   view_stream.c answers that grow
 *   listing.c     messages in their threads; the outbox
 *   rows.c        documents by the $id of their rows
 *   snapshot*.c   the whole of it as a file
 */
#ifndef AVJ_VIEW_PRIVATE_H
#define AVJ_VIEW_PRIVATE_H

#include "replay/document.h"
#include "replay/events.h"
#include "replay/merge.h"
#include "replay/slot.h"
#include "replay/view.h"
#include "replay/view_stream.h"

/* Longest $id that a side record holds (Appwrite's limit). */
#define AVJ_ROW_ID_MAX 36

/* Bytes or an array: malloc'd (cap > 0, at: the pointer), or inside the mapped snapshot (cap 0, at:
 * the offset). */
struct avj_span {
    uint64_t at;
    uint32_t len, cap;
};

/* Of a thread, whether it is known itself or only messages of it are. */
struct avj_thread {
    int64_t last_message_ms;             /* its own field */
    int64_t newest_ms;                   /* createdAt of its newest message, 0: it has none */
    struct avj_span fields;              /* visible ones, canonical; len 0: it is not visible */
    struct avj_span messages, summaries; /* slots by (createdAt, id); len in items */
    uint32_t slot;
    uint32_t pinned;
};
static_assert(sizeof(struct avj_thread) == 72, "as it stands in snapshots");

/* What a slot has no room for. */
struct avj_side {
    struct avj_span kept;
    char remote_id[AVJ_ROW_ID_MAX + 1]; /* empty: the derived one */
    uint8_t unused[3];
    uint32_t next_free;
};
static_assert(sizeof(struct avj_side) % 8 == 0, "as it stands in snapshots");

/* An open document: in memory, or (doc NULL) packed in the mapped snapshot. */
struct avj_open {
    uint64_t doc; /* the pointer */
    uint64_t at;  /* offset */
    uint32_t len;
    uint32_t pending; /* mutations */
    uint64_t order;   /* its turn in the outbox, 0: none */
    uint32_t parked;
    uint32_t next_free;
};
static_assert(sizeof(struct avj_open) == 40, "as it stands in snapshots");

/* A local mutation; live if it is its document's turn. */
struct avj_outbox_entry {
    uint32_t seq_low, seq_high, slot;
};
static_assert(sizeof(struct avj_outbox_entry) == 12, "as it stands in snapshots");
static inline uint64_t avj_outbox_seq(const struct avj_outbox_entry *entry)
{
    return (uint64_t)entry->seq_high << 32 | entry->seq_low;
}

/* What compaction left of an entry. */
struct avj_stub {
    bool is;             /* it is one */
    uint64_t settled_at; /* a local's "z" */
    uint64_t hash;       /* "g" */
};
/* True where the entry is a stub. */
bool avj_stub_of(const struct avj_entry *entry, struct avj_stub *stub);
/* The same of a record; false too where it is no entry. */
bool avj_record_is_stub(const void *data, size_t len);
/* In place of the fields that are gone: one that no document has, "$dropped": true. */
extern const struct avj_fields avj_dropped_fields;

struct avj_learned {
    enum avj_entity entity;
    char *field, *what;
};

/* What can be said of an entry without a view: it may be made by another thread than the one that
 * folds.  Points into the record. */
struct avj_prepared {
    bool glanced; /* glance holds; else the entry is read by way of a tree */
    struct avj_glance glance;
    bool plain; /* "f" is canonical, without nils where it is all of a document */
    struct avj_slot_key key, thread; /* of the document, and of its thread (len 0: none) */
    uint64_t digest[2];              /* of the document with just these fields; with `plain` */
};
/* scratch: reused from call to call.  AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_prepare(const void *data, size_t len, struct avj_pack *scratch,
                                        struct avj_prepared *prepared);

struct avj_view {
    struct avj_slots slots;
    struct avj_chunks threads; /* struct avj_thread, from 1 */
    struct avj_chunks sides;   /* struct avj_side, from 1 */
    struct avj_chunks open;    /* struct avj_open, from 1 */
    uint32_t free_side, free_open;

    uint8_t *mapped; /* a snapshot, writable, private; NULL: none */
    size_t mapped_len;
    void (*unmap)(void *arg, uint8_t *mapped, size_t len);
    void *unmap_arg;

    /* By sequence number: first what the snapshot brought along, in its mapping (what is settled
     * goes from the front), then those added since. */
    const struct avj_outbox_entry *outbox_brought;
    size_t outbox_brought_count;
    struct avj_outbox_entry *outbox;
    size_t outbox_begin, outbox_end, outbox_cap;
    size_t outbox_live; /* documents with something pending */

    struct avj_row_places *rows; /* rows.c; NULL: not asked for yet */

    struct avj_growings growing;

    uint64_t *conflicts; /* sequence numbers of those that are open */
    size_t conflict_count, conflict_cap;

    struct avj_source source;
    struct avj_own_records *own; /* view_body.c; NULL: there is a source */
    uint64_t now_seq;            /* the entry being folded */
    struct avj_slice now;
    struct avj_pack scratch; /* for whoever needs it within one function */
    struct avj_pack body;    /* what avj_view_body gave last, where it had to be written anew */
    struct avj_stub stub;    /* what it met */

    uint64_t digest[2];
    struct avj_view_counts counts;
    uint64_t last_seq, last_hlc;

    char *user;                       /* NULL: guest */
    char *rows_user;                  /* whose derived $ids slots mean */
    char *upstream[3 + AVJ_ENTITIES]; /* endpoint, project, database, collections */
    bool gap_open;
    char *swept;
    int64_t last_ack_ms;
    int64_t clock_offset_ms;
    struct avj_learned *learned;
    size_t learned_count;

    bool slow; /* for tests: never by view_fast.c */

    /* Told of what an entry did, see store_private.h; NULL: nobody asks. */
    void (*changed)(void *arg, const struct avj_change *change);
    void *changed_arg;
};

static inline struct avj_slot *avj_view_slot(const struct avj_view *view, uint32_t number)
{
    return avj_slot_at(&view->slots, number);
}
static inline struct avj_thread *avj_view_thread(const struct avj_view *view, uint32_t number)
{
    return avj_chunks_at(&view->threads, number);
}
static inline const void *avj_span_data(const struct avj_view *view, const struct avj_span *span)
{
    return span->cap   ? (const void *)(uintptr_t)span->at
           : span->len ? view->mapped + span->at
                       : NULL;
}

bool avj_text_replace(char **slot, struct avj_slice text); /* false: out of memory */

/* ---- documents ---- */

/* 0: there is none. */
static inline uint32_t avj_view_find(const struct avj_view *view, enum avj_entity entity,
                                     const char *id, size_t len)
{
    return avj_slots_find(&view->slots, entity, id, len);
}
static inline bool avj_view_visible(const struct avj_view *view, uint32_t number)
{
    return number && (avj_view_slot(view, number)->flags & AVJ_SLOT_VISIBLE);
}
static inline bool avj_view_grows(const struct avj_view *view, uint32_t number)
{
    return number && (avj_view_slot(view, number)->flags & AVJ_SLOT_GROWS);
}
/* The slot, added where there is none.  0: out of memory. */
uint32_t avj_view_need(struct avj_view *view, enum avj_entity entity, struct avj_slice id);
/* The number of the thread with that id, known or not.  0: out of memory. */
uint32_t avj_view_need_thread(struct avj_view *view, const struct avj_slot_key *key);

/* The document behind a slot, made from the slot where it is not open.  avj_view_put_back it; what
 * was changed of it is lost unless avj_view_keep follows.  AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_view_open(struct avj_view *view, uint32_t number,
                                          struct avj_document **out, struct avj_error *err);
void avj_view_put_back(struct avj_view *view, uint32_t number, struct avj_document *document);

/* Reads what of the document's fields is not in memory: everything. */
AVJ_CHECKED enum avj_status avj_view_load(struct avj_view *view, struct avj_document *document,
                                          struct avj_error *err);

/* A document being changed. */
struct avj_edit {
    uint32_t number;
    struct avj_document *document;
    size_t pending;
    bool parked;
};
AVJ_CHECKED enum avj_status avj_edit_begin(struct avj_view *view, uint32_t number,
                                           struct avj_edit *edit, struct avj_error *err);
/* Derives what shows, keeps the document as a slot or open, and sums up. */
AVJ_CHECKED enum avj_status avj_edit_end(struct avj_view *view, struct avj_edit *edit,
                                         struct avj_error *err);

/* What is visible of a document. */
struct avj_shown {
    bool visible;
    struct avj_fields shared, fields;  /* the digest's; all of them */
    struct avj_facts facts;            /* of `fields` */
    const struct avj_slot_key *thread; /* of facts.thread; NULL: not at hand */
    const uint64_t *digest;            /* of `shared`; NULL: not at hand */
};
/* Writes it into slot, lists and sums.  AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_view_show(struct avj_view *view, uint32_t number,
                                          const struct avj_shown *shown);

void avj_view_count_pending(struct avj_view *view, size_t before, size_t after);

/* ---- fields ---- */

/* Visible fields of a document, canonical; borrowed until the next call that reads a body.  Of a
 * message that grows its text so far is in them. */
AVJ_CHECKED enum avj_status avj_view_fields(struct avj_view *view, uint32_t number,
                                            struct avj_fields *fields, struct avj_error *err);
/* The same without the text of streams: what kept, base and pending make. */
AVJ_CHECKED enum avj_status avj_view_settled_fields(struct avj_view *view, uint32_t number,
                                                    struct avj_fields *fields,
                                                    struct avj_error *err);
/* The record of that number again: borrowed until the next one. */
AVJ_CHECKED enum avj_status avj_view_record(struct avj_view *view, uint64_t seq,
                                            struct avj_slice *record, struct avj_error *err);
/* The map under "f" of entry `seq`, canonical (with nils unless drop_nil), and its stamp; borrowed
 * as said above. */
AVJ_CHECKED enum avj_status avj_view_body(struct avj_view *view, uint64_t seq,
                                          enum avj_entity entity, bool drop_nil,
                                          struct avj_fields *fields, uint64_t *hlc,
                                          struct avj_error *err);
/* Stubs say when they stopped being pending: asks for all where one of them is, or a row. */
AVJ_CHECKED enum avj_status
avj_view_load_history(struct avj_view *view, struct avj_document *document, struct avj_error *err);
/* For views without a source: the records that were applied. */
AVJ_CHECKED enum avj_status avj_own_keep(struct avj_view *view);
AVJ_CHECKED enum avj_status avj_own_add(struct avj_view *view, uint64_t seq, const void *data,
                                        size_t len);
void avj_own_free(struct avj_own_records *own);

/* ---- rows ---- */

/* The $id of a document that was made here: a hash of the user, the kind and the local id, so that
 * every try and every device of the user names the same row, while another user's import of the
 * same file names another. */
#define AVJ_DERIVED_ID_TEXT 33
void avj_view_derived_id(struct avj_view *view, const char *user, enum avj_entity entity,
                         const char *id, char out[AVJ_DERIVED_ID_TEXT]);
/* True where that is the one that slots mean. */
bool avj_view_is_derived(struct avj_view *view, uint32_t number, const char *remote_id, size_t len);

/* Of the row that stands for a document that is not open; buffers hold the texts. */
struct avj_row_texts {
    char remote_id[AVJ_DERIVED_ID_TEXT > AVJ_ROW_ID_MAX + 1 ? AVJ_DERIVED_ID_TEXT
                                                            : AVJ_ROW_ID_MAX + 1];
    char version[32];
};
void avj_view_row_texts(struct avj_view *view, uint32_t number, struct avj_row_texts *texts);

/* Document that has (or had) a row of that $id, 0: none; builds the table at first use. */
AVJ_CHECKED enum avj_status avj_view_find_row(struct avj_view *view, enum avj_entity entity,
                                              const char *remote_id, uint32_t *number,
                                              struct avj_error *err);
/* A row became known.  AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_rows_note(struct avj_view *view, uint32_t number,
                                          const char *remote_id, size_t len);
void avj_rows_free(struct avj_row_places *rows);

/* ---- side records ---- */

uint32_t avj_side_new(struct avj_view *view); /* 0: out of memory */
void avj_side_free(struct avj_view *view, uint32_t number);
static inline struct avj_side *avj_side_at(const struct avj_view *view, uint32_t number)
{
    return avj_chunks_at(&view->sides, number);
}
static inline struct avj_open *avj_open_at(const struct avj_view *view, uint32_t number)
{
    return avj_chunks_at(&view->open, number);
}
/* Puts bytes into a span of their own.  False: out of memory. */
bool avj_span_set(struct avj_span *span, const void *data, size_t len);
void avj_span_free(struct avj_span *span);

/* ---- lists ---- */

/* Takes the document out of, or puts it into, the list that its slot's thread, createdAt and id
 * say. AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_list_add(struct avj_view *view, uint32_t number);
void avj_list_remove(struct avj_view *view, uint32_t number);
/* Where the document stands in its list. */
size_t avj_list_place(const struct avj_view *view, uint32_t number);
static inline const uint32_t *avj_thread_messages(const struct avj_view *view,
                                                  const struct avj_thread *thread)
{
    return avj_span_data(view, &thread->messages);
}

/* ---- the outbox ---- */

/* The turn of a document: the first of its pending mutations; a deleted one's is that of the
 * delete, behind what was deleted with it.  0: nothing is pending. */
uint64_t avj_outbox_turn(const struct avj_view *view, uint32_t number);
/* A local mutation became pending. */
AVJ_CHECKED enum avj_status avj_outbox_add(struct avj_view *view, uint64_t seq, uint32_t number);
/* All entries that are live or may be again. */
void avj_outbox_walk(const struct avj_view *view,
                     void (*each)(void *arg, const struct avj_outbox_entry *entry), void *arg);
/* Lets go of settled ones in front of all others, so that nobody steps over them again.  Not while
 * somebody goes through avj_outbox_each. */
void avj_outbox_trim(struct avj_view *view);
/* The documents with something pending, by turn: begin with *at 0; 0: no more. */
uint32_t avj_outbox_each(const struct avj_view *view, size_t *at);

/* ---- folding ---- */

/* *done: the entry is folded; else nothing has happened. */
AVJ_CHECKED enum avj_status avj_fold_fast(struct avj_view *view, uint64_t seq,
                                          const struct avj_prepared *entry, bool *done,
                                          struct avj_error *err);
/* As avj_view_apply, with what avj_prepare said of the record. */
AVJ_CHECKED enum avj_status avj_view_apply_prepared(struct avj_view *view, uint64_t seq,
                                                    const void *data, size_t len,
                                                    const struct avj_prepared *prepared,
                                                    struct avj_error *err);
AVJ_CHECKED enum avj_status avj_fold(struct avj_view *view, const struct avj_entry *entry,
                                     uint64_t seq, struct avj_error *err);

/* A local update, its fields canonical. */
AVJ_CHECKED enum avj_status avj_fold_update(struct avj_view *view, uint64_t seq,
                                            const struct avj_prepared *entry,
                                            struct avj_error *err);

const char *avj_view_learned(const struct avj_view *view, enum avj_entity entity, const char *field,
                             size_t len);
/* For avj_merge_plan: arg is the view. */
bool avj_view_unsendable(void *view, enum avj_entity entity, const char *name, size_t len);

/* "YYYY-MM-DDTHH:MM:SS.mmm+00:00": avj_time_format gives the same text again. */
bool avj_time_is_canonical(const char *text, size_t len, int64_t *ms);

/* Tells whoever listens what an entry did to a document. */
struct avj_before {
    bool visible;
    uint64_t digest[2];
    uint32_t thread;
};
void avj_view_before(const struct avj_view *view, uint32_t number, struct avj_before *before);
void avj_view_tell(struct avj_view *view, enum avj_entry_type type, uint32_t number,
                   const struct avj_before *before);
/* NULL: no thread.  buffer: AVJ_UUID_TEXT bytes. */
const char *avj_view_thread_id(const struct avj_view *view, uint32_t thread, char *buffer);
void avj_view_tell_status(struct avj_view *view, enum avj_entry_type type);

#endif
