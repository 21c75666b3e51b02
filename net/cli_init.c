/* avchat init */
#include "net/cli.h"

#include <stdlib.h>
#include <string.h>

#define API_PATH "/v1"

/*
 * An endpoint as the engine wants it: http or https, a host, no query, ending in /v1 and no slash
 * behind it.  NULL after having said why; the caller frees.
 */
static char *normal_endpoint(const char *url)
{
    size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    size_t len = strlen(url);
    char *out;

    if (!scheme) {
        cli_say(
            "the endpoint must begin with http:// or https://, as https://cloud.appwrite.io/v1");
        return NULL;
    }
    if (!cli_utf8_valid(url, len) || strpbrk(url, "?#@ \\\"<>") ||
        strcspn(url, "\x01\x02\x03\x04\x05\x06\x07\b\t\n\v\f\r\x7f") != len) {
        cli_say("the endpoint '%s' must be a plain URL: no user name, query, fragment or blank",
                url);
        return NULL;
    }
    while (len > scheme && url[len - 1] == '/')
        len--;
    if (len == scheme || url[scheme] == '/' || url[scheme] == ':') {
        cli_say("the endpoint '%s' names no host", url);
        return NULL;
    }
    bool whole = len > scheme + 3 && strncmp(url + len - 3, API_PATH, 3) == 0;
    if (asprintf(&out, "%.*s%s", (int)len, url, whole ? "" : API_PATH) < 0) {
        cli_say("out of memory");
        return NULL;
    }
    return out;
}

/* Appwrite's ids: letters, digits, dot, hyphen, underscore, at most 36. */
static bool is_remote_id(const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(text);
    return len >= 1 && len <= 36 && strspn(text, allowed) == len && !strchr("._-", *text);
}

static int check_options(const struct cli *cli)
{
    static const enum cli_option ids[] = {OPT_PROJECT,  OPT_DATABASE,  OPT_THREADS,
                                          OPT_MESSAGES, OPT_SUMMARIES, OPT_PROJECTS};
    bool endpoint = cli_given(cli, OPT_ENDPOINT);

    if (endpoint && cli_given(cli, OPT_GUEST))
        return cli_usage("--guest and --endpoint exclude each other");
    if (endpoint && (!cli_given(cli, OPT_PROJECT) || !cli_given(cli, OPT_DATABASE)))
        return cli_usage("--endpoint needs --project and --database too");
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        const char *name = cli_options[ids[i]].name, *id = cli->value[ids[i]];
        if (id && !endpoint)
            return cli_usage("--%s needs --endpoint too", name);
        if (id && !is_remote_id(id))
            return cli_usage("--%s: '%s' is no id of Appwrite's (letters, digits, . - _; at most "
                             "36)",
                             name, id);
    }
    return CLI_DONE;
}

static const char *or_default(const char *given, enum avj_entity entity)
{
    return given ? given : avj_schema(entity)->collection;
}

static int made(struct cli *cli, const struct avj_upstream *upstream, const char *what)
{
    if (cli->json)
        cli_json(cli, json_pack("{s:s, s:s?, s:s?, s:s?}", "journal", cli->dir, "endpoint",
                                upstream ? upstream->endpoint : NULL, "project",
                                upstream ? upstream->project : NULL, "database",
                                upstream ? upstream->database : NULL));
    else if (upstream)
        printf("%s %s that syncs with %s; next: avchat login EMAIL\n", what, cli->dir,
               upstream->endpoint);
    else
        printf("%s %s for a guest: everything stays on this machine\n", what, cli->dir);
    return CLI_DONE;
}

/* A guest's journal is there already: it gets the server, with everything in it. */
static int connect_guest(struct cli *cli, const struct avj_upstream *upstream)
{
    struct avj_error err = {0};
    struct avj_store *store;

    enum avj_status status = avj_store_open(cli->dir, NULL, &store, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    status = avj_store_connect(store, upstream, &err);
    avj_store_close(store);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    return made(cli, upstream, "this is now a journal in");
}

static int create(struct cli *cli, const struct avj_upstream *upstream)
{
    struct avj_error err = {0};

    int error = cli_make_parents(cli->dir);
    if (error)
        return cli_fail("the folder of %s cannot be made: %s", cli->dir, strerror(error));
    enum avj_status status = avj_store_create(cli->dir, upstream, NULL, &err);
    if (status == AVJ_EEXIST && upstream)
        return connect_guest(cli, upstream);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    return made(cli, upstream, "made a journal in");
}

int cli_cmd_init(struct cli *cli)
{
    struct avj_upstream upstream = {0};

    int code = check_options(cli);
    if (code != CLI_DONE)
        return code;
    if (!cli_given(cli, OPT_ENDPOINT))
        return create(cli, NULL);
    char *endpoint = normal_endpoint(cli->value[OPT_ENDPOINT]);
    if (!endpoint)
        return CLI_USAGE;
    upstream.endpoint = endpoint;
    upstream.project = cli->value[OPT_PROJECT];
    upstream.database = cli->value[OPT_DATABASE];
    upstream.collections[AVJ_THREAD] = or_default(cli->value[OPT_THREADS], AVJ_THREAD);
    upstream.collections[AVJ_MESSAGE] = or_default(cli->value[OPT_MESSAGES], AVJ_MESSAGE);
    upstream.collections[AVJ_SUMMARY] = or_default(cli->value[OPT_SUMMARIES], AVJ_SUMMARY);
    upstream.collections[AVJ_PROJECT] = or_default(cli->value[OPT_PROJECTS], AVJ_PROJECT);
    code = create(cli, &upstream);
    free(endpoint);
    return code;
}
