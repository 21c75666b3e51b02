/* avchat summary ... */
#include "net/cli.h"

#include <stdlib.h>
#include <string.h>

int cli_cmd_summary_add(struct cli *cli)
{
    struct avj_error err = {0};
    char *text = NULL, made[AVJ_ID_TEXT];
    size_t len;

    char *thread = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    char *message = thread ? cli_resolve(cli, AVJ_MESSAGE, cli->words[1]) : NULL;
    int code = message ? cli_take_text(cli, 2, &text, &len) : CLI_FAILED;
    if (code == CLI_DONE) {
        enum avj_status status =
            avj_summary_add(cli->store, thread, message, text, len, made, &err);
        if (status == AVJ_OK)
            cli_put_id(cli, AVJ_SUMMARY, made);
        else
            code = cli_error(cli, status, &err);
    }
    free(text);
    free(message);
    free(thread);
    return code;
}

struct listing {
    struct cli *cli;
    const char *thread;
    int code;
};

static void put_row(struct cli *cli, const struct avj_doc *doc, struct avj_value fields)
{
    struct avj_slice message = avj_value_get_text(fields, "messageId");
    struct avj_slice content = avj_value_get_text(fields, "content");
    char when[AVJ_TIME_TEXT] = "";

    if (cli->terminal)
        cli_local_time(doc->created_ms, when);
    else if (doc->created_ms)
        avj_time_format(doc->created_ms, when);
    cli_cell_text(cli, 36, doc->id);
    cli_cell_text(cli, 16, when);
    cli_cell(cli, 36, message.data ? message.data : "", message.len);
    cli_cell_text(cli, 7, cli_state(doc));
    cli_cell(cli, 0, content.data ? content.data : "", content.len);
    cli_row_end(cli);
}

static bool put_summary(void *arg, const struct avj_doc *doc)
{
    struct listing *l = arg;
    struct avj_value thread;
    struct avj_tree *tree;

    if (avj_tree_parse(doc->fields.data, doc->fields.len, &tree) != AVJ_OK) {
        l->code = cli_fail("out of memory");
        return false;
    }
    struct avj_value fields = avj_tree_root(tree);
    if (avj_value_get(fields, "threadId", &thread) && avj_value_text_is(thread, l->thread)) {
        if (l->cli->json)
            cli_json(l->cli, cli_doc_json(doc, true));
        else
            put_row(l->cli, doc, fields);
    }
    avj_tree_free(tree);
    return !l->cli->output_failed;
}

int cli_cmd_summary_list(struct cli *cli)
{
    struct avj_error err = {0};
    struct listing listing = {.cli = cli, .code = CLI_DONE};

    char *thread = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    if (!thread)
        return CLI_FAILED;
    listing.thread = thread;
    enum avj_status status = avj_store_walk(cli->store, AVJ_SUMMARY, put_summary, &listing, &err);
    if (status != AVJ_OK)
        listing.code = cli_error(cli, status, &err);
    free(thread);
    return listing.code;
}
