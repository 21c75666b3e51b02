/*
 * Slots: the view's index, one cache line a document.  A document in one of the few states that
 * nearly all documents are in (made here and not sent; as the server has it; gone) is its slot and
 * nothing else: its fields are read out of the log when they are asked for.  Any other one is
 * `open`: a struct avj_document stands behind the slot.
 *
 * Slots are numbered from 1 in the order of first mention; 0 is none.  They never go away.
 *
 * Threading: one thread, the view's.
 */
#ifndef AVJ_SLOT_H
#define AVJ_SLOT_H

#include "replay/chunks.h"
#include "replay/glance.h"
#include "replay/schema.h"

#include <assert.h>

struct avj_slot {
    uint8_t id[16];     /* AVJ_SLOT_UUID: its bytes; else le32 place in the texts, le32 length */
    uint64_t digest[2]; /* of the shared state, while it is visible */
    int64_t created_ms;
    int64_t version_ms; /* of its row */
    uint32_t body_low;  /* sequence number of the entry that holds its fields, 48 bits */
    uint16_t body_high;
    uint16_t flags;
    uint32_t thread; /* a thread's own number; of a message or summary: that of the thread it is
                        listed in, 0: none */
    uint32_t extra;  /* AVJ_SLOT_SIDE: number of its side record; AVJ_SLOT_OPEN: of its document */
};
static_assert(sizeof(struct avj_slot) == 64, "a slot is one cache line");

enum avj_slot_flags {
    AVJ_SLOT_ENTITY = 3,    /* two bits: enum avj_entity */
    AVJ_SLOT_UUID = 1 << 2, /* its id is a UUID in lower case */
    AVJ_SLOT_VISIBLE = 1 << 3,
    AVJ_SLOT_PENDING = 1 << 4,   /* its body is a create that is not settled */
    AVJ_SLOT_ATTEMPTED = 1 << 5, /* which may be upstream already */
    AVJ_SLOT_ROW = 1 << 6,       /* it has one row, version_ms; its body is what the row holds */
    AVJ_SLOT_GONE = 1 << 7,      /* which was deleted: a tombstone without body */
    AVJ_SLOT_SIDE = 1 << 8,      /* the $id of its row is not the derived one, or it has fields kept
                                    back: see there */
    AVJ_SLOT_OPEN = 1 << 9,
    AVJ_SLOT_GROWS = 1 << 10, /* a message whose answer is being streamed: view_stream.h */
    AVJ_SLOT_HIDDEN_STATE = AVJ_SLOT_PENDING | AVJ_SLOT_ATTEMPTED | AVJ_SLOT_ROW | AVJ_SLOT_GONE |
                            AVJ_SLOT_SIDE | AVJ_SLOT_OPEN, /* what a state is made of */
};
static_assert(AVJ_ENTITIES <= 4, "two bits hold an entity");

/* Last sequence number that an index can hold. */
#define AVJ_SLOT_SEQ_MAX (((uint64_t)1 << 48) - 1)

static inline uint64_t avj_slot_body(const struct avj_slot *s)
{
    return (uint64_t)s->body_high << 32 | s->body_low;
}
static inline void avj_slot_set_body(struct avj_slot *s, uint64_t seq)
{
    s->body_low = (uint32_t)seq;
    s->body_high = (uint16_t)(seq >> 32);
}
static inline enum avj_entity avj_slot_entity(const struct avj_slot *s)
{
    return (enum avj_entity)(s->flags & AVJ_SLOT_ENTITY);
}

/* Texts that are added once and never go away: ids that are no UUIDs. */
struct avj_texts {
    uint8_t *mapped; /* the first mapped_len bytes, whole blocks; borrowed, writable */
    uint8_t **blocks;
    size_t mapped_len, block_count, block_cap;
    size_t used; /* bytes, mapped ones included; a multiple of 8 */
};
#define AVJ_TEXTS_BLOCK ((size_t)64 * 1024)

/* An id, as it is looked for. */
struct avj_slot_key {
    enum avj_entity entity;
    bool uuid;
    uint8_t bytes[16]; /* of a UUID in lower case */
    uint64_t hash;
    const char *text; /* borrowed */
    size_t len;
};
void avj_slot_key_init(struct avj_slot_key *key, enum avj_entity entity, const char *text,
                       size_t len);

struct avj_slots {
    struct avj_chunks slots;
    struct avj_texts texts;
    /* Slots by hash of (entity, id), linear probing: what a snapshot brought along, never changed
     * (NULL: none): as many bits as base_last has for the number, 0: free, above them bits of the
     * hash, so that hardly a slot is looked at in vain, */
    const uint32_t *base;
    uint32_t base_cap, base_last; /* slots up to that number are in it */
    /* and those added since. */
    struct avj_slot_place {
        uint32_t tag, slot; /* slot 0: free */
    } * places;
    size_t cap, count; /* cap: a power of two */
};

void avj_slots_init(struct avj_slots *slots);
void avj_slots_release(struct avj_slots *slots);

/* Slots are 1 .. avj_slots_last(). */
static inline uint32_t avj_slots_last(const struct avj_slots *slots)
{
    return slots->slots.count ? (uint32_t)(slots->slots.count - 1) : 0;
}

static inline struct avj_slot *avj_slot_at(const struct avj_slots *slots, uint32_t number)
{
    return avj_chunks_at(&slots->slots, number);
}

/* The same with the key at hand. */
uint32_t avj_slots_find_key(const struct avj_slots *slots, const struct avj_slot_key *key);
uint32_t avj_slots_need_key(struct avj_slots *slots, const struct avj_slot_key *key, bool *added);
/* Gets what the look for that key will touch into the cache: first its place, some time later the
 * slot that stands there. */
static inline void avj_slots_prefetch(const struct avj_slots *slots, const struct avj_slot_key *key)
{
    if (slots->cap)
        __builtin_prefetch(&slots->places[(size_t)key->hash & (slots->cap - 1)]);
}
static inline void avj_slots_prefetch_slot(const struct avj_slots *slots,
                                           const struct avj_slot_key *key)
{
    if (!slots->cap)
        return;
    uint32_t slot = slots->places[(size_t)key->hash & (slots->cap - 1)].slot;
    if (slot)
        __builtin_prefetch(avj_slot_at(slots, slot));
}

/* 0: there is none. */
uint32_t avj_slots_find(const struct avj_slots *slots, enum avj_entity entity, const char *id,
                        size_t len);
/* Finds or adds it (*added tells).  0: out of memory, an id longer than AVJ_ID_MAX, or 2^32
 * documents. */
uint32_t avj_slots_need(struct avj_slots *slots, enum avj_entity entity, const char *id, size_t len,
                        bool *added);

/* The id as text, NUL-terminated: in `buffer` or in the texts. */
#define AVJ_UUID_TEXT 37
const char *avj_slot_id(const struct avj_slots *slots, const struct avj_slot *slot,
                        char buffer[AVJ_UUID_TEXT]);
size_t avj_slot_id_len(const struct avj_slot *slot);
/* As strcmp of their ids. */
int avj_slot_compare_ids(const struct avj_slots *slots, const struct avj_slot *a,
                         const struct avj_slot *b);

/* The first `count` bytes of texts out of a snapshot: whole blocks stay there (borrowed, writable),
 * the rest is copied.  False: out of memory. */
bool avj_texts_adopt(struct avj_texts *texts, uint8_t *bytes, size_t count);

/* Fills a table for `base`: `cap` places, all zero, more than there are slots. */
void avj_slots_fill_base(const struct avj_slots *slots, uint32_t *base, uint32_t cap);

size_t avj_slots_memory(const struct avj_slots *slots);

#endif
