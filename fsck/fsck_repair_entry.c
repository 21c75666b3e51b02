/* The entries of a repair: see fsck_repair_entry.h. */
#include "fsck/fsck_repair_entry.h"

#include "replay/clock.h"

/* Ranges that an entry lists; of more it says where the last one ends. */
#define RANGES_MAX 1000u
/* Bytes of a record that is no entry are kept in what replaces it up to here; the original segment
 * is kept in any case. */
#define REPLACED_MAX ((size_t)64 * 1024)

static void begin(struct avj_pack *pack, int64_t now_ms, const char *op, size_t pairs)
{
    avj_pack_reset(pack);
    avj_entry_begin(pack, AVJ_E_REPAIR, avj_hlc_next(0, now_ms), NULL, AVJ_ENTITIES, NULL,
                    pairs + 1);
    avj_pack_cstr(pack, "o");
    avj_pack_cstr(pack, op);
}

static void put_number(struct avj_pack *pack, const char *key, uint64_t value)
{
    avj_pack_cstr(pack, key);
    avj_pack_int(pack, (int64_t)value);
}

void fsck_entry_lost(struct avj_pack *pack, int64_t now_ms, uint64_t first, uint64_t last)
{
    begin(pack, now_ms, "lost", 2);
    put_number(pack, "from", first);
    put_number(pack, "to", last);
}

void fsck_entry_replaced(struct avj_pack *pack, int64_t now_ms, const void *data, size_t len)
{
    bool whole = len <= REPLACED_MAX;
    begin(pack, now_ms, "replaced", whole ? 2 : 1);
    put_number(pack, "bytes", len);
    if (!whole)
        return;
    avj_pack_cstr(pack, "d");
    avj_pack_bytes(pack, data, len);
}

static void put_ranges(struct avj_pack *pack, const char *key, const struct fsck_ranges *ranges)
{
    size_t shown = ranges->count < RANGES_MAX ? ranges->count : RANGES_MAX;
    avj_pack_cstr(pack, key);
    avj_pack_list(pack, shown);
    for (size_t i = 0; i < shown; i++) {
        bool rest = i + 1 == shown;
        avj_pack_list(pack, 2);
        avj_pack_int(pack, (int64_t)ranges->items[i].first);
        avj_pack_int(pack, (int64_t)ranges->items[rest ? ranges->count - 1 : i].last);
    }
}

static void put_ids(struct avj_pack *pack, const char *key, const struct fsck_ids *ids)
{
    avj_pack_cstr(pack, key);
    avj_pack_list(pack, ids->count);
    for (size_t i = 0; i < ids->count; i++)
        avj_pack_cstr(pack, ids->ids[i]);
}

void fsck_entry_report(struct avj_pack *pack, const struct fsck_repair_report *r)
{
    size_t lost = r->lost->count ? 6 : 0, replaced = r->replaced->count ? 1 : 0;
    begin(pack, r->now_ms, "repair", 2 + lost + replaced);
    put_number(pack, "segments", r->segments);
    avj_pack_cstr(pack, "kept");
    avj_pack_cstr(pack, *r->kept ? r->kept : NULL);
    if (replaced)
        put_ranges(pack, "replaced", r->replaced);
    if (!lost)
        return;
    put_ranges(pack, "lost", r->lost);
    put_number(pack, "records", r->lost->total);
    put_ids(pack, "threads", r->threads);
    put_ids(pack, "messages", r->messages);
    put_number(pack, "after", (uint64_t)r->after_ms);
    put_number(pack, "before", (uint64_t)r->before_ms);
}
