/* The messages that all engines get. */
#include "tests/bench/bench.h"
#include "tests/support/messages.h"

#include <stdlib.h>
#include <string.h>

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

/* The entry as the store writes it, with the fields in it. */
static void make_item(struct bench *bench, enum avj_entity entity, const struct message *m)
{
    struct bench_item *item = &bench->items[bench->count++];
    const char *id = entity == AVJ_THREAD ? m->thread : m->id;
    struct avj_pack pack = {0};
    size_t fields_at, fields_end;

    avj_entry_begin(&pack, AVJ_E_LOCAL, (UINT64_C(1740816000000) + m->number * 30000) << 16,
                    "bench-session", entity, id, 3);
    pack_pair(&pack, "o", "create");
    avj_pack_cstr(&pack, "f");
    fields_at = pack.len;
    if (entity == AVJ_THREAD)
        pack_thread(&pack, m);
    else
        pack_message(&pack, m);
    fields_end = pack.len;
    avj_pack_cstr(&pack, "u");
    avj_pack_nil(&pack);
    item->entity = entity;
    item->id = strdup(id);
    if (pack.failed || !item->id)
        bench_die("out of memory");
    item->entry = (struct avj_slice){pack.data, pack.len};
    item->fields = (struct avj_fields){pack.data + fields_at, fields_end - fields_at};
    bench->entry_bytes += pack.len;
}

static void count_line(struct bench *bench, char *line)
{
    bench->json_bytes += strlen(line);
    free(line);
}

void bench_data_make(struct bench *bench, uint64_t seed)
{
    struct message_maker maker;
    size_t threads = bench->messages / MESSAGES_PER_THREAD + 1;

    bench->items = calloc(bench->messages + threads, sizeof *bench->items);
    if (!bench->items)
        bench_die("out of memory");
    message_maker_init(&maker, seed);
    for (size_t i = 0; i < bench->messages; i++) {
        struct message m;
        message_next(&maker, &m);
        if (message_is_first(&m)) {
            make_item(bench, AVJ_THREAD, &m);
            count_line(bench, message_thread_line(&m));
        }
        make_item(bench, AVJ_MESSAGE, &m);
        count_line(bench, message_line(&m));
    }
    message_maker_release(&maker);
}

void bench_data_free(struct bench *bench)
{
    for (size_t i = 0; i < bench->count; i++) {
        free((void *)(uintptr_t)bench->items[i].entry.data);
        free((void *)(uintptr_t)bench->items[i].id);
    }
    free(bench->items);
}

size_t bench_batch_end(const struct bench *bench, size_t from)
{
    return bench->count - from < BENCH_BATCH ? bench->count : from + BENCH_BATCH;
}
