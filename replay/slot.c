/* The view's index: see slot.h. */
#include "replay/slot.h"
#include "journal/bytes.h"
#include "journal/journal.h"

#include <stdlib.h>
#include <string.h>

/* ---- ids ---- */

static bool is_dash(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

/* Value of a lower-case hexadecimal digit, plus one; 0: it is none. */
static const uint8_t digits[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16};

static bool parse_uuid(const char *text, size_t len, uint8_t out[16])
{
    static const uint8_t at[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};
    if (len != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
        return false;
    bool good = true;
    for (size_t i = 0; i < 16; i++) {
        unsigned high = digits[(uint8_t)text[at[i]]], low = digits[(uint8_t)text[at[i] + 1]];
        good &= high && low;
        out[i] = (uint8_t)((high - 1) << 4 | ((low - 1) & 15));
    }
    return good;
}

static void format_uuid(const uint8_t bytes[16], char out[AVJ_UUID_TEXT])
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0, byte = 0; i < 36;) {
        if (is_dash(i)) {
            out[i++] = '-';
            continue;
        }
        out[i++] = hex[bytes[byte] >> 4];
        out[i++] = hex[bytes[byte++] & 15];
    }
    out[36] = 0;
}

void avj_slot_key_init(struct avj_slot_key *key, enum avj_entity entity, const char *text,
                       size_t len)
{
    *key = (struct avj_slot_key){.entity = entity, .text = text, .len = len};
    key->uuid = parse_uuid(text, len, key->bytes);
    uint64_t hash = key->uuid ? avj_hash64(key->bytes, 16) : avj_hash64(text, len);
    key->hash = hash + ((uint64_t)entity + 1) * 0x9e3779b97f4a7c15u;
}

/* ---- texts ---- */

static uint8_t *texts_at(const struct avj_texts *t, size_t place)
{
    if (place < t->mapped_len)
        return t->mapped + place;
    place -= t->mapped_len;
    return t->blocks[place / AVJ_TEXTS_BLOCK] + place % AVJ_TEXTS_BLOCK;
}

static bool texts_grow(struct avj_texts *t)
{
    if (t->block_count == t->block_cap) {
        size_t cap = t->block_cap ? t->block_cap * 2 : 16;
        uint8_t **grown = realloc(t->blocks, cap * sizeof(*grown));
        if (!grown)
            return false;
        t->blocks = grown;
        t->block_cap = cap;
    }
    t->blocks[t->block_count] = calloc(1, AVJ_TEXTS_BLOCK);
    return t->blocks[t->block_count] && ++t->block_count;
}

/* Puts text and a NUL behind the others, never across two blocks.  In 8-byte units, so that 32 bits
 * reach far. */
static bool texts_add(struct avj_texts *t, const char *text, size_t len, uint32_t *unit)
{
    size_t place = t->used;
    if (place % AVJ_TEXTS_BLOCK + len + 1 > AVJ_TEXTS_BLOCK)
        place = (place / AVJ_TEXTS_BLOCK + 1) * AVJ_TEXTS_BLOCK;
    if (place >= t->mapped_len + t->block_count * AVJ_TEXTS_BLOCK && !texts_grow(t))
        return false;
    if (place / 8 > UINT32_MAX)
        return false;
    memcpy(texts_at(t, place), text, len);
    *unit = (uint32_t)(place / 8);
    t->used = place + (len + 1 + 7) / 8 * 8;
    return true;
}

bool avj_texts_adopt(struct avj_texts *t, uint8_t *bytes, size_t count)
{
    t->mapped = bytes;
    t->mapped_len = count - count % AVJ_TEXTS_BLOCK;
    t->used = count;
    if (t->mapped_len == count)
        return true;
    if (!texts_grow(t))
        return false;
    memcpy(t->blocks[0], bytes + t->mapped_len, count - t->mapped_len);
    return true;
}

/* ---- slots ---- */

void avj_slots_init(struct avj_slots *s)
{
    memset(s, 0, sizeof(*s));
    avj_chunks_init(&s->slots, sizeof(struct avj_slot));
}

void avj_slots_release(struct avj_slots *s)
{
    avj_chunks_release(&s->slots);
    for (size_t i = 0; i < s->texts.block_count; i++)
        free(s->texts.blocks[i]);
    free(s->texts.blocks);
    free(s->places);
    avj_slots_init(s);
}

static const char *id_text(const struct avj_slots *s, const struct avj_slot *slot)
{
    return (const char *)texts_at(&s->texts, (size_t)avj_get_le32(slot->id) * 8);
}

size_t avj_slot_id_len(const struct avj_slot *slot)
{
    return slot->flags & AVJ_SLOT_UUID ? 36 : avj_get_le32(slot->id + 4);
}

const char *avj_slot_id(const struct avj_slots *s, const struct avj_slot *slot,
                        char buffer[AVJ_UUID_TEXT])
{
    if (!(slot->flags & AVJ_SLOT_UUID))
        return id_text(s, slot);
    format_uuid(slot->id, buffer);
    return buffer;
}

int avj_slot_compare_ids(const struct avj_slots *s, const struct avj_slot *a,
                         const struct avj_slot *b)
{
    if (a->flags & b->flags & AVJ_SLOT_UUID)
        return memcmp(a->id, b->id, 16); /* hexadecimal keeps the order of bytes */
    char x[AVJ_UUID_TEXT], y[AVJ_UUID_TEXT];
    return strcmp(avj_slot_id(s, a, x), avj_slot_id(s, b, y));
}

static bool same(const struct avj_slots *s, uint32_t number, const struct avj_slot_key *id)
{
    const struct avj_slot *slot = avj_slot_at(s, number);
    if (avj_slot_entity(slot) != id->entity || !(slot->flags & AVJ_SLOT_UUID) == id->uuid)
        return false;
    if (id->uuid)
        return memcmp(slot->id, id->bytes, 16) == 0;
    return avj_get_le32(slot->id + 4) == id->len &&
           memcmp(id_text(s, slot), id->text, id->len) == 0;
}

static uint32_t base_place(uint64_t hash, uint32_t cap)
{
    return (uint32_t)((hash >> 32) * cap >> 32);
}

/* The bits of a place that hold a slot's number. */
static uint32_t base_mask(uint32_t last)
{
    uint32_t mask = 0;
    while (mask < last)
        mask = mask << 1 | 1;
    return mask;
}

/* The rest of it: other bits of the hash than those that say where it stands.  (Of 2^32 slots
 * nothing is left.) */
static uint32_t base_tag(uint64_t hash, uint32_t mask)
{
    return (uint32_t)hash & ~mask;
}

static uint32_t find_in_base(const struct avj_slots *s, const struct avj_slot_key *id)
{
    uint32_t mask = base_mask(s->base_last), tag = base_tag(id->hash, mask), place;
    if (!s->base)
        return 0;
    for (uint32_t i = base_place(id->hash, s->base_cap); (place = s->base[i]) != 0;
         i = i + 1 == s->base_cap ? 0 : i + 1)
        if ((place & ~mask) == tag && same(s, place & mask, id))
            return place & mask;
    return 0;
}

uint32_t avj_slots_find_key(const struct avj_slots *s, const struct avj_slot_key *id)
{
    uint32_t tag = (uint32_t)(id->hash >> 32);
    if (s->cap)
        for (size_t i = (size_t)id->hash & (s->cap - 1); s->places[i].slot;
             i = (i + 1) & (s->cap - 1))
            if (s->places[i].tag == tag && same(s, s->places[i].slot, id))
                return s->places[i].slot;
    return find_in_base(s, id);
}

uint32_t avj_slots_find(const struct avj_slots *s, enum avj_entity entity, const char *text,
                        size_t len)
{
    struct avj_slot_key key;
    avj_slot_key_init(&key, entity, text, len);
    return avj_slots_find_key(s, &key);
}

static uint64_t slot_hash(const struct avj_slots *s, const struct avj_slot *slot)
{
    uint64_t hash = slot->flags & AVJ_SLOT_UUID
                        ? avj_hash64(slot->id, 16)
                        : avj_hash64(id_text(s, slot), avj_get_le32(slot->id + 4));
    return hash + ((uint64_t)avj_slot_entity(slot) + 1) * 0x9e3779b97f4a7c15u;
}

static void put(struct avj_slots *s, uint64_t hash, uint32_t number)
{
    size_t i = (size_t)hash & (s->cap - 1);
    while (s->places[i].slot)
        i = (i + 1) & (s->cap - 1);
    s->places[i] = (struct avj_slot_place){(uint32_t)(hash >> 32), number};
}

static bool grow(struct avj_slots *s)
{
    size_t cap = s->cap ? s->cap * 2 : 1024;
    struct avj_slot_place *places = calloc(cap, sizeof(*places));
    if (!places)
        return false;
    free(s->places);
    s->places = places;
    s->cap = cap;
    /* In the order of the slots, which lie one behind the other in memory. */
    for (uint32_t n = s->base_last + 1; n <= avj_slots_last(s); n++)
        put(s, slot_hash(s, avj_slot_at(s, n)), n);
    return true;
}

static bool name_slot(struct avj_slots *s, struct avj_slot *slot, const struct avj_slot_key *id)
{
    if (id->uuid) {
        slot->flags |= AVJ_SLOT_UUID;
        memcpy(slot->id, id->bytes, 16);
        return true;
    }
    uint32_t unit;
    if (!texts_add(&s->texts, id->text, id->len, &unit))
        return false;
    avj_put_le32(slot->id, unit);
    avj_put_le32(slot->id + 4, (uint32_t)id->len);
    return true;
}

uint32_t avj_slots_need_key(struct avj_slots *s, const struct avj_slot_key *key, bool *added)
{
    uint32_t number = avj_slots_find_key(s, key);
    *added = number == 0;
    if (number || key->len > AVJ_ID_MAX)
        return number;
    if (s->slots.count >= UINT32_MAX || (s->slots.count == 0 && !avj_chunks_add(&s->slots)))
        return 0;
    if ((s->count + 1) * 4 > s->cap * 3 && !grow(s))
        return 0;
    struct avj_slot *slot = avj_chunks_add(&s->slots);
    if (!slot)
        return 0;
    slot->flags = (uint16_t)key->entity;
    if (!name_slot(s, slot, key)) {
        *slot = (struct avj_slot){.flags = 0};
        s->slots.count--;
        return 0;
    }
    number = avj_slots_last(s);
    put(s, key->hash, number);
    s->count++;
    return number;
}

uint32_t avj_slots_need(struct avj_slots *s, enum avj_entity entity, const char *text, size_t len,
                        bool *added)
{
    struct avj_slot_key key;
    avj_slot_key_init(&key, entity, text, len);
    return avj_slots_need_key(s, &key, added);
}

void avj_slots_fill_base(const struct avj_slots *s, uint32_t *base, uint32_t cap)
{
    uint32_t mask = base_mask(avj_slots_last(s));
    for (uint32_t n = 1; n < s->slots.count; n++) {
        uint64_t hash = slot_hash(s, avj_slot_at(s, n));
        uint32_t i = base_place(hash, cap);
        while (base[i])
            i = i + 1 == cap ? 0 : i + 1;
        base[i] = base_tag(hash, mask) | n;
    }
}

size_t avj_slots_memory(const struct avj_slots *s)
{
    return avj_chunks_memory(&s->slots) + s->texts.block_count * AVJ_TEXTS_BLOCK +
           s->cap * sizeof(*s->places);
}
