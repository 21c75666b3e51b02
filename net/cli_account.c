/* avchat login, logout, whoami */
#include "net/cli.h"
#include "net/engine.h"

#include <stdlib.h>
#include <string.h>

static bool has_upstream(const struct cli *cli)
{
    return avj_store_upstream(cli->store)->endpoint != NULL;
}

int cli_need_upstream(const struct cli *cli)
{
    if (has_upstream(cli))
        return CLI_DONE;
    return cli_fail("the journal in %s is a guest's, without a server; give it one with: avchat "
                    "-C %s init --endpoint URL --project P --database D",
                    cli->dir, cli->dir);
}

static int put_user(struct cli *cli, const char *user, const char *email)
{
    if (cli->json)
        cli_json(cli, json_pack("{s:s?, s:s?}", "user", user, "email", email));
    else if (email && *email)
        printf("%s (%s)\n", email, user);
    else
        printf("%s\n", user ? user : "guest");
    return CLI_DONE;
}

int cli_cmd_login(struct cli *cli)
{
    const char *email = cli->words[0], *at = strchr(email, '@');
    struct avj_error err = {0};
    char *password = NULL;

    if (cli_need_upstream(cli) != CLI_DONE)
        return CLI_FAILED;
    if (cli_check_text("EMAIL", email) != CLI_DONE)
        return CLI_USAGE;
    if (!at || at == email || !at[1])
        return cli_usage("'%s' is no email address", email);
    int code = cli_password(&password);
    if (code != CLI_DONE)
        return code;
    enum avj_status status =
        avj_engine_login(cli->store, email, password, cli_given(cli, OPT_CREATE), &err);
    explicit_bzero(password, strlen(password));
    free(password);
    if (status == AVJ_EAUTH) /* "log in" is no way out here */
        return cli_fail("%s", *err.message ? err.message : "the email or the password is wrong");
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    return put_user(cli, avj_store_user(cli->store), email);
}

int cli_cmd_logout(struct cli *cli)
{
    struct avj_error err = {0};

    enum avj_status status = avj_engine_logout(cli->store, &err);
    if (status == AVJ_EAUTH)
        return cli_fail("nobody is signed in");
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    return cli->json ? put_user(cli, NULL, NULL) : CLI_DONE;
}

int cli_cmd_whoami(struct cli *cli)
{
    struct avj_error err = {0};
    char *user = NULL, *email = NULL;

    if (!has_upstream(cli))
        return put_user(cli, NULL, NULL);
    enum avj_status status = avj_engine_whoami(cli->store, &user, &email, &err);
    int code = status == AVJ_OK ? put_user(cli, user, email) : cli_error(cli, status, &err);
    free(user);
    free(email);
    return code;
}
