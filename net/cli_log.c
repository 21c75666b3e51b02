/* avchat log: the entries as they stand in the journal, without folding them. */
#include "net/cli.h"
#include "replay/entry.h"

#include <stdlib.h>
#include <string.h>

#define GIST_TEXT 40  /* bytes shown of one text */
#define GIST_MAX  300 /* bytes of a gist, about */

struct range {
    uint64_t from, to; /* 0: open */
    const char *type;  /* NULL: all */
};

static void put_gist(FILE *out, struct avj_value value, int depth);

static void put_text(FILE *out, struct avj_value value)
{
    size_t len = cli_utf8_cut(value.text, value.len, GIST_TEXT);

    putc('"', out);
    cli_put_escaped(out, value.text, len);
    fputs(len < value.len ? "...\"" : "\"", out);
}

static void put_pairs(FILE *out, struct avj_value map, int depth)
{
    struct avj_value key, value;

    bool first = true;

    for (size_t i = 0; i < map.len && ftell(out) < GIST_MAX; i++) {
        avj_value_pair(map, i, &key, &value);
        if (depth == 0 && avj_value_text_is(key, "id")) /* of a document: it has its column */
            continue;
        if (!first)
            putc(' ', out);
        first = false;
        if (key.kind == AVJ_TEXT)
            cli_put_escaped(out, key.text, key.len);
        putc('=', out);
        put_gist(out, value, depth + 1);
    }
}

static void put_items(FILE *out, struct avj_value list, int depth)
{
    for (size_t i = 0; i < list.len && ftell(out) < GIST_MAX; i++) {
        if (i)
            putc(' ', out);
        put_gist(out, avj_value_item(list, i), depth + 1);
    }
}

static void put_gist(FILE *out, struct avj_value value, int depth)
{
    switch (value.kind) {
    case AVJ_NIL:
        fputs("nil", out);
        break;
    case AVJ_BOOL:
        fputs(value.boolean ? "true" : "false", out);
        break;
    case AVJ_INT:
        fprintf(out, "%lld", (long long)value.integer);
        break;
    case AVJ_REAL:
        fprintf(out, "%g", value.real);
        break;
    case AVJ_TEXT:
        put_text(out, value);
        break;
    case AVJ_BYTES:
        fprintf(out, "(%zu bytes)", value.len);
        break;
    case AVJ_LIST:
        putc('[', out);
        if (depth < 3)
            put_items(out, value, depth);
        putc(']', out);
        break;
    case AVJ_MAP:
        putc('{', out);
        if (depth < 3)
            put_pairs(out, value, depth);
        putc('}', out);
        break;
    }
}

/* Keys that have their own column, and the writer's session. */
static bool has_column(struct avj_value key)
{
    static const char *const names[] = {"t", "h", "p", "e", "i", "o"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (avj_value_text_is(key, names[i]))
            return true;
    return false;
}

/* What an entry says beside the columns, in short.  NULL: out of memory; the caller frees. */
static char *gist_of(struct avj_value root)
{
    struct avj_value key, value;
    char *text = NULL;
    size_t len;

    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    for (size_t i = 0; i < root.len && ftell(out) < GIST_MAX; i++) {
        avj_value_pair(root, i, &key, &value);
        if (has_column(key) || value.kind == AVJ_NIL)
            continue;
        if (ftell(out) > 0)
            putc(' ', out);
        if (key.kind == AVJ_TEXT)
            cli_put_escaped(out, key.text, key.len);
        putc('=', out);
        put_gist(out, value, 0);
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static void put_slice(struct cli *cli, int width, struct avj_slice slice)
{
    if (slice.data && slice.len)
        cli_cell(cli, width, slice.data, slice.len);
    else
        cli_cell_text(cli, width, "-");
}

static int put_row(struct cli *cli, uint64_t seq, const struct avj_entry *entry, const char *when)
{
    char number[24];

    char *gist = gist_of(entry->root);
    if (!gist)
        return cli_fail("out of memory");
    snprintf(number, sizeof(number), "%llu", (unsigned long long)seq);
    cli_cell_text(cli, 6, number);
    cli_cell_text(cli, 29, when);
    put_slice(cli, 8, entry->type_name);
    put_slice(cli, 7, avj_value_get_text(entry->root, "e"));
    put_slice(cli, 36, avj_value_get_text(entry->root, "i"));
    put_slice(cli, 6, avj_value_get_text(entry->root, "o"));
    /* Already escaped; a terminal still must not obey it. */
    if (cli->terminal)
        cli_cell_text(cli, 0, gist);
    else
        printf("\t%s", gist);
    cli_row_end(cli);
    free(gist);
    return CLI_DONE;
}

static json_t *slice_json(struct avj_slice slice)
{
    json_t *json = slice.data ? json_stringn(slice.data, slice.len) : NULL;

    return json ? json : json_null();
}

static void put_json(struct cli *cli, uint64_t seq, const struct avj_entry *entry, const char *when)
{
    cli_json(cli, json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:o}", "seq", (json_int_t)seq, "time",
                            when, "type", slice_json(entry->type_name), "entity",
                            slice_json(avj_value_get_text(entry->root, "e")), "id",
                            slice_json(avj_value_get_text(entry->root, "i")), "op",
                            slice_json(avj_value_get_text(entry->root, "o")), "entry",
                            avj_json_from_value(entry->root)));
}

static bool wanted(const struct range *range, const struct avj_entry *entry)
{
    if (!range->type)
        return true;
    if (entry->type == AVJ_ENTRY_TYPES && strcmp(range->type, "unknown") == 0)
        return true;
    return strlen(range->type) == entry->type_name.len &&
           memcmp(range->type, entry->type_name.data, entry->type_name.len) == 0;
}

static int put_record(struct cli *cli, const struct avj_record *record, const struct range *range)
{
    struct avj_error err = {0};
    struct avj_entry entry;
    char when[AVJ_TIME_TEXT];
    int code = CLI_DONE;

    enum avj_status status = avj_entry_decode(record->data, record->len, &entry, &err);
    if (status == AVJ_EFORMAT) {
        cli_say("record %llu is no entry: %s; run: avchat-fsck %s", (unsigned long long)record->seq,
                err.message, cli->dir);
        return CLI_DONE;
    }
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    if (wanted(range, &entry)) {
        avj_time_format(avj_hlc_ms(entry.hlc), when);
        if (cli->json)
            put_json(cli, record->seq, &entry, when);
        else
            code = put_row(cli, record->seq, &entry, when);
    }
    avj_entry_release(&entry);
    return code;
}

/* Everything up to the journal's end as it is now, or the range's.  *over: the range has been
 * printed. */
static int put_records(struct cli *cli, struct avj_cursor *cursor, const struct range *range,
                       bool *over)
{
    struct avj_error err = {0};
    struct avj_record record;

    while (!cli->output_failed) {
        enum avj_status status = avj_cursor_next(cursor, &record, &err);
        if (status == AVJ_END)
            break;
        if (status != AVJ_OK)
            return cli_error(cli, status, &err);
        *over = range->to && record.seq >= range->to;
        if (range->to && record.seq > range->to)
            break;
        int code = put_record(cli, &record, range);
        if (code != CLI_DONE || *over)
            return code;
    }
    return cli_flush(cli) ? CLI_DONE : CLI_FAILED;
}

static int follow(struct cli *cli, struct avj_journal *journal, struct avj_cursor *cursor,
                  const struct range *range)
{
    struct cli_stop stop;
    bool over = false;

    int code = cli_stop_install(&stop);
    while (code == CLI_DONE) {
        avj_journal_woken(journal);
        code = put_records(cli, cursor, range, &over);
        if (code == CLI_DONE && over)
            break;
        if (code == CLI_DONE && !cli_stop_wait(&stop, avj_journal_wake_fd(journal)))
            break;
    }
    return code;
}

static int take_range(struct cli *cli, struct range *range)
{
    const char *type = cli->value[OPT_TYPE];

    *range = (struct range){.type = type};
    if (cli_number(cli, OPT_FROM, UINT64_MAX, &range->from) != CLI_DONE ||
        cli_number(cli, OPT_TO, UINT64_MAX, &range->to) != CLI_DONE)
        return CLI_USAGE;
    if (cli_given(cli, OPT_TO) && range->to == 0)
        return cli_usage("--to: sequence numbers begin at 1");
    if (!type || strcmp(type, "unknown") == 0)
        return CLI_DONE;
    for (int i = 0; i < AVJ_ENTRY_TYPES; i++)
        if (strcmp(type, avj_entry_type_name((enum avj_entry_type)i)) == 0)
            return CLI_DONE;
    return cli_usage("--type: there are no entries of type '%s'; see avchat help log", type);
}

int cli_cmd_log(struct cli *cli)
{
    struct avj_journal_options options = {.read_only = true};
    struct avj_journal *journal;
    struct avj_cursor *cursor;
    struct avj_error err = {0};
    struct range range;
    bool over = false;

    int code = take_range(cli, &range);
    if (code != CLI_DONE)
        return code;
    enum avj_status status = avj_journal_open(cli->dir, &options, &journal, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    status = avj_cursor_open(journal, range.from, &cursor, &err);
    if (status != AVJ_OK)
        code = cli_error(cli, status, &err);
    else if (cli_given(cli, OPT_FOLLOW))
        code = follow(cli, journal, cursor, &range);
    else
        code = put_records(cli, cursor, &range, &over);
    if (status == AVJ_OK)
        avj_cursor_close(cursor);
    avj_journal_close(journal);
    return code;
}
