/* avchat thread ... */
#include "net/cli.h"

#include <stdlib.h>
#include <string.h>

/* What a change leaves on stdout: with --json the document it is about. */
static int done(struct cli *cli, const char *id)
{
    if (cli->json)
        cli_put_id(cli, AVJ_THREAD, id);
    return CLI_DONE;
}

int cli_cmd_thread_new(struct cli *cli)
{
    struct avj_error err = {0};
    char id[AVJ_ID_TEXT];
    const char *title = cli->word_count ? cli->words[0] : NULL;

    if (title && cli_check_text("title", title) != CLI_DONE)
        return CLI_USAGE;
    enum avj_status status = avj_thread_new(cli->store, title, id, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    cli_put_id(cli, AVJ_THREAD, id);
    return CLI_DONE;
}

static void put_time(struct cli *cli, int64_t ms)
{
    char text[AVJ_TIME_TEXT] = "";

    if (cli->terminal)
        cli_local_time(ms, text);
    else if (ms)
        avj_time_format(ms, text);
    cli_cell_text(cli, 16, text);
}

static void put_title(struct cli *cli, struct avj_value fields)
{
    struct avj_slice title = avj_value_get_text(fields, "title");
    struct avj_value tags;

    cli_cell(cli, 0, title.data ? title.data : "", title.len);
    if (!cli->terminal || !avj_value_get(fields, "tags", &tags) || tags.kind != AVJ_LIST)
        return;
    for (size_t i = 0; i < tags.len; i++) {
        struct avj_value tag = avj_value_item(tags, i);
        if (tag.kind != AVJ_TEXT)
            continue;
        fputs(" #", stdout);
        cli_put_safe(stdout, tag.text, tag.len, false);
    }
}

static int put_thread(struct cli *cli, const struct avj_doc *doc)
{
    struct avj_tree *tree;
    char count[24];

    if (cli->json) {
        cli_json(cli, cli_doc_json(doc, true));
        return CLI_DONE;
    }
    if (avj_tree_parse(doc->fields.data, doc->fields.len, &tree) != AVJ_OK)
        return cli_fail("out of memory");
    struct avj_value fields = avj_tree_root(tree);
    snprintf(count, sizeof(count), "%zu", doc->messages);
    cli_cell_text(cli, 36, doc->id);
    put_time(cli, doc->last_message_ms);
    cli_cell_text(cli, 5, count);
    cli_cell_text(cli, 6, avj_value_get_bool(fields, "isPinned", false) ? "pinned" : "-");
    cli_cell_text(cli, 7, cli_state(doc));
    put_title(cli, fields);
    cli_row_end(cli);
    avj_tree_free(tree);
    return CLI_DONE;
}

int cli_cmd_thread_list(struct cli *cli)
{
    const struct avj_doc *docs;
    struct avj_error err = {0};
    size_t count;

    enum avj_status status = avj_store_list(cli->store, AVJ_THREAD, &docs, &count, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    for (size_t i = 0; i < count && !cli->output_failed; i++)
        if (put_thread(cli, &docs[i]) != CLI_DONE)
            return CLI_FAILED;
    return CLI_DONE;
}

int cli_cmd_thread_rename(struct cli *cli)
{
    struct avj_error err = {0};

    if (cli_check_text("title", cli->words[1]) != CLI_DONE)
        return CLI_USAGE;
    char *id = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    if (!id)
        return CLI_FAILED;
    enum avj_status status = avj_thread_rename(cli->store, id, cli->words[1], &err);
    int code = status == AVJ_OK ? done(cli, id) : cli_error(cli, status, &err);
    free(id);
    return code;
}

int cli_cmd_thread_delete(struct cli *cli)
{
    struct avj_error err = {0};

    char *id = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    if (!id)
        return CLI_FAILED;
    enum avj_status status = avj_thread_delete(cli->store, id, &err);
    int code = status == AVJ_OK ? done(cli, id) : cli_error(cli, status, &err);
    free(id);
    return code;
}

/* Updates the one field whose value `pack` already holds behind its name, and updatedAt.  Releases
 * pack. */
static int update_field(struct cli *cli, const char *id, struct avj_pack *pack)
{
    struct avj_error err = {0};
    struct avj_mutation mutation = {AVJ_UPDATE, AVJ_THREAD, id, {0}};
    enum avj_status status = AVJ_ENOMEM;
    char now[AVJ_TIME_TEXT];

    avj_time_format(avj_hlc_ms(avj_store_stamp(cli->store)), now);
    avj_pack_cstr(pack, "updatedAt");
    avj_pack_cstr(pack, now);
    mutation.fields = (struct avj_fields){pack->data, pack->len};
    if (!pack->failed)
        status = avj_store_mutate(cli->store, &mutation, 1, AVJ_DURABLE, NULL, &err);
    avj_pack_release(pack);
    return status == AVJ_OK ? done(cli, id) : cli_error(cli, status, &err);
}

static int set_pinned(struct cli *cli, bool pinned)
{
    struct avj_pack pack = {0};

    char *id = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    if (!id)
        return CLI_FAILED;
    avj_pack_map(&pack, 2);
    avj_pack_cstr(&pack, "isPinned");
    avj_pack_bool(&pack, pinned);
    int code = update_field(cli, id, &pack);
    free(id);
    return code;
}

int cli_cmd_thread_pin(struct cli *cli)
{
    return set_pinned(cli, true);
}

int cli_cmd_thread_unpin(struct cli *cli)
{
    return set_pinned(cli, false);
}

static bool named(const struct cli *cli, struct avj_value tag)
{
    for (size_t i = 1; i < cli->word_count; i++)
        if (avj_value_text_is(tag, cli->words[i]))
            return true;
    return false;
}

static bool named_before(const struct cli *cli, size_t index)
{
    for (size_t i = 1; i < index; i++)
        if (strcmp(cli->words[i], cli->words[index]) == 0)
            return true;
    return false;
}

/* The tags as they are to be: those there that are not named, then (unless they are taken off) the
 * named ones. */
static void pack_tags(const struct cli *cli, struct avj_value old, struct avj_pack *pack)
{
    bool remove = cli_given(cli, OPT_REMOVE);
    size_t have = old.kind == AVJ_LIST ? old.len : 0, count = 0;

    for (size_t i = 0; i < have; i++)
        count += !named(cli, avj_value_item(old, i));
    for (size_t i = 1; !remove && i < cli->word_count; i++)
        count += !named_before(cli, i);
    avj_pack_list(pack, count);
    for (size_t i = 0; i < have; i++)
        if (!named(cli, avj_value_item(old, i)))
            avj_pack_value(pack, avj_value_item(old, i));
    for (size_t i = 1; !remove && i < cli->word_count; i++)
        if (!named_before(cli, i))
            avj_pack_cstr(pack, cli->words[i]);
}

int cli_cmd_thread_tag(struct cli *cli)
{
    struct avj_pack pack = {0};
    struct avj_value old = {0};
    struct avj_tree *tree;
    struct avj_doc doc;

    for (size_t i = 1; i < cli->word_count; i++)
        if (cli_check_text("tag", cli->words[i]) != CLI_DONE)
            return CLI_USAGE;
    char *id = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    if (!id)
        return CLI_FAILED;
    int code = CLI_FAILED;
    if (avj_store_get(cli->store, AVJ_THREAD, id, &doc) == AVJ_OK &&
        avj_tree_parse(doc.fields.data, doc.fields.len, &tree) == AVJ_OK) {
        (void)avj_value_get(avj_tree_root(tree), "tags", &old);
        avj_pack_map(&pack, 2);
        avj_pack_cstr(&pack, "tags");
        pack_tags(cli, old, &pack);
        avj_tree_free(tree);
        code = update_field(cli, id, &pack);
    } else {
        cli_say("out of memory");
    }
    free(id);
    return code;
}

/* The message to branch at: the one named, else the thread's newest.  NULL after having said why;
 * the caller frees. */
static char *branch_point(struct cli *cli, const char *thread)
{
    const struct avj_doc *docs;
    struct avj_error err = {0};
    char *point = NULL;
    size_t count;

    if (cli->word_count > 1)
        return cli_resolve(cli, AVJ_MESSAGE, cli->words[1]);
    enum avj_status status = avj_store_messages(cli->store, thread, NULL, 1, &docs, &count, &err);
    if (status != AVJ_OK)
        (void)cli_error(cli, status, &err);
    else if (count == 0)
        cli_say("the thread has no message to branch at; send one first");
    else if ((point = strdup(docs[0].id)) == NULL)
        cli_say("out of memory");
    return point;
}

int cli_cmd_thread_branch(struct cli *cli)
{
    struct avj_error err = {0};
    char made[AVJ_ID_TEXT];
    int code = CLI_FAILED;

    char *thread = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    char *upto = thread ? branch_point(cli, thread) : NULL;
    if (upto) {
        enum avj_status status = avj_thread_branch(cli->store, thread, upto, made, &err);
        if (status == AVJ_OK)
            cli_put_id(cli, AVJ_THREAD, made);
        code = status == AVJ_OK ? CLI_DONE : cli_error(cli, status, &err);
    }
    free(upto);
    free(thread);
    return code;
}
