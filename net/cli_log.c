/* avchat log: the entries as they stand in the journal, without folding them. */
#include "net/cli_log.h"

#include <stdlib.h>
#include <string.h>

#define GIST_TEXT 40  /* bytes shown of one text */
#define GIST_MAX  300 /* bytes of a gist, about */

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

/* ---- passes over the log ---- */

struct pass {
    struct cli *cli;
    struct cli_log_filter *filter;
    struct avj_cursor *cursor;
    uint64_t show; /* first record that may be shown */
    uint64_t skip; /* so many that fit are not */
    uint64_t left; /* so many are */
    bool counts;   /* instead of showing: */
    uint64_t count;
    bool over; /* nothing more can fit */
};

static int show(struct pass *pass, uint64_t seq, const struct avj_entry *entry)
{
    char when[AVJ_TIME_TEXT];
    int code = CLI_DONE;

    pass->count++;
    if (pass->counts || pass->count <= pass->skip)
        return CLI_DONE;
    avj_time_format(avj_hlc_ms(entry->hlc), when);
    if (pass->cli->json)
        put_json(pass->cli, seq, entry, when);
    else
        code = put_row(pass->cli, seq, entry, when);
    pass->over |= --pass->left == 0;
    return code;
}

static int take_record(struct pass *pass, const struct avj_record *record)
{
    struct avj_error err = {0};
    struct avj_entry entry;
    bool shown;
    int code = CLI_DONE;

    enum avj_status status = avj_entry_decode(record->data, record->len, &entry, &err);
    if (status == AVJ_EFORMAT) {
        pass->over = pass->filter->to && record->seq >= pass->filter->to;
        if (!pass->counts && record->seq >= pass->show)
            cli_say("record %llu is no entry: %s; run: avchat-fsck %s",
                    (unsigned long long)record->seq, err.message, pass->cli->dir);
        return CLI_DONE;
    }
    if (status == AVJ_OK) {
        status = cli_log_filter_look(pass->filter, record->seq, &entry, &shown, &pass->over);
        if (status == AVJ_OK && shown && record->seq >= pass->show)
            code = show(pass, record->seq, &entry);
        avj_entry_release(&entry);
    }
    return status == AVJ_OK ? code : cli_error(pass->cli, status, &err);
}

/* Everything up to the journal's end as it is now, or the filter's. */
static int run(struct pass *pass)
{
    struct avj_error err = {0};
    struct avj_record record;

    while (!pass->cli->output_failed && !pass->over) {
        enum avj_status status = avj_cursor_next(pass->cursor, &record, &err);
        if (status == AVJ_END)
            break;
        if (status != AVJ_OK)
            return cli_error(pass->cli, status, &err);
        int code = take_record(pass, &record);
        if (code != CLI_DONE)
            return code;
    }
    return pass->counts || cli_flush(pass->cli) ? CLI_DONE : CLI_FAILED;
}

static int follow(struct pass *pass, struct avj_journal *journal)
{
    struct cli_stop stop;

    int code = cli_stop_install(&stop);
    while (code == CLI_DONE) {
        avj_journal_woken(journal);
        code = run(pass);
        if (code == CLI_DONE && pass->over)
            break;
        if (code == CLI_DONE && !cli_stop_wait(&stop, avj_journal_wake_fd(journal)))
            break;
    }
    return code;
}

static int open_cursor(struct pass *pass, struct avj_journal *journal, uint64_t read)
{
    struct avj_error err = {0};

    enum avj_status status = avj_cursor_open(journal, read, &pass->cursor, &err);
    return status == AVJ_OK ? CLI_DONE : cli_error(pass->cli, status, &err);
}

/* How many fit: the newest ones are found by counting from the front. */
static int count_first(struct pass *pass, struct avj_journal *journal, uint64_t read)
{
    struct pass counting = *pass;

    counting.counts = true;
    int code = open_cursor(&counting, journal, read);
    if (code != CLI_DONE)
        return code;
    code = run(&counting);
    avj_cursor_close(counting.cursor);
    cli_log_filter_restart(pass->filter);
    if (counting.count > pass->filter->limit)
        pass->skip = counting.count - pass->filter->limit;
    return code;
}

static int put_log(struct cli *cli, struct avj_journal *journal, struct cli_log_filter *filter)
{
    struct pass pass = {.cli = cli, .filter = filter, .left = UINT64_MAX};
    struct avj_journal_info info;
    struct avj_error err = {0};
    uint64_t read;
    int code = CLI_DONE;

    enum avj_status status = avj_journal_info(journal, &info, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    cli_log_filter_begin(cli, filter, info.first_seq, info.next_seq, &read, &pass.show);
    if (filter->limited && filter->first_ones)
        pass.left = filter->limit;
    else if (filter->limited && cli_log_filter_looks_inside(filter))
        code = count_first(&pass, journal, read);
    if (code == CLI_DONE)
        code = open_cursor(&pass, journal, read);
    if (code != CLI_DONE)
        return code;
    if (pass.left == 0)
        code = CLI_DONE;
    else
        code = cli_given(cli, OPT_FOLLOW) ? follow(&pass, journal) : run(&pass);
    avj_cursor_close(pass.cursor);
    return code;
}

int cli_cmd_log(struct cli *cli)
{
    struct avj_journal_options options = {.read_only = true};
    struct cli_log_filter filter;
    struct avj_journal *journal;
    struct avj_error err = {0};

    int code = cli_log_filter_take(cli, &filter);
    if (code == CLI_DONE) {
        enum avj_status status = avj_journal_open(cli->dir, &options, &journal, &err);
        if (status != AVJ_OK) {
            code = cli_error(cli, status, &err);
        } else {
            code = put_log(cli, journal, &filter);
            avj_journal_close(journal);
        }
    }
    cli_log_filter_release(&filter);
    return code;
}
