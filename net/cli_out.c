/* What the command prints: results on stdout, checked; diagnostics on stderr, one line each. */
#include "net/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void say(const char *format, va_list args) AVJ_PRINTF(1, 0);

static void say(const char *format, va_list args)
{
    char line[1024];

    int len = vsnprintf(line, sizeof(line), format, args);
    if (len < 0)
        return;
    fputs("avchat: ", stderr);
    cli_put_safe(stderr, line, strnlen(line, sizeof(line)), false);
    fputs((size_t)len >= sizeof(line) ? "...\n" : "\n", stderr);
}

void cli_say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
}

int cli_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    return CLI_FAILED;
}

int cli_usage(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    return CLI_USAGE;
}

/* The way out, where the library cannot know it; %s, if any, is the journal's folder.  NULL: its
 * message says all. */
static const char *way_out(enum avj_status status)
{
    switch (status) {
    case AVJ_ENOTJOURNAL:
        return "; make one with: avchat -C %s init";
    case AVJ_EAUTH:
        return "; run: avchat -C %s login EMAIL";
    case AVJ_ECORRUPT:
        return "; run: avchat-fsck %s";
    case AVJ_ENOSPC:
        return "; free some space on the disk of %s and try again";
    case AVJ_ELOCKED:
        return "; let it, or end it first";
    default:
        return NULL;
    }
}

/* True where the library named the way out itself.  A path may hold any word. */
static bool has_way_out(const char *message)
{
    static const char *const words[] = {"run avchat", "with avchat", "update avchat", "try again"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strstr(message, words[i]))
            return true;
    return false;
}

int cli_error(const struct cli *cli, enum avj_status status, const struct avj_error *err)
{
    const char *message = err && *err->message ? err->message : avj_status_text(status);
    const char *format = way_out(status);
    char advice[4096 + 64] = "";

    if (format && !has_way_out(message) && strlen(cli->dir) < 4096) {
        const char *hole = strstr(format, "%s");
        if (hole)
            snprintf(advice, sizeof(advice), "%.*s%s%s", (int)(hole - format), format, cli->dir,
                     hole + 2);
        else
            snprintf(advice, sizeof(advice), "%s", format);
    }
    return cli_fail("%s%s", message, advice);
}

static void note_output(struct cli *cli)
{
    if (cli->output_failed)
        return;
    cli->output_failed = true;
    cli->output_errno = errno;
}

static bool has_real(const json_t *json)
{
    size_t i;
    const char *key;
    json_t *item;

    if (json_is_array(json)) {
        json_array_foreach(json, i, item)
        {
            if (has_real(item))
                return true;
        }
    } else if (json_is_object(json)) {
        json_object_foreach((json_t *)json, key, item)
        {
            if (has_real(item))
                return true;
        }
    }
    return json_is_real(json);
}

/* True where every real of the value comes back the same from `digits` significant digits. */
static bool survives(const json_t *json, size_t digits)
{
    char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
    json_t *again = text ? json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
    bool same = again && json_equal(json, again);

    json_decref(again);
    free(text);
    return same;
}

/* jansson writes reals with 17 digits (0.1 as 0.10000000000000001); the fewest that lose nothing
 * are taken instead. */
static size_t dump_flags(const json_t *json)
{
    if (!has_real(json))
        return JSON_ENCODE_ANY;
    for (size_t digits = 15; digits < 17; digits++)
        if (survives(json, digits))
            return JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits);
    return JSON_ENCODE_ANY | JSON_REAL_PRECISION(17);
}

void cli_json(struct cli *cli, json_t *json)
{
    errno = ENOMEM;
    if (!json || json_dumpf(json, stdout, dump_flags(json)) < 0 || putchar('\n') == EOF)
        note_output(cli);
    json_decref(json);
}

void cli_put_id(struct cli *cli, enum avj_entity entity, const char *id)
{
    if (cli->json)
        cli_json(cli, json_pack("{s:s, s:s}", "kind", avj_schema(entity)->kind, "id", id));
    else
        printf("%s\n", id);
}

static const char *streaming(const struct avj_doc *doc)
{
    return doc->streaming == AVJ_STREAM_STOPPED ? "interrupted" : "streaming";
}

/* NULL: out of memory. */
static json_t *with_streaming(json_t *json, const struct avj_doc *doc)
{
    if (json_object_set_new(json, streaming(doc), json_true()) == 0)
        return json;
    json_decref(json);
    return NULL;
}

json_t *cli_doc_json(const struct avj_doc *doc, bool flags)
{
    json_t *fields = avj_json_from_fields(doc->fields);
    json_t *json = json_pack("{s:s}", "kind", avj_schema(doc->entity)->kind);

    if (!fields || !json || json_object_update(json, fields) < 0 ||
        (flags && (json_object_set_new(json, "pending", json_boolean(doc->pending > 0)) < 0 ||
                   json_object_set_new(json, "parked", json_boolean(doc->parked)) < 0))) {
        json_decref(json);
        json = NULL;
    }
    json_decref(fields);
    return json && doc->streaming ? with_streaming(json, doc) : json;
}

const char *cli_state(const struct avj_doc *doc)
{
    if (doc->streaming)
        return streaming(doc);
    return doc->parked ? "parked" : doc->pending ? "pending" : "-";
}

static int characters(const char *text, size_t len)
{
    int count = 0;

    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

void cli_cell(struct cli *cli, int width, const char *text, size_t len)
{
    if (!cli->terminal) {
        if (cli->cells++)
            putchar('\t');
        cli_put_escaped(stdout, text, len);
        return;
    }
    if (cli->cells++)
        fputs("  ", stdout);
    cli_put_safe(stdout, text, len, false);
    int used = width ? characters(text, len) : 0;
    if (used < width)
        printf("%*s", width - used, "");
}

void cli_cell_text(struct cli *cli, int width, const char *text)
{
    cli_cell(cli, width, text, strlen(text));
}

void cli_row_end(struct cli *cli)
{
    cli->cells = 0;
    putchar('\n');
}

bool cli_flush(struct cli *cli)
{
    errno = EIO;
    if (!cli->output_failed && (fflush(stdout) == EOF || ferror(stdout)))
        note_output(cli);
    return !cli->output_failed;
}

int cli_finish(struct cli *cli, int code)
{
    bool ok = cli_flush(cli);

    if (fclose(stdout) == EOF && ok) {
        note_output(cli);
        ok = false;
    }
    if (ok)
        return code;
    /* A reader that has gone (head, a closed descriptor) has what it wanted; anything else is worth
     * a word. */
    if (cli->output_errno != EPIPE && cli->output_errno != EBADF)
        cli_say("the output could not be written: %s", strerror(cli->output_errno));
    return code == CLI_DONE ? CLI_FAILED : code;
}
