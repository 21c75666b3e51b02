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

/* What a listing leaves out. */
struct listing {
    struct cli *cli;
    const char *project, *tag; /* NULL: any */
    uint64_t left;
};

static bool has_tag(struct avj_value fields, const char *tag)
{
    struct avj_value tags;

    if (!avj_value_get(fields, "tags", &tags) || tags.kind != AVJ_LIST)
        return false;
    for (size_t i = 0; i < tags.len; i++)
        if (avj_value_text_is(avj_value_item(tags, i), tag))
            return true;
    return false;
}

static int wanted(const struct listing *l, const struct avj_doc *doc, bool *is)
{
    struct avj_tree *tree;
    struct avj_value project;

    *is = true;
    if (!l->project && !l->tag)
        return CLI_DONE;
    if (avj_tree_parse(doc->fields.data, doc->fields.len, &tree) != AVJ_OK)
        return cli_fail("out of memory");
    struct avj_value fields = avj_tree_root(tree);
    if (l->project)
        *is =
            avj_value_get(fields, "projectId", &project) && avj_value_text_is(project, l->project);
    if (*is && l->tag)
        *is = has_tag(fields, l->tag);
    avj_tree_free(tree);
    return CLI_DONE;
}

static bool list_thread(void *arg, const struct avj_doc *doc, int *code)
{
    struct listing *l = arg;
    bool is;

    *code = wanted(l, doc, &is);
    if (*code != CLI_DONE || !is)
        return true;
    *code = put_thread(l->cli, doc);
    return --l->left > 0;
}

int cli_cmd_thread_list(struct cli *cli)
{
    struct listing l = {.cli = cli, .tag = cli->value[OPT_TAG], .left = UINT64_MAX};
    char *after = NULL, *project = NULL;

    int code = cli_number(cli, OPT_LIMIT, UINT64_MAX, &l.left);
    if (code != CLI_DONE || l.left == 0)
        return code;
    if (cli_given(cli, OPT_PROJECT) &&
        !(project = cli_resolve(cli, AVJ_PROJECT, cli->value[OPT_PROJECT])))
        code = CLI_FAILED;
    if (code == CLI_DONE && cli_given(cli, OPT_AFTER) &&
        !(after = cli_resolve(cli, AVJ_THREAD, cli->value[OPT_AFTER])))
        code = CLI_FAILED;
    l.project = project;
    if (code == CLI_DONE)
        code = cli_each_thread(cli, after, list_thread, &l);
    free(after);
    free(project);
    return code;
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

static int set_pinned(struct cli *cli, bool pinned)
{
    struct avj_error err = {0};

    char *id = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    if (!id)
        return CLI_FAILED;
    enum avj_status status = avj_thread_pin(cli->store, id, pinned, &err);
    int code = status == AVJ_OK ? done(cli, id) : cli_error(cli, status, &err);
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

/* ---- tags ---- */

/* The tags of a thread, one a line. */
static int put_tags(struct cli *cli, const char *id)
{
    struct avj_value tags = {.kind = AVJ_NIL};
    struct avj_tree *tree;
    struct avj_doc doc;

    enum avj_status status = avj_store_get(cli->store, AVJ_THREAD, id, &doc);
    if (status == AVJ_OK)
        status = avj_tree_parse(doc.fields.data, doc.fields.len, &tree);
    if (status != AVJ_OK)
        return cli_error(cli, status, NULL);
    (void)avj_value_get(avj_tree_root(tree), "tags", &tags);
    if (cli->json) {
        json_t *list = tags.kind == AVJ_LIST ? avj_json_from_value(tags) : json_array();
        cli_json(cli, json_pack("{s:s, s:s, s:o}", "kind", "thread", "id", id, "tags", list));
    }
    for (size_t i = 0; !cli->json && tags.kind == AVJ_LIST && i < tags.len; i++) {
        struct avj_value tag = avj_value_item(tags, i);
        if (tag.kind == AVJ_TEXT)
            cli_cell(cli, 0, tag.text, tag.len);
        cli_row_end(cli);
    }
    avj_tree_free(tree);
    return CLI_DONE;
}

static int check_tags(struct cli *cli)
{
    bool remove = cli_given(cli, OPT_REMOVE), clear = cli_given(cli, OPT_CLEAR);

    for (size_t i = 1; i < cli->word_count; i++) {
        if (cli_check_text("tag", cli->words[i]) != CLI_DONE)
            return CLI_USAGE;
        if (!*cli->words[i])
            return cli_usage("a tag can not be empty");
    }
    if (remove && clear)
        return cli_usage("--remove and --clear exclude each other");
    if (remove && cli->word_count == 1)
        return cli_usage("--remove needs the tags to take off; --clear takes all off");
    return CLI_DONE;
}

int cli_cmd_thread_tag(struct cli *cli)
{
    struct avj_error err = {0};
    enum avj_tagging how = cli_given(cli, OPT_CLEAR)    ? AVJ_TAGS_SET
                           : cli_given(cli, OPT_REMOVE) ? AVJ_TAGS_REMOVE
                                                        : AVJ_TAGS_ADD;

    if (check_tags(cli) != CLI_DONE)
        return CLI_USAGE;
    char *id = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    if (!id)
        return CLI_FAILED;
    int code = CLI_DONE;
    if (cli->word_count == 1 && how == AVJ_TAGS_ADD) {
        code = put_tags(cli, id);
    } else {
        enum avj_status status = avj_thread_tag(
            cli->store, id, how, (const char *const *)cli->words + 1, cli->word_count - 1, &err);
        code = status == AVJ_OK ? done(cli, id) : cli_error(cli, status, &err);
    }
    free(id);
    return code;
}

/* ---- sharing, projects ---- */

int cli_cmd_thread_share(struct cli *cli)
{
    struct avj_error err = {0};
    char share[AVJ_SHARE_TEXT];

    char *id = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    if (!id)
        return CLI_FAILED;
    enum avj_status status = avj_thread_share(cli->store, id, share, &err);
    int code = status == AVJ_OK ? CLI_DONE : cli_error(cli, status, &err);
    if (code == CLI_DONE && cli->json) {
        cli_json(cli, json_pack("{s:s, s:s, s:s}", "kind", "thread", "id", id, "shareId", share));
    } else if (code == CLI_DONE) {
        cli_cell_text(cli, 0, share); /* another client may have made it */
        cli_row_end(cli);
    }
    free(id);
    return code;
}

int cli_cmd_thread_unshare(struct cli *cli)
{
    struct avj_error err = {0};

    char *id = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    if (!id)
        return CLI_FAILED;
    enum avj_status status = avj_thread_unshare(cli->store, id, &err);
    int code = status == AVJ_OK ? done(cli, id) : cli_error(cli, status, &err);
    free(id);
    return code;
}

int cli_cmd_thread_move(struct cli *cli)
{
    struct avj_error err = {0};
    bool none = cli_given(cli, OPT_NONE);
    char *project = NULL;

    if (none == (cli->word_count == 2))
        return cli_usage("thread move needs a project to move to, or --none");
    char *id = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    if (id && !none)
        project = cli_resolve(cli, AVJ_PROJECT, cli->words[1]);
    int code = id && (none || project) ? CLI_DONE : CLI_FAILED;
    if (code == CLI_DONE) {
        enum avj_status status = avj_thread_move(cli->store, id, project, &err);
        code = status == AVJ_OK ? done(cli, id) : cli_error(cli, status, &err);
    }
    free(project);
    free(id);
    return code;
}

/* ---- branching ---- */

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
