/* avchat search: documents by words, each with the line in which one of the words stands. */
#include "net/cli.h"
#include "replay/letters.h"
#include "replay/search.h"

#include <stdlib.h>
#include <string.h>

#define AROUND 40 /* bytes shown in front of the match */
#define SHOWN  96 /* bytes shown in all */

struct search {
    struct cli *cli;
    struct cli_stop stop;
    bool match_case, bold;
    bool shown; /* how far it is */
};

static uint32_t same(const struct search *s, uint32_t character)
{
    return s->match_case ? character : avj_fold_case(character);
}

/* Bytes of `text` that are the word; 0: it does not begin with it. */
static size_t begins_with(const struct search *s, const char *text, size_t len, const char *word)
{
    size_t at = 0, left = strlen(word);
    uint32_t a, b;

    while (left) {
        size_t m = avj_utf8_decode((const uint8_t *)word, left, &a);
        size_t n = avj_utf8_decode((const uint8_t *)text + at, len - at, &b);
        if (!m || !n || same(s, a) != same(s, b))
            return 0;
        word += m;
        left -= m;
        at += n;
    }
    return at;
}

/* Where the first of the words stands in the text; its length into *found, 0: nowhere. */
static size_t find(const struct search *s, const char *text, size_t len, size_t *found)
{
    uint32_t character;

    for (size_t at = 0; at < len;) {
        for (size_t i = 0; i < s->cli->word_count; i++)
            if ((*found = begins_with(s, text + at, len - at, s->cli->words[i])) > 0)
                return at;
        size_t n = avj_utf8_decode((const uint8_t *)text + at, len - at, &character);
        at += n ? n : 1;
    }
    *found = 0;
    return 0;
}

/* The part of the line around the match that is shown, between two characters. */
static void excerpt(const char *text, size_t len, size_t match, size_t *from, size_t *to)
{
    size_t begin = match, end = match;

    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    while (end < len && text[end] != '\n')
        end++;
    if (match - begin > AROUND) {
        begin = match - AROUND;
        while (begin < match && ((unsigned char)text[begin] & 0xc0) == 0x80)
            begin++;
    }
    *from = begin;
    *to = begin + cli_utf8_cut(text + begin, end - begin, SHOWN);
}

/* On a terminal every word of it in bold. */
static void put_marked(const struct search *s, const char *text, size_t len)
{
    while (len) {
        size_t found, at = find(s, text, len, &found);
        if (!found)
            break;
        cli_put_safe(stdout, text, at, false);
        fputs(s->bold ? "\033[1m" : "", stdout);
        cli_put_safe(stdout, text + at, found, false);
        fputs(s->bold ? "\033[0m" : "", stdout);
        text += at + found;
        len -= at + found;
    }
    cli_put_safe(stdout, text, len, false);
}

static void put_excerpt(const struct search *s, struct avj_slice text)
{
    size_t from, to, found, len = text.data ? text.len : 0;
    const char *data = text.data ? text.data : "";

    excerpt(data, len, find(s, data, len, &found), &from, &to);
    bool cut_front = from > 0 && data[from - 1] != '\n', cut_back = to < len && data[to] != '\n';
    if (!s->cli->terminal) {
        cli_cell(s->cli, 0, data + from, to - from);
        return;
    }
    cli_cell_text(s->cli, 0, cut_front ? "..." : "");
    put_marked(s, data + from, to - from);
    fputs(cut_back ? "..." : "", stdout);
}

static int put_row(const struct search *s, const struct avj_hit *hit, const struct avj_doc *doc)
{
    struct avj_tree *tree;
    char when[AVJ_TIME_TEXT] = "";

    if (avj_tree_parse(doc->fields.data, doc->fields.len, &tree) != AVJ_OK)
        return cli_fail("out of memory");
    if (s->cli->terminal)
        cli_local_time(hit->ms, when);
    else if (hit->ms)
        avj_time_format(hit->ms, when);
    cli_cell_text(s->cli, 7, avj_schema(hit->entity)->kind);
    cli_cell_text(s->cli, 36, hit->id);
    if (!s->cli->terminal)
        cli_cell_text(s->cli, 0, hit->thread ? hit->thread : "-");
    cli_cell_text(s->cli, 16, when);
    put_excerpt(s, avj_value_get_text(avj_tree_root(tree),
                                      hit->entity == AVJ_THREAD ? "title" : "content"));
    cli_row_end(s->cli);
    avj_tree_free(tree);
    return CLI_DONE;
}

static int put_hits(const struct search *s, const struct avj_hit *hits, size_t count)
{
    struct avj_doc doc;
    int code = CLI_DONE;

    for (size_t i = 0; code == CLI_DONE && i < count && !s->cli->output_failed; i++) {
        enum avj_status status = avj_store_get(s->cli->store, hits[i].entity, hits[i].id, &doc);
        if (status != AVJ_OK)
            code = cli_error(s->cli, status, NULL);
        else if (s->cli->json)
            cli_json(s->cli, cli_doc_json(&doc, true));
        else
            code = put_row(s, &hits[i], &doc);
    }
    return code;
}

static bool asked_to_stop(void *arg)
{
    const struct search *s = arg;

    return *s->stop.flag != 0;
}

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    struct search *s = arg;

    if (total < CLI_SLOW_RECORDS)
        return;
    s->shown = true;
    if (done < total)
        fprintf(stderr, "\r\033[Ksearching: %d%%", (int)(done * 100 / total));
}

static int search(struct search *s, const char *thread, size_t limit)
{
    struct cli *cli = s->cli;
    struct avj_search_options options = {.thread = thread,
                                         .limit = limit,
                                         .match_case = s->match_case,
                                         .stop = asked_to_stop,
                                         .arg = s};
    const struct avj_hit *hits;
    struct avj_error err = {0};
    size_t count;

    if (cli_stop_install(&s->stop) != CLI_DONE)
        return CLI_FAILED;
    options.progress = cli->error_terminal ? show_progress : NULL;
    enum avj_status status = avj_store_search(cli->store, (const char *const *)cli->words, &options,
                                              &hits, &count, &err);
    if (s->shown)
        fputs("\r\033[K", stderr);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    int code = put_hits(s, hits, count);
    if (code == CLI_DONE && *s->stop.flag)
        return cli_fail("interrupted: there may be more");
    return code;
}

int cli_cmd_search(struct cli *cli)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR"); /* no-color.org */
    bool plain = (no_color && *no_color) || !term || strcmp(term, "dumb") == 0;
    struct search s = {.cli = cli, .match_case = cli_given(cli, OPT_MATCH_CASE)};
    uint64_t limit = 0;
    char *thread = NULL;

    s.bold = cli->terminal && !plain;
    int code = cli_number(cli, OPT_LIMIT, SIZE_MAX, &limit);
    for (size_t i = 0; code == CLI_DONE && i < cli->word_count; i++) {
        code = cli_check_text("word", cli->words[i]);
        if (code == CLI_DONE && !*cli->words[i])
            code = cli_usage("there is nothing to look for in an empty word");
    }
    if (code != CLI_DONE)
        return code;
    if (cli_given(cli, OPT_THREAD) &&
        !(thread = cli_resolve(cli, AVJ_THREAD, cli->value[OPT_THREAD])))
        return CLI_FAILED;
    if (!cli_given(cli, OPT_LIMIT) || limit > 0) /* to the store, 0 means all */
        code = search(&s, thread, (size_t)limit);
    free(thread);
    return code;
}
