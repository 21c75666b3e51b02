/*
 * avchat import: JSON lines into the journal, in memory that does not grow with the input.  Each
 * batch is one frame, durable before anything of it is acknowledged; a crash loses at most the
 * lines that were not.
 */
#include "net/cli_batch.h"
#include "net/cli_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct import {
    struct cli *cli;
    struct cli_batch batch;
    struct cli_lines lines;
    uint64_t line; /* the one being looked at */
    uint64_t imported, updated, unchanged, skipped;
};

static void show_progress(const struct import *import, bool last)
{
    if (!import->cli->error_terminal)
        return;
    if (last)
        fputs("\r\033[K", stderr);
    else
        fprintf(stderr, "\r\033[K%llu lines", (unsigned long long)import->line);
}

/* The one line about what ends the import; everything counted before is durable. */
static int broken(struct import *import, uint64_t line, const char *why)
{
    uint64_t before = import->imported + import->updated + import->unchanged;

    show_progress(import, true);
    if (before == 0)
        return cli_fail("import: line %llu: %s; nothing before it was imported",
                        (unsigned long long)line, why);
    return cli_fail("import: line %llu: %s; %llu line%s before it %s imported and stay%s",
                    (unsigned long long)line, why, (unsigned long long)before,
                    before == 1 ? "" : "s", before == 1 ? "was" : "were", before == 1 ? "s" : "");
}

static void acknowledge(struct import *import, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        struct cli_item item = cli_batch_item(&import->batch, i);
        if (item.op == AVJ_CREATE)
            import->imported++;
        else
            import->updated++;
        if (import->cli->json || cli_given(import->cli, OPT_IDS))
            cli_put_id(import->cli, item.entity, item.id);
    }
    (void)cli_flush(import->cli);
    show_progress(import, false);
}

static bool about_the_data(enum avj_status status)
{
    return status == AVJ_EFORMAT || status == AVJ_ETOOBIG || status == AVJ_EEXIST ||
           status == AVJ_ENOTFOUND || status == AVJ_EINVAL;
}

/* The store refused the batch for its content: line by line, the good ones go in and the bad one
 * shows. */
static int append_singly(struct import *import)
{
    struct avj_error err = {0};

    for (size_t i = 0; i < import->batch.count; i++) {
        enum avj_status status =
            cli_batch_append(&import->batch, import->cli->store, i, i + 1, &err);
        if (about_the_data(status))
            return broken(import, cli_batch_item(&import->batch, i).line, err.message);
        if (status != AVJ_OK)
            return cli_error(import->cli, status, &err);
        acknowledge(import, i, i + 1);
    }
    return CLI_DONE;
}

static int flush_batch(struct import *import)
{
    struct avj_error err = {0};
    int code = CLI_DONE;

    if (import->batch.count == 0)
        return CLI_DONE;
    enum avj_status status =
        cli_batch_append(&import->batch, import->cli->store, 0, import->batch.count, &err);
    if (status == AVJ_OK)
        acknowledge(import, 0, import->batch.count);
    else if (about_the_data(status))
        code = append_singly(import);
    else
        code = cli_error(import->cli, status, &err);
    cli_batch_reset(&import->batch);
    /* Nobody reads the ids any more: what comes would be imported without being acknowledged. */
    return code == CLI_DONE && import->cli->output_failed ? CLI_FAILED : code;
}

/* What comes before the broken line goes in first: it stays. */
static int stop_at_line(struct import *import, const char *why)
{
    uint64_t line = import->line;

    int code = flush_batch(import);
    return code == CLI_DONE ? broken(import, line, why) : code;
}

/* True where the line says nothing that the document does not hold already.  A time that only ever
 * grows (lastMessageAt) may have grown since. */
static bool same_value(const struct avj_field *field, struct avj_value line, struct avj_value held)
{
    int64_t a, b;

    if (avj_value_equal(line, held))
        return true;
    if (!field || field->type != AVJ_F_TIME || line.kind != AVJ_TEXT || held.kind != AVJ_TEXT)
        return false;
    if (!avj_time_parse(line.text, line.len, &a) || !avj_time_parse(held.text, held.len, &b))
        return false;
    return a == b || (field->merge == AVJ_M_MAX && a < b);
}

static bool held_the_same(enum avj_entity entity, struct avj_value held, struct avj_value key,
                          struct avj_value value)
{
    for (size_t i = 0; i < held.len; i++) {
        struct avj_value name, have;
        avj_value_pair(held, i, &name, &have);
        if (name.len == key.len && memcmp(name.text, key.text, key.len) == 0)
            return same_value(avj_field_find(entity, key.text, key.len), value, have);
    }
    return false;
}

/* The line's pairs that differ from the document's go to `out` as a map; *name gets the first one's
 * name. */
static size_t differing(enum avj_entity entity, struct avj_value line, struct avj_value held,
                        struct avj_pack *out, char *name, size_t size)
{
    size_t count = 0;

    for (int writing = 0; writing < 2; writing++) {
        if (writing)
            avj_pack_map(out, count);
        for (size_t i = 0; i < line.len; i++) {
            struct avj_value key, value;
            avj_value_pair(line, i, &key, &value);
            if (held_the_same(entity, held, key, value))
                continue;
            if (writing) {
                avj_pack_value(out, key);
                avj_pack_value(out, value);
            } else if (count++ == 0) {
                snprintf(name, size, "%.*s", key.len > 60 ? 60 : (int)key.len, key.text);
            }
        }
    }
    return count;
}

/* A document of that id is here: unchanged, an update where that is allowed, else reported. */
static int meet(struct import *import, struct cli_item *item, const struct avj_doc *doc)
{
    struct avj_tree *line = NULL, *held = NULL;
    struct avj_pack patch = {0};
    char name[64] = "";
    size_t count = 0;

    bool ok = avj_tree_parse(item->fields.data, item->fields.len, &line) == AVJ_OK &&
              avj_tree_parse(doc->fields.data, doc->fields.len, &held) == AVJ_OK;
    if (ok)
        count = differing(item->entity, avj_tree_root(line), avj_tree_root(held), &patch, name,
                          sizeof(name));
    ok = ok && !patch.failed;
    if (ok && count == 0) {
        import->unchanged++;
    } else if (ok && !cli_given(import->cli, OPT_UPDATE)) {
        import->skipped++;
        cli_say("import: line %llu: %s %s is here with another %s; skipped, --update takes the "
                "line's",
                (unsigned long long)item->line, avj_schema(item->entity)->kind, item->id, name);
    } else if (ok) {
        item->op = AVJ_UPDATE;
        item->fields = (struct avj_fields){patch.data, patch.len};
        ok = cli_batch_add(&import->batch, item) == AVJ_OK;
    }
    avj_pack_release(&patch);
    avj_tree_free(line);
    avj_tree_free(held);
    return ok ? CLI_DONE : cli_fail("out of memory");
}

static int take_item(struct import *import, struct cli_item *item)
{
    struct avj_doc doc;

    /* Twice in one file: the second one meets the first in the store.  A large one goes alone: a
     * batch is one frame. */
    if (cli_batch_has(&import->batch, item->entity, item->id) ||
        item->fields.len > CLI_BATCH_BYTES) {
        int code = flush_batch(import);
        if (code != CLI_DONE)
            return code;
    }
    if (avj_store_get(import->cli->store, item->entity, item->id, &doc) == AVJ_OK)
        return meet(import, item, &doc);
    if (cli_batch_add(&import->batch, item) != AVJ_OK)
        return cli_fail("out of memory");
    return CLI_DONE;
}

static bool thread_is_here(struct import *import, const char *thread)
{
    struct avj_doc doc;

    return cli_batch_has(&import->batch, AVJ_THREAD, thread) ||
           avj_store_get(import->cli->store, AVJ_THREAD, thread, &doc) == AVJ_OK;
}

/* The text under `name` as a C string; NULL where it is none, empty, or holds a NUL. */
static const char *plain_text(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);

    return text && *text && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool times_are_good(const json_t *object, enum avj_entity entity, char *why, size_t size)
{
    const struct avj_entity_schema *schema = avj_schema(entity);
    int64_t ms;

    for (size_t i = 0; i < schema->count; i++) {
        const struct avj_field *field = &schema->fields[i];
        const json_t *value = json_object_get(object, field->name);
        if (field->type != AVJ_F_TIME || !json_is_string(value) ||
            avj_time_parse(json_string_value(value), json_string_length(value), &ms))
            continue;
        snprintf(why, size, "%s is no time such as 2026-01-31T18:00:00.000+00:00", field->name);
        return false;
    }
    return true;
}

static int64_t time_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    int64_t ms = 0;

    if (json_is_string(value))
        (void)avj_time_parse(json_string_value(value), json_string_length(value), &ms);
    return ms;
}

/* The item that the object describes, its texts borrowed from it; false with why it cannot be one.
 */
static bool describe(struct import *import, const json_t *object, struct cli_item *item, char *why,
                     size_t size)
{
    const char *kind = plain_text(object, "kind");

    *item = (struct cli_item){.line = import->line, .op = AVJ_CREATE};
    item->entity = kind ? avj_entity_from_kind(kind, strlen(kind)) : AVJ_ENTITIES;
    item->id = plain_text(object, "id");
    if (item->entity == AVJ_ENTITIES) {
        snprintf(why, size, "\"kind\" must be thread, message, summary or project%s%.40s",
                 kind ? ", not " : "", kind ? kind : "");
        return false;
    }
    if (!item->id) {
        snprintf(why, size, "\"id\" must be a text that is not empty");
        return false;
    }
    bool hangs = item->entity == AVJ_MESSAGE || item->entity == AVJ_SUMMARY;
    const char *thread = hangs ? plain_text(object, "threadId") : NULL;
    if (hangs && (!thread || !thread_is_here(import, thread))) {
        snprintf(why, size, "its thread %.100s is not here; a thread's line stands before its %s",
                 thread ? thread : "(threadId)",
                 item->entity == AVJ_MESSAGE ? "messages" : "summaries");
        return false;
    }
    if (item->entity == AVJ_MESSAGE)
        item->thread = thread;
    item->when_ms = time_of(object, item->entity == AVJ_THREAD ? "lastMessageAt" : "createdAt");
    return times_are_good(object, item->entity, why, size);
}

static int take_object(struct import *import, const json_t *object)
{
    struct avj_pack fields = {0};
    struct avj_error err = {0};
    struct cli_item item;
    char why[300];

    if (!describe(import, object, &item, why, sizeof(why)))
        return stop_at_line(import, why);
    enum avj_status status = avj_json_to_fields(item.entity, object, &fields, &err);
    item.fields = (struct avj_fields){fields.data, fields.len};
    int code;
    if (status == AVJ_EFORMAT)
        code = stop_at_line(import, err.message);
    else if (status != AVJ_OK)
        code = cli_error(import->cli, status, &err);
    else
        code = take_item(import, &item);
    avj_pack_release(&fields);
    return code;
}

static bool blank(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r", line[i]) || !line[i])
            return false;
    return true;
}

static int take_line(struct import *import, const char *line, size_t len)
{
    json_error_t error;
    char why[JSON_ERROR_TEXT_LENGTH + 64];

    if (import->line == 1 && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        line += 3; /* a byte order mark, as some editors leave it */
        len -= 3;
    }
    if (blank(line, len))
        return CLI_DONE;
    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!object) {
        snprintf(why, sizeof(why), "no valid JSON: %s (column %d)", error.text, error.column);
        return stop_at_line(import, why);
    }
    /* What an export says of an answer that grew just then is no field of it. */
    json_object_del(object, "streaming");
    json_object_del(object, "interrupted");
    int code = json_is_object(object) ? take_object(import, object)
                                      : stop_at_line(import, "not a JSON object");
    json_decref(object);
    return code == CLI_DONE && cli_batch_due(&import->batch) ? flush_batch(import) : code;
}

static int take_lines(struct import *import)
{
    const char *line;
    char why[200];
    size_t len;

    for (;;) {
        /* A writer that pauses wants what it wrote so far to be safe. */
        int code = cli_lines_would_wait(&import->lines) ? flush_batch(import) : CLI_DONE;
        if (code != CLI_DONE)
            return code;
        enum avj_status status = cli_lines_next(&import->lines, &line, &len);
        if (status == AVJ_END)
            return flush_batch(import);
        import->line++;
        if (status != AVJ_OK) {
            snprintf(why, sizeof(why), "cannot be read: %s",
                     status == AVJ_EIO       ? strerror(errno)
                     : status == AVJ_ETOOBIG ? "longer than 16 MiB"
                                             : avj_status_text(status));
            return stop_at_line(import, why);
        }
        code = take_line(import, line, len);
        if (code != CLI_DONE)
            return code;
    }
}

static void put_summary(struct import *import)
{
    struct cli *cli = import->cli;

    show_progress(import, true);
    if (cli->json) {
        cli_json(cli,
                 json_pack("{s:I, s:I, s:I, s:I}", "imported", (json_int_t)import->imported,
                           "unchanged", (json_int_t)import->unchanged, "updated",
                           (json_int_t)import->updated, "skipped", (json_int_t)import->skipped));
        return;
    }
    /* With --ids stdout is the ids' alone. */
    FILE *out = cli_given(cli, OPT_IDS) ? stderr : stdout;
    fprintf(out, "%simported %llu, unchanged %llu", out == stderr ? "avchat: " : "",
            (unsigned long long)import->imported, (unsigned long long)import->unchanged);
    if (import->updated)
        fprintf(out, ", updated %llu", (unsigned long long)import->updated);
    if (import->skipped)
        fprintf(out, ", skipped %llu", (unsigned long long)import->skipped);
    putc('\n', out);
}

int cli_cmd_import(struct cli *cli)
{
    const char *path = cli->words[0];
    struct import import = {.cli = cli};

    if (strcmp(path, "-") != 0) {
        import.lines.file = open(path, O_RDONLY | O_CLOEXEC);
        if (import.lines.file < 0)
            return cli_fail("import: %s cannot be read: %s", path, strerror(errno));
    }
    int code = take_lines(&import);
    if (code == CLI_DONE) {
        put_summary(&import);
        code = import.skipped ? CLI_FAILED : CLI_DONE;
    }
    if (import.lines.file != STDIN_FILENO)
        close(import.lines.file);
    cli_lines_release(&import.lines);
    cli_batch_release(&import.batch);
    return code;
}
