/* avchat project ... */
#include "net/cli.h"

#include <stdlib.h>
#include <string.h>

static int done(struct cli *cli, const char *id)
{
    if (cli->json)
        cli_put_id(cli, AVJ_PROJECT, id);
    return CLI_DONE;
}

/* The options that say what a project is to be given. */
static int take_edit(struct cli *cli, const char *name, struct avj_project_edit *edit)
{
    static const enum cli_option texts[] = {OPT_DESCRIPTION, OPT_PROMPT};
    uint64_t color = 0;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        const char *text = cli->value[texts[i]];
        if (text && cli_check_text(cli_options[texts[i]].name, text) != CLI_DONE)
            return CLI_USAGE;
    }
    if (name && cli_check_text("name", name) != CLI_DONE)
        return CLI_USAGE;
    if (name && !*name)
        return cli_usage("a project needs a name");
    *edit = (struct avj_project_edit){.name = name,
                                      .description = cli->value[OPT_DESCRIPTION],
                                      .prompt = cli->value[OPT_PROMPT],
                                      .colored = cli_given(cli, OPT_COLOR)};
    int code = cli_number(cli, OPT_COLOR, INT32_MAX, &color);
    edit->color = (int64_t)color;
    return code;
}

int cli_cmd_project_new(struct cli *cli)
{
    struct avj_project_edit edit;
    struct avj_error err = {0};
    char id[AVJ_ID_TEXT];

    int code = take_edit(cli, cli->words[0], &edit);
    if (code != CLI_DONE)
        return code;
    enum avj_status status = avj_project_new(cli->store, &edit, id, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    cli_put_id(cli, AVJ_PROJECT, id);
    return CLI_DONE;
}

/* The users who may see it, as "a,b"; "-" where there is only its owner.  NULL: out of memory. */
static char *members_of(struct avj_value fields)
{
    struct avj_value members;
    char *text = NULL;
    size_t size;

    if (!avj_value_get(fields, "members", &members) || members.kind != AVJ_LIST || !members.len)
        return strdup("-");
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (size_t i = 0; i < members.len; i++) {
        struct avj_value member = avj_value_item(members, i);
        if (member.kind == AVJ_TEXT)
            fprintf(out, "%s%.*s", i ? "," : "", (int)member.len, member.text);
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static int put_project(struct cli *cli, const struct avj_doc *doc)
{
    struct avj_tree *tree;

    if (cli->json) {
        cli_json(cli, cli_doc_json(doc, true));
        return CLI_DONE;
    }
    if (avj_tree_parse(doc->fields.data, doc->fields.len, &tree) != AVJ_OK)
        return cli_fail("out of memory");
    struct avj_value fields = avj_tree_root(tree);
    struct avj_slice name = avj_value_get_text(fields, "name");
    struct avj_slice description = avj_value_get_text(fields, "description");
    char *members = members_of(fields);
    if (members) {
        cli_cell_text(cli, 36, doc->id);
        cli_cell_text(cli, 7, cli_state(doc));
        cli_cell_text(cli, 12, members);
        cli_cell(cli, 24, name.data ? name.data : "", name.len);
        cli_cell(cli, 0, description.data ? description.data : "", description.len);
        cli_row_end(cli);
    }
    free(members);
    avj_tree_free(tree);
    return members ? CLI_DONE : cli_fail("out of memory");
}

int cli_cmd_project_list(struct cli *cli)
{
    const struct avj_doc *docs;
    struct avj_error err = {0};
    size_t count;

    enum avj_status status = avj_store_list(cli->store, AVJ_PROJECT, &docs, &count, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    for (size_t i = 0; i < count && !cli->output_failed; i++)
        if (put_project(cli, &docs[i]) != CLI_DONE)
            return CLI_FAILED;
    return CLI_DONE;
}

static int edit_project(struct cli *cli, const struct avj_project_edit *edit)
{
    struct avj_error err = {0};

    char *id = cli_resolve(cli, AVJ_PROJECT, cli->words[0]);
    if (!id)
        return CLI_FAILED;
    enum avj_status status = avj_project_edit(cli->store, id, edit, &err);
    int code = status == AVJ_OK ? done(cli, id) : cli_error(cli, status, &err);
    free(id);
    return code;
}

int cli_cmd_project_rename(struct cli *cli)
{
    struct avj_project_edit edit;

    int code = take_edit(cli, cli->words[1], &edit);
    return code == CLI_DONE ? edit_project(cli, &edit) : code;
}

int cli_cmd_project_edit(struct cli *cli)
{
    struct avj_project_edit edit;

    int code = take_edit(cli, NULL, &edit);
    if (code != CLI_DONE)
        return code;
    if (!edit.description && !edit.prompt && !edit.colored)
        return cli_usage("project edit needs --description, --prompt or --color; see avchat help "
                         "project edit");
    return edit_project(cli, &edit);
}

int cli_cmd_project_delete(struct cli *cli)
{
    struct avj_error err = {0};
    enum avj_status status;
    char *heir = NULL;

    if (cli_given(cli, OPT_DELETE_THREADS) && cli_given(cli, OPT_MOVE_TO))
        return cli_usage("--delete-threads and --move-to exclude each other");
    char *id = cli_resolve(cli, AVJ_PROJECT, cli->words[0]);
    if (id && cli_given(cli, OPT_MOVE_TO))
        heir = cli_resolve(cli, AVJ_PROJECT, cli->value[OPT_MOVE_TO]);
    int code = id && (heir || !cli_given(cli, OPT_MOVE_TO)) ? CLI_DONE : CLI_FAILED;
    if (code == CLI_DONE) {
        status = cli_given(cli, OPT_DELETE_THREADS)
                     ? avj_project_delete_all(cli->store, id, &err)
                     : avj_project_delete(cli->store, id, heir, &err);
        code = status == AVJ_OK ? done(cli, id) : cli_error(cli, status, &err);
    }
    free(heir);
    free(id);
    return code;
}
