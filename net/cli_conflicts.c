/* avchat conflicts, conflicts restore, conflicts dismiss: what lost a merge. */
#include "net/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 60 /* bytes of a lost text */

static void put_json(struct cli *cli, const struct avj_conflict *c)
{
    char when[AVJ_TIME_TEXT];
    json_t *fields = c->fields.len ? avj_json_from_fields(c->fields) : json_object();

    avj_time_format(c->ms, when);
    cli_json(cli, json_pack("{s:I, s:s, s:s, s:s, s:s, s:o, s:b, s:s, s:I, s:s?}", "conflict",
                            (json_int_t)c->seq, "kind", avj_schema(c->entity)->kind, "id", c->id,
                            "time", when, "lost", c->lost_here ? "here" : "elsewhere", "fields",
                            fields, "deleted", (int)(c->fields.len == 0), "why", c->why, "editSeq",
                            (json_int_t)c->edit_seq, "version", c->version));
}

/* The lost fields in short: content="hello ..." title="x" */
static char *gist_of(struct avj_fields fields)
{
    struct avj_value name, value;
    struct avj_tree *tree;
    char *text = NULL;
    size_t size;

    if (fields.len == 0)
        return strdup("a deletion");
    FILE *out = open_memstream(&text, &size);
    if (!out || avj_tree_parse(fields.data, fields.len, &tree) != AVJ_OK) {
        if (out)
            fclose(out);
        free(text);
        return NULL;
    }
    struct avj_value root = avj_tree_root(tree);
    for (size_t i = 0; i < root.len; i++) {
        avj_value_pair(root, i, &name, &value);
        fprintf(out, "%s%.*s", i ? " " : "", (int)name.len, name.text);
        if (value.kind != AVJ_TEXT)
            continue;
        size_t len = cli_utf8_cut(value.text, value.len, SHOWN);
        fprintf(out, "=\"%.*s%s\"", (int)len, value.text, len < value.len ? "..." : "");
    }
    avj_tree_free(tree);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static int put_conflict(struct cli *cli, const struct avj_conflict *c)
{
    char number[24], when[AVJ_TIME_TEXT];

    if (cli->json) {
        put_json(cli, c);
        return CLI_DONE;
    }
    char *gist = gist_of(c->fields);
    if (!gist)
        return cli_fail("out of memory");
    snprintf(number, sizeof(number), "%llu", (unsigned long long)c->seq);
    if (cli->terminal)
        cli_local_time(c->ms, when);
    else
        avj_time_format(c->ms, when);
    cli_cell_text(cli, 6, number);
    cli_cell_text(cli, 16, when);
    cli_cell_text(cli, 7, avj_schema(c->entity)->kind);
    cli_cell_text(cli, 36, c->id);
    cli_cell_text(cli, 14, c->lost_here ? "lost here" : "lost elsewhere");
    cli_cell_text(cli, 0, gist);
    cli_row_end(cli);
    free(gist);
    return CLI_DONE;
}

int cli_cmd_conflicts(struct cli *cli)
{
    const struct avj_conflict *list;
    struct avj_error err = {0};
    size_t count;

    enum avj_status status = avj_store_conflicts(cli->store, &list, &count, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    for (size_t i = 0; i < count && !cli->output_failed; i++)
        if (put_conflict(cli, &list[i]) != CLI_DONE)
            return CLI_FAILED;
    return CLI_DONE;
}

/* The open conflict that the argument numbers; its document's kind and id, which the caller frees.
 */
static int find(struct cli *cli, uint64_t *seq, enum avj_entity *entity, char **id)
{
    const struct avj_conflict *list;
    const char *text = cli->words[0];
    struct avj_error err = {0};
    size_t count;
    char *end;

    errno = 0;
    *seq = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno)
        return cli_usage("a conflict is named by its number, not '%s'; see avchat conflicts", text);
    enum avj_status status = avj_store_conflicts(cli->store, &list, &count, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    for (size_t i = 0; i < count; i++) {
        if (list[i].seq != *seq)
            continue;
        *entity = list[i].entity;
        *id = strdup(list[i].id);
        return *id ? CLI_DONE : cli_fail("out of memory");
    }
    return cli_fail("there is no open conflict %s; see avchat conflicts", text);
}

static int decide(struct cli *cli, bool restore)
{
    struct avj_error err = {0};
    enum avj_entity entity = AVJ_THREAD;
    char *id = NULL;
    uint64_t seq;

    int code = find(cli, &seq, &entity, &id);
    if (code != CLI_DONE)
        return code;
    enum avj_status status = restore ? avj_conflict_restore(cli->store, seq, &err)
                                     : avj_conflict_dismiss(cli->store, seq, &err);
    if (status != AVJ_OK)
        code = cli_error(cli, status, &err);
    else if (cli->json)
        cli_put_id(cli, entity, id);
    free(id);
    return code;
}

int cli_cmd_conflicts_restore(struct cli *cli)
{
    return decide(cli, true);
}

int cli_cmd_conflicts_dismiss(struct cli *cli)
{
    return decide(cli, false);
}
