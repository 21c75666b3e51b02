/* The messages that all engines get, made up or read (bench_data_file.c). */
#include "tests/bench/bench.h"
#include "replay/clock.h"
#include "tests/support/messages.h"

#include <stdlib.h>
#include <string.h>

/* An id needs so many digits before copies with other digits can be told apart. */
#define ID_DIGITS_MIN 8

static struct avj_slice text_of(struct avj_value map, const char *key)
{
    return avj_value_get_text(map, key);
}

/* Finds the fields that an engine with columns wants. */
static void describe(struct bench_item *item)
{
    struct avj_tree *tree;
    struct avj_value map;
    struct avj_slice created;

    if (avj_tree_parse(item->fields.data, item->fields.len, &tree) != AVJ_OK)
        bench_die("fields of %s", item->id);
    map = avj_tree_root(tree);
    item->thread = text_of(map, "threadId");
    item->role = text_of(map, "role");
    item->content = text_of(map, "content");
    item->model = text_of(map, "model");
    item->title = text_of(map, "title");
    item->pinned = avj_value_get_bool(map, "isPinned", false);
    created = text_of(map, "createdAt");
    if (!created.data || !avj_time_parse(created.data, created.len, &item->created_ms))
        bench_die("%s: no createdAt", item->id);
    avj_tree_free(tree);
}

static struct bench_item *new_item(struct bench *bench, size_t i)
{
    if (i % 4096 == 0) {
        bench->items = realloc(bench->items, (i + 4096) * sizeof *bench->items);
        if (!bench->items)
            bench_die("out of memory");
    }
    return memset(&bench->items[i], 0, sizeof *bench->items);
}

/* The entry as the store writes it, with the fields in it. */
void bench_data_add(struct bench *bench, enum avj_entity entity, const char *id,
                    struct avj_fields fields, size_t json_len)
{
    struct bench_item *item = new_item(bench, bench->count);
    struct avj_pack pack = {0};
    size_t fields_at;
    uint8_t *data;

    avj_entry_begin(&pack, AVJ_E_LOCAL, (UINT64_C(1740816000000) + bench->count * 30000) << 16,
                    "bench-session", entity, id, 3);
    avj_pack_cstr(&pack, "o");
    avj_pack_cstr(&pack, "create");
    avj_pack_cstr(&pack, "f");
    fields_at = pack.len;
    avj_pack_raw(&pack, fields.data, fields.len);
    avj_pack_cstr(&pack, "u");
    avj_pack_nil(&pack);
    item->entity = entity;
    item->id = strdup(id);
    data = realloc(pack.data, pack.len); /* of a million, what is too much counts */
    if (pack.failed || !item->id || !data)
        bench_die("out of memory");
    item->entry = (struct avj_slice){data, pack.len};
    item->fields = (struct avj_fields){data + fields_at, fields.len};
    item->json_len = json_len;
    describe(item);
    bench->count++;
    bench->entry_bytes += pack.len;
    bench->json_bytes += json_len;
}

/* ---- made-up messages ---- */

static void pack_pair(struct avj_pack *pack, const char *key, const char *value)
{
    avj_pack_cstr(pack, key);
    avj_pack_cstr(pack, value);
}

static void pack_thread(struct avj_pack *pack, const struct message *m)
{
    avj_pack_map(pack, 4);
    pack_pair(pack, "id", m->thread);
    pack_pair(pack, "title", "A thread");
    pack_pair(pack, "createdAt", m->created_at);
    pack_pair(pack, "lastMessageAt", m->created_at);
}

static void pack_message(struct avj_pack *pack, const struct message *m)
{
    avj_pack_map(pack, m->model ? 6 : 5);
    pack_pair(pack, "id", m->id);
    pack_pair(pack, "threadId", m->thread);
    pack_pair(pack, "role", m->role);
    avj_pack_cstr(pack, "content");
    avj_pack_text(pack, m->content, m->len);
    pack_pair(pack, "createdAt", m->created_at);
    if (m->model)
        pack_pair(pack, "model", m->model);
}

static void add_made_up(struct bench *bench, enum avj_entity entity, const char *id,
                        struct avj_pack *pack, char *line)
{
    if (pack->failed)
        bench_die("out of memory");
    bench_data_add(bench, entity, id, (struct avj_fields){pack->data, pack->len}, strlen(line));
    avj_pack_release(pack);
    free(line);
}

static void add_thread(struct bench *bench, const struct message *m)
{
    struct avj_pack pack = {0};

    pack_thread(&pack, m);
    add_made_up(bench, AVJ_THREAD, m->thread, &pack, message_thread_line(m));
}

void bench_data_message(struct bench *bench, const struct message *m)
{
    struct avj_pack pack = {0};

    pack_message(&pack, m);
    add_made_up(bench, AVJ_MESSAGE, m->id, &pack, message_line(m));
}

void bench_data_make(struct bench *bench, uint64_t seed)
{
    struct message_maker maker;

    message_maker_init(&maker, seed);
    for (size_t i = 0; i < bench->messages; i++) {
        struct message m;
        message_next(&maker, &m);
        if (message_is_first(&m))
            add_thread(bench, &m);
        bench_data_message(bench, &m);
    }
    message_maker_release(&maker);
}

/* ---- copies with fresh ids ---- */

/* Other digits in the places of digits: an id of the same form and length. */
static char *fresh_id(const char *id, struct test_rng *rng)
{
    char *fresh = strdup(id);
    size_t digits = 0;

    if (!fresh)
        bench_die("out of memory");
    for (char *p = fresh; *p; p++) {
        if (*p < '0' || *p > '9')
            continue;
        *p = (char)('0' + test_rng_below(rng, 10));
        digits++;
    }
    if (digits < ID_DIGITS_MIN)
        bench_die("%s: an id without enough digits for copies: give fewer --ops", id);
    return fresh;
}

static void replace_all(uint8_t *data, size_t len, const char *from, const char *to)
{
    size_t n = strlen(from);
    uint8_t *at = data;

    while ((at = memmem(at, len - (size_t)(at - data), from, n)) != NULL) {
        memcpy(at, to, n);
        at += n;
    }
}

void bench_data_cycle(struct bench *bench)
{
    struct test_rng rng;

    test_rng_init(&rng, 11);
    for (size_t i = bench->count; i < bench->ops; i++) {
        struct bench_item *copy = new_item(bench, i), *item = &bench->items[i % bench->count];
        uint8_t *entry = bench_calloc(1, item->entry.len);
        *copy = *item;
        memcpy(entry, item->entry.data, item->entry.len);
        copy->id = fresh_id(item->id, &rng);
        replace_all(entry, item->entry.len, item->id, copy->id);
        copy->entry.data = entry;
        copy->fields.data = entry + (item->fields.data - (const uint8_t *)item->entry.data);
        describe(copy);
    }
}

void bench_data_clear(struct bench *bench, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)bench->items[i].entry.data);
        free(bench->items[i].id);
    }
    bench->count = 0;
    bench->json_bytes = bench->entry_bytes = 0;
}

void bench_data_free(struct bench *bench)
{
    size_t all = bench->count < bench->ops ? bench->ops : bench->count;

    bench_data_clear(bench, all);
    free(bench->items);
    bench->items = NULL;
}

size_t bench_batch_end(const struct bench *bench, size_t from, size_t size)
{
    return bench->count - from < size ? bench->count : from + size;
}
