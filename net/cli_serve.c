/* avchat serve */
#include "net/cli.h"
#include "net/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_HOST "127.0.0.1"

static void on_listening(void *arg, const char *host, int port)
{
    struct cli *cli = arg;
    bool six = strchr(host, ':') != NULL; /* an IPv6 address stands in brackets in a URL */
    char url[512];

    snprintf(url, sizeof(url), "http://%s%s%s:%d/v1", six ? "[" : "", host, six ? "]" : "", port);
    if (cli->json)
        cli_json(cli, json_pack("{s:s}", "listening", url));
    else
        printf("listening on %s\n", url);
    (void)cli_flush(cli);
}

/* HOST:PORT, [ADDRESS]:PORT or :PORT into host (the caller's buffer) and port. */
static int take_listen(const char *text, char *host, size_t size, int *port)
{
    const char *colon = strrchr(text, ':');
    char *end;

    if (!colon || !colon[1])
        return cli_usage("--listen takes HOST:PORT, as 127.0.0.1:8080, not '%s'", text);
    errno = 0;
    unsigned long number = strtoul(colon + 1, &end, 10);
    if (*end || errno || number > 65535 || colon[1] < '0' || colon[1] > '9')
        return cli_usage("--listen: '%s' is no port", colon + 1);
    size_t len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    } else if (memchr(text, ':', len)) {
        return cli_usage("--listen: an IPv6 address stands in brackets, as [::1]:8080");
    }
    if (len >= size)
        return cli_usage("--listen: the host is too long");
    snprintf(host, size, "%.*s", (int)len, len ? text : "");
    if (len == 0)
        snprintf(host, size, "%s", DEFAULT_HOST);
    *port = (int)number;
    return CLI_DONE;
}

int cli_cmd_serve(struct cli *cli)
{
    char host[256] = DEFAULT_HOST;
    struct avj_error err = {0};
    struct cli_stop stop;
    struct avj_serve_options options = {
        .host = host,
        .no_rate_limit = cli_given(cli, OPT_NO_RATE_LIMIT),
        .listening = on_listening,
        .listening_arg = cli,
    };

    if (cli_given(cli, OPT_LISTEN)) {
        int code = take_listen(cli->value[OPT_LISTEN], host, sizeof(host), &options.port);
        if (code != CLI_DONE)
            return code;
    }
    if (avj_store_upstream(cli->store)->endpoint)
        return cli_fail("the journal in %s syncs with a server and cannot be one; serve over a "
                        "journal made with: avchat -C DIR init --guest",
                        cli->dir);
    if (cli_stop_install(&stop) != CLI_DONE)
        return CLI_FAILED;
    options.stop = stop.flag;
    options.stop_fd = stop.fd;
    enum avj_status status = avj_serve_run(cli->store, &options, &err);
    return status == AVJ_OK ? CLI_DONE : cli_error(cli, status, &err);
}
