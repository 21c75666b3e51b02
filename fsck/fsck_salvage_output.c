/* What a salvage gave, as text and as JSON: see fsck_output.h. */
#include "fsck/fsck_output.h"

#include <jansson.h>

struct row {
    const char *name, *text;
    uint64_t value;
};

#define ROWS 11

static void fill(const struct fsck_salvaged *d, struct row rows[ROWS])
{
    const struct row table[ROWS] = {
        {"files", "files looked into", d->files},
        {"records", "records found", d->records},
        {"missing", "records missing between them", d->missing},
        {"partialFrames", "frames of which only a part could be had", d->partial},
        {"projects", "projects written", d->projects},
        {"threads", "threads written", d->threads},
        {"messages", "messages written", d->messages},
        {"summaries", "summaries written", d->summaries},
        {"madeUp", "of their fields made up", d->made_up},
        {"incomplete", "documents that lack too much", d->incomplete},
        {"conflicts", "texts that lost a conflict", d->conflicts},
    };
    for (size_t i = 0; i < ROWS; i++)
        rows[i] = table[i];
}

void fsck_text_salvaged(FILE *out, const struct fsck_salvaged *done, const char *to)
{
    struct row rows[ROWS];
    fill(done, rows);
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].value || i < 3)
            fprintf(out, "%8llu %s\n", (unsigned long long)rows[i].value, rows[i].text);
    fprintf(out,
            "see %s/report.txt; next: avchat -C NEW init; avchat -C NEW import %s/salvaged.jsonl\n",
            to, to);
}

void fsck_json_salvaged(FILE *out, const struct fsck_salvaged *done)
{
    struct row rows[ROWS];
    json_t *line = json_object(), *o = json_object();
    fill(done, rows);
    for (size_t i = 0; i < ROWS; i++)
        (void)json_object_set_new(o, rows[i].name, json_integer((json_int_t)rows[i].value));
    (void)json_object_set_new(line, "salvage", o);
    (void)json_dumpf(line, out, JSON_COMPACT);
    fputc('\n', out);
    json_decref(line);
}
