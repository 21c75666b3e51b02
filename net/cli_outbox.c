/* avchat pending, parked, retry, drop */
#include "net/cli.h"
#include "replay/sync.h"

#include <stdlib.h>
#include <string.h>

static const char *const push_names[] = {
    [AVJ_PUSH_CREATE] = "create",
    [AVJ_PUSH_UPDATE] = "update",
    [AVJ_PUSH_DELETE] = "delete",
    [AVJ_PUSH_ELIDE] = "elide", /* made and deleted before it ever left */
};

/* Names of the fields that would be sent, as a JSON list; for a create all are. */
static json_t *field_names(const struct avj_push_op *op)
{
    json_t *names = json_array();
    json_t *fields = avj_json_from_fields(op->fields);
    const char *name;
    json_t *value;

    json_object_foreach(fields, name, value)
    {
        if (op->kind == AVJ_PUSH_UPDATE)
            json_array_append_new(names, json_string(name));
    }
    json_decref(fields);
    return names;
}

static void put_names(struct cli *cli, json_t *names)
{
    char text[400] = "";
    size_t used = 0;

    for (size_t i = 0; i < json_array_size(names) && used + 1 < sizeof(text); i++) {
        int n = snprintf(text + used, sizeof(text) - used, "%s%s", i ? "," : "",
                         json_string_value(json_array_get(names, i)));
        used += n > 0 ? (size_t)n : 0;
    }
    cli_cell_text(cli, 0, text);
}

static void put_pending(struct cli *cli, const struct avj_push_op *op)
{
    const char *kind = avj_schema(op->entity)->kind;
    json_t *names = field_names(op);

    if (cli->json) {
        cli_json(cli, json_pack("{s:s, s:s, s:s, s:I, s:b, s:O}", "kind", kind, "id", op->id, "op",
                                push_names[op->kind], "uptoSeq", (json_int_t)op->upto_seq,
                                "attempted", (int)op->attempted, "fields", names));
    } else {
        cli_cell_text(cli, 6, push_names[op->kind]);
        cli_cell_text(cli, 7, kind);
        cli_cell_text(cli, 36, op->id);
        cli_cell_text(cli, 5, op->attempted ? "tried" : "-");
        put_names(cli, names);
        cli_row_end(cli);
    }
    json_decref(names);
}

int cli_cmd_pending(struct cli *cli)
{
    const struct avj_push_op *ops;
    struct avj_error err = {0};
    size_t count;

    enum avj_status status = avj_outbox_next(cli->store, SIZE_MAX, NULL, NULL, &ops, &count, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    for (size_t i = 0; i < count && !cli->output_failed; i++)
        put_pending(cli, &ops[i]);
    return CLI_DONE;
}

static void put_parked(struct cli *cli, const struct avj_doc *doc)
{
    const char *kind = avj_schema(doc->entity)->kind;
    const char *type = doc->reject_type ? doc->reject_type : "";
    const char *message = doc->reject_message ? doc->reject_message : "";
    char status[24];

    if (cli->json) {
        cli_json(cli, json_pack("{s:s, s:s, s:i, s:s, s:s}", "kind", kind, "id", doc->id, "status",
                                doc->reject_status, "type", type, "message", message));
        return;
    }
    snprintf(status, sizeof(status), "%d", doc->reject_status);
    cli_cell_text(cli, 7, kind);
    cli_cell_text(cli, 36, doc->id);
    cli_cell_text(cli, 3, status);
    cli_cell_text(cli, 26, type);
    cli_cell_text(cli, 0, message);
    cli_row_end(cli);
}

int cli_cmd_parked(struct cli *cli)
{
    const struct avj_doc *docs;
    struct avj_error err = {0};
    size_t count;

    enum avj_status status = avj_store_parked(cli->store, &docs, &count, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    for (size_t i = 0; i < count && !cli->output_failed; i++)
        put_parked(cli, &docs[i]);
    return CLI_DONE;
}

typedef enum avj_status decide_fn(struct avj_store *store, enum avj_entity entity, const char *id,
                                  struct avj_error *err);

/* Lets a person decide on the one parked document that the argument names. */
static int decide(struct cli *cli, decide_fn *what)
{
    const struct avj_doc *docs, *doc;
    struct avj_error err = {0};
    size_t count;

    enum avj_status status = avj_store_parked(cli->store, &docs, &count, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    if (cli_pick("parked document", "parked", docs, count, cli->words[0], &doc) != CLI_DONE)
        return CLI_FAILED;
    /* The list is borrowed, and the call below changes the store. */
    enum avj_entity entity = doc->entity;
    char *id = strdup(doc->id);
    if (!id)
        return cli_fail("out of memory");
    status = what(cli->store, entity, id, &err);
    int code = status == AVJ_OK ? CLI_DONE : cli_error(cli, status, &err);
    if (code == CLI_DONE && cli->json)
        cli_put_id(cli, entity, id);
    free(id);
    return code;
}

int cli_cmd_retry(struct cli *cli)
{
    return decide(cli, avj_sync_retry);
}

int cli_cmd_drop(struct cli *cli)
{
    return decide(cli, avj_sync_drop);
}
