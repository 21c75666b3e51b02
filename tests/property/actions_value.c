/* Documents and fields by chance: see actions.h. */
#include "tests/property/actions.h"

static uint64_t below(struct stage *s, uint64_t limit)
{
    return test_rng_below(&s->rng, limit);
}

const char *some_id(struct stage *s, enum avj_entity entity)
{
    static const unsigned pool[AVJ_ENTITIES] = {4, 8, 3, 3};
    unsigned n = (unsigned)below(s, pool[entity]);
    /* Ids of both forms: uuids are kept in another way than the rest. */
    return n & 1 ? text_printf("%08x-0000-4000-8000-00000000000%u", (unsigned)entity + 1, n)
                 : text_printf("%.1s%u", kind_name(entity), n);
}

/* Mostly one that is nowhere else, to be found again; sometimes one that others write too. */
static const char *some_text(struct stage *s)
{
    if (below(s, 4) == 0)
        return below(s, 2) ? "\"a\"" : "\"b\"";
    return text_printf("\"unique %u\"", s->world->names++);
}

static const char *some_time(struct stage *s)
{
    int64_t ms = s->world->now_ms + (int64_t)below(s, 5) - 2;
    return time_json(ms, below(s, 3) == 0 ? (unsigned)below(s, 3) : 0);
}

static const char *some_flag(struct stage *s)
{
    return below(s, 2) ? "true" : "false";
}

static const char *some_list(struct stage *s)
{
    static const char *const lists[] = {"[]", "[\"x\"]", "[\"x\",\"y\"]"};
    return lists[below(s, 3)];
}

static const char *quoted_id(struct stage *s, enum avj_entity entity)
{
    return text_printf("\"%s\"", some_id(s, entity));
}

static const char *some_number(struct stage *s)
{
    return text_printf("%u", (unsigned)below(s, 3));
}

static const char *some_anything(struct stage *s)
{
    static const char *const values[] = {"{\"x\":1}", "[1,null,true]", "-7", "\"text\""};
    return values[below(s, 4)];
}

static const char *some_thread(struct stage *s)
{
    return quoted_id(s, AVJ_THREAD);
}

static const char *some_message(struct stage *s)
{
    return quoted_id(s, AVJ_MESSAGE);
}

struct sort {
    const char *name;
    const char *(*value)(struct stage *s);
    bool required, fixed;
};

static const struct sort sorts[AVJ_ENTITIES][10] = {
    [AVJ_THREAD] = {{"title", some_text, true, false},
                    {"createdAt", some_time, true, true},
                    {"updatedAt", some_time, false, false},
                    {"lastMessageAt", some_time, false, false},
                    {"isPinned", some_flag, false, false},
                    {"tags", some_list, false, false},
                    {"sharedAt", some_time, false, false},
                    {"zeta", some_anything, false, false}},
    [AVJ_MESSAGE] = {{"threadId", some_thread, true, false},
                     {"role", some_text, true, false},
                     {"content", some_text, true, false},
                     {"createdAt", some_time, true, false},
                     {"model", some_text, false, false},
                     {"attachments", some_anything, false, false},
                     {"alpha", some_text, false, false}},
    [AVJ_SUMMARY] = {{"threadId", some_thread, true, false},
                     {"messageId", some_message, true, false},
                     {"content", some_text, true, false},
                     {"createdAt", some_time, true, false}},
    [AVJ_PROJECT] = {{"name", some_text, true, false},
                     {"description", some_text, false, false},
                     {"colorIndex", some_number, false, false},
                     {"members", some_list, false, false},
                     {"createdAt", some_time, true, false},
                     {"updatedAt", some_time, false, false}},
};

struct fieldmap some_document(struct stage *s, enum avj_entity entity, const char *id)
{
    struct fieldmap map = {0};
    for (const struct sort *sort = sorts[entity]; sort->name; sort++)
        if (sort->required || below(s, 3) == 0)
            field_set(&map, sort->name, sort->value(s));
    field_set(&map, "id", text_printf("\"%s\"", id));
    return map;
}

struct fieldmap some_change(struct stage *s, enum avj_entity entity)
{
    struct fieldmap map = {0};
    size_t count = 0;
    while (sorts[entity][count].name)
        count++;
    for (uint64_t n = 1 + below(s, 2); n > 0; n--) {
        const struct sort *sort = &sorts[entity][below(s, count)];
        if (sort->fixed)
            continue;
        bool clears = !sort->required && below(s, 4) == 0;
        field_set(&map, sort->name, clears ? "null" : sort->value(s));
    }
    return map;
}
