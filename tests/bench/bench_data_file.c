/* Messages of a file: import lines, as `avchat import` takes them. */
#include "tests/bench/bench.h"
#include "net/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lines {
    const char *path;
    unsigned long number;
    size_t messages, passed_over;
};

static void take_document(struct bench *bench, struct lines *lines, const json_t *line, size_t len)
{
    const char *kind = json_string_value(json_object_get(line, "kind"));
    const char *id = json_string_value(json_object_get(line, "id"));
    enum avj_entity entity = kind ? avj_entity_from_kind(kind, strlen(kind)) : AVJ_ENTITIES;
    struct avj_pack fields = {0};
    struct avj_error err = {0};

    if (!id || entity == AVJ_ENTITIES)
        bench_die("%s, line %lu: no kind or id", lines->path, lines->number);
    if (entity != AVJ_THREAD && entity != AVJ_MESSAGE) {
        lines->passed_over++;
        return;
    }
    bench_ok(avj_json_to_fields(entity, line, &fields, &err), &err, lines->path);
    bench_data_add(bench, entity, id, (struct avj_fields){fields.data, fields.len}, len);
    lines->messages += entity == AVJ_MESSAGE;
    avj_pack_release(&fields);
}

static void take_line(struct bench *bench, struct lines *lines, const char *text, size_t len)
{
    json_error_t error;
    json_t *line = json_loadb(text, len, 0, &error);

    if (!line)
        bench_die("%s, line %lu: %s", lines->path, lines->number, error.text);
    take_document(bench, lines, line, len);
    json_decref(line);
}

void bench_data_read(struct bench *bench)
{
    struct lines lines = {.path = bench->data};
    FILE *file = fopen(bench->data, "re");
    char *text = NULL;
    size_t size = 0;
    ssize_t len;

    if (!file)
        bench_die("can not read %s", bench->data);
    while (lines.messages < bench->messages && (len = getline(&text, &size, file)) > 0) {
        lines.number++;
        if (strspn(text, " \t\r\n") < (size_t)len)
            take_line(bench, &lines, text, (size_t)len);
    }
    if (ferror(file) || lines.messages == 0)
        bench_die("%s: no messages could be read", bench->data);
    if (lines.passed_over)
        fprintf(stderr, "bench: %zu lines of %s are neither threads nor messages: passed over\n",
                lines.passed_over, bench->data);
    bench->messages = lines.messages;
    free(text);
    fclose(file);
}
