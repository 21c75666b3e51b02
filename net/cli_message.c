/* avchat send, edit, delete, trim */
#include "net/cli.h"
#include "net/cli_attach.h"

#include <stdlib.h>
#include <string.h>

int cli_check_role(const char *role)
{
    static const char *const roles[] = {"user", "assistant", "system", "data"};

    for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
        if (strcmp(role, roles[i]) == 0)
            return CLI_DONE;
    return cli_usage("--role is user, assistant, system or data, not '%s'", role);
}

static int send_text(struct cli *cli, const char *thread, const char *role, const char *text,
                     size_t len)
{
    struct avj_error err = {0};
    char id[AVJ_ID_TEXT];

    enum avj_status status = avj_message_send(cli->store, thread, role, text, len, id, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    cli_put_id(cli, AVJ_MESSAGE, id);
    return CLI_DONE;
}

/* The message's text: with a file attached and no TEXT there is none. */
static int take_message(struct cli *cli, char **text, size_t *len)
{
    if (cli->word_count > 1 || !cli_given(cli, OPT_ATTACH)) {
        int code = cli_take_text(cli, 1, text, len);
        if (code != CLI_DONE || *len || cli_given(cli, OPT_ATTACH))
            return code;
        free(*text);
        *text = NULL;
        return cli_usage("the message is empty");
    }
    *len = 0;
    *text = strdup("");
    return *text ? CLI_DONE : cli_fail("out of memory");
}

int cli_cmd_send(struct cli *cli)
{
    const char *role = cli_given(cli, OPT_ROLE) ? cli->value[OPT_ROLE] : "user";
    char *text = NULL;
    size_t len;

    if (cli_check_role(role) != CLI_DONE)
        return CLI_USAGE;
    /* First the thread: nobody wants to type a message for one that is not there. */
    char *thread = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    int code = thread ? take_message(cli, &text, &len) : CLI_FAILED;
    if (code == CLI_DONE && cli_given(cli, OPT_ATTACH))
        code = cli_send_attached(cli, thread, role, text, len, cli->value[OPT_ATTACH]);
    else if (code == CLI_DONE)
        code = send_text(cli, thread, role, text, len);
    free(text);
    free(thread);
    return code;
}

int cli_cmd_edit(struct cli *cli)
{
    struct avj_error err = {0};
    char *text = NULL;
    size_t len;

    char *id = cli_resolve(cli, AVJ_MESSAGE, cli->words[0]);
    int code = id ? cli_take_text(cli, 1, &text, &len) : CLI_FAILED;
    if (code == CLI_DONE) {
        enum avj_status status = avj_message_edit(cli->store, id, text, len, &err);
        if (status != AVJ_OK)
            code = cli_error(cli, status, &err);
        else if (cli->json)
            cli_put_id(cli, AVJ_MESSAGE, id);
    }
    free(text);
    free(id);
    return code;
}

int cli_cmd_delete(struct cli *cli)
{
    struct avj_error err = {0};

    char *id = cli_resolve(cli, AVJ_MESSAGE, cli->words[0]);
    if (!id)
        return CLI_FAILED;
    enum avj_status status = avj_message_delete(cli->store, id, &err);
    int code = status == AVJ_OK ? CLI_DONE : cli_error(cli, status, &err);
    if (code == CLI_DONE && cli->json)
        cli_put_id(cli, AVJ_MESSAGE, id);
    free(id);
    return code;
}

int cli_cmd_trim(struct cli *cli)
{
    struct avj_error err = {0};
    size_t deleted = 0;
    int code = CLI_FAILED;

    if (!cli_given(cli, OPT_FROM))
        return cli_usage("trim needs --from MSG, the first message to delete");
    char *thread = cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    char *from = thread ? cli_resolve(cli, AVJ_MESSAGE, cli->value[OPT_FROM]) : NULL;
    if (from) {
        enum avj_status status = avj_thread_trim(cli->store, thread, from, &deleted, &err);
        code = status == AVJ_OK ? CLI_DONE : cli_error(cli, status, &err);
        if (code == CLI_DONE && cli->json)
            cli_json(cli, json_pack("{s:I}", "deleted", (json_int_t)deleted));
        else if (code == CLI_DONE)
            printf("deleted %zu message%s\n", deleted, deleted == 1 ? "" : "s");
    }
    free(from);
    free(thread);
    return code;
}
