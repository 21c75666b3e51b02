/* avchat messages */
#include "net/cli.h"

#include <stdlib.h>
#include <string.h>

/* A list of attachments as " [notes.txt]" each. */
static void put_attachments(struct avj_value fields)
{
    struct avj_value list;

    if (!avj_value_get(fields, "attachments", &list) || list.kind != AVJ_LIST)
        return;
    for (size_t i = 0; i < list.len; i++) {
        struct avj_slice name = avj_value_get_text(avj_value_item(list, i), "filename");
        fputs("[attached: ", stdout);
        cli_put_safe(stdout, name.data ? name.data : "?", name.data ? name.len : 1, false);
        fputs("]\n", stdout);
    }
}

/* For people: a line about the message, then its text as it is, then a blank line. */
static void put_readable(const struct avj_doc *doc, struct avj_slice role, struct avj_slice content,
                         struct avj_value fields)
{
    char when[CLI_LOCAL_TIME];

    cli_local_time(doc->created_ms, when);
    fputs("-- ", stdout);
    cli_put_safe(stdout, role.data ? role.data : "?", role.data ? role.len : 1, false);
    printf("  %s  ", when);
    cli_put_safe(stdout, doc->id, strlen(doc->id), false);
    if (doc->parked || doc->pending || doc->streaming)
        printf("  (%s)", cli_state(doc));
    putchar('\n');
    cli_put_safe(stdout, content.data ? content.data : "", content.len, true);
    putchar('\n');
    put_attachments(fields);
    putchar('\n');
}

static void put_row(struct cli *cli, const struct avj_doc *doc, struct avj_slice role,
                    struct avj_slice content)
{
    char when[AVJ_TIME_TEXT] = "";

    if (doc->created_ms)
        avj_time_format(doc->created_ms, when);
    cli_cell_text(cli, 0, doc->id);
    cli_cell_text(cli, 0, when);
    cli_cell(cli, 0, role.data ? role.data : "", role.len);
    cli_cell_text(cli, 0, cli_state(doc));
    cli_cell(cli, 0, content.data ? content.data : "", content.len);
    cli_row_end(cli);
}

static int put_message(struct cli *cli, const struct avj_doc *doc)
{
    struct avj_tree *tree;

    if (cli->json) {
        cli_json(cli, cli_doc_json(doc, true));
        return CLI_DONE;
    }
    if (avj_tree_parse(doc->fields.data, doc->fields.len, &tree) != AVJ_OK)
        return cli_fail("out of memory");
    struct avj_value fields = avj_tree_root(tree);
    struct avj_slice role = avj_value_get_text(fields, "role");
    struct avj_slice content = avj_value_get_text(fields, "content");
    if (cli->terminal)
        put_readable(doc, role, content, fields);
    else
        put_row(cli, doc, role, content);
    avj_tree_free(tree);
    return CLI_DONE;
}

struct listing {
    struct cli *cli;
    uint64_t left;
};

static bool list_message(void *arg, const struct avj_doc *doc, int *code)
{
    struct listing *l = arg;

    *code = put_message(l->cli, doc);
    return --l->left > 0;
}

/* The newest of them, before the message that is named. */
static int put_newest(struct cli *cli, const char *thread, const char *before, size_t limit)
{
    const struct avj_doc *docs;
    struct avj_error err = {0};
    size_t count;

    enum avj_status status =
        avj_store_messages(cli->store, thread, before, limit, &docs, &count, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    for (size_t i = 0; i < count && !cli->output_failed; i++)
        if (put_message(cli, &docs[i]) != CLI_DONE)
            return CLI_FAILED;
    return CLI_DONE;
}

/* NULL where the option is not given, and, with *code, where it names no message. */
static char *message_at(struct cli *cli, enum cli_option option, int *code)
{
    char *id = NULL;

    if (*code == CLI_DONE && cli_given(cli, option) &&
        !(id = cli_resolve(cli, AVJ_MESSAGE, cli->value[option])))
        *code = CLI_FAILED;
    return id;
}

/* A thread that is longer than the limit is read from its end; all else from its beginning, or from
 * behind --after, page by page. */
static int put_messages(struct cli *cli, const char *thread, const char *after, const char *before,
                        uint64_t limit)
{
    struct listing l = {.cli = cli, .left = limit};
    struct avj_doc doc;

    if (limit == 0)
        return CLI_DONE;
    enum avj_status status = avj_store_get(cli->store, AVJ_THREAD, thread, &doc);
    if (status != AVJ_OK)
        return cli_error(cli, status, NULL);
    if (!after && (limit < doc.messages || (before && cli_given(cli, OPT_LIMIT))))
        return put_newest(cli, thread, before, limit < doc.messages ? limit : doc.messages);
    return cli_each_message(cli, thread, after, before, list_message, &l);
}

int cli_cmd_messages(struct cli *cli)
{
    uint64_t limit = UINT64_MAX;

    int code = cli_number(cli, OPT_LIMIT, UINT64_MAX, &limit);
    if (code != CLI_DONE)
        return code;
    char *thread = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    if (!thread)
        return CLI_FAILED;
    char *after = message_at(cli, OPT_AFTER, &code);
    char *before = message_at(cli, OPT_BEFORE, &code);
    if (code == CLI_DONE)
        code = put_messages(cli, thread, after, before, limit);
    free(before);
    free(after);
    free(thread);
    return code;
}
