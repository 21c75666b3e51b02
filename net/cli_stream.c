/*
 * avchat stream: what comes on stdin, as it comes, is an answer that grows.  Its end is the end of
 * stdin; a signal interrupts it, and what has come is kept.
 */
#include "net/cli.h"
#include "replay/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK       ((size_t)64 * 1024)
#define CHARACTER   4
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

struct reading {
    struct cli *cli;
    struct avj_stream *stream;
    char bytes[CHARACTER + CHUNK]; /* the first `held` wait for the rest of their character */
    size_t held;
    char text[3 * (CHARACTER + CHUNK)];
    bool replaced; /* bytes that were no UTF-8, and it was said */
};

/* May these bytes, which are no character, become one with those that follow? */
static bool is_cut(const char *bytes, size_t len)
{
    unsigned char first = (unsigned char)bytes[0];
    size_t whole = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;

    if (len >= whole)
        return false;
    for (size_t i = 1; i < len; i++)
        if (((unsigned char)bytes[i] & 0xc0) != 0x80)
            return false;
    return true;
}

/* Fills text out of the first `len` bytes, and holds back what is cut unless that is all. */
static size_t take(struct reading *r, size_t len, bool last)
{
    size_t at = 0, out = 0;

    while (at < len) {
        uint32_t code;
        size_t n = cli_utf8_next(r->bytes + at, len - at, &code);
        if (!n && !last && is_cut(r->bytes + at, len - at))
            break;
        const char *from = n ? r->bytes + at : REPLACEMENT;
        memcpy(r->text + out, from, n ? n : 3);
        out += n ? n : 3;
        at += n ? n : 1;
        if (!n && !r->replaced) {
            cli_say("stdin is not all UTF-8: what is not becomes U+FFFD");
            r->replaced = true;
        }
    }
    r->held = len - at;
    memmove(r->bytes, r->bytes + at, r->held);
    return out;
}

static int append(struct reading *r, size_t len, bool last)
{
    struct avj_error err = {0};
    size_t text = take(r, len, last);

    enum avj_status status = avj_stream_append(r->stream, r->text, text, &err);
    return status == AVJ_OK ? CLI_DONE : cli_error(r->cli, status, &err);
}

/* Until stdin ends or a signal comes (*stopped). */
static int copy(struct reading *r, const struct cli_stop *stop, bool *stopped)
{
    struct pollfd polls[] = {{stop->fd, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    int code = CLI_DONE;

    while (code == CLI_DONE && !(*stopped = *stop->flag != 0)) {
        if (poll(polls, 2, -1) < 0 || polls[0].revents || !polls[1].revents)
            continue;
        ssize_t n = read(STDIN_FILENO, r->bytes + r->held, CHUNK);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return cli_fail("stdin: %s", strerror(errno));
        if (n == 0)
            return append(r, r->held, true);
        code = append(r, r->held + (size_t)n, false);
    }
    return code;
}

/* What has come is kept whatever happens; the exit says whether it is all. */
static int end(struct cli *cli, struct avj_stream *stream, int code, bool stopped)
{
    struct avj_error err = {0};
    bool whole = code == CLI_DONE && !stopped;

    enum avj_status status =
        whole ? avj_stream_end(stream, &err) : avj_stream_abort(stream, false, &err);
    if (status != AVJ_OK && code == CLI_DONE)
        code = cli_error(cli, status, &err);
    if (status == AVJ_OK && !whole)
        code = cli_fail("interrupted; go on with `avchat stream --resume %s`, or end it as it is "
                        "with `avchat stream --finish %s`",
                        avj_stream_message(stream), avj_stream_message(stream));
    return code;
}

static int read_stdin(struct cli *cli, struct avj_stream *stream, const struct cli_stop *stop)
{
    struct reading *r = calloc(1, sizeof(*r));
    bool stopped = false;
    int code = CLI_FAILED;

    cli_put_id(cli, AVJ_MESSAGE, avj_stream_message(stream));
    if (!r)
        code = cli_fail("out of memory");
    else if (cli_flush(cli)) {
        r->cli = cli;
        r->stream = stream;
        code = copy(r, stop, &stopped);
    }
    free(r);
    return end(cli, stream, code, stopped);
}

static int open_stream(struct cli *cli, struct avj_stream **stream)
{
    const struct avj_stream_options options = {.role = cli->value[OPT_ROLE]};
    const char *resumed = cli->value[OPT_RESUME];
    struct avj_error err = {0};
    enum avj_status status;

    char *id = resumed ? cli_resolve(cli, AVJ_MESSAGE, resumed)
                       : cli_resolve(cli, AVJ_THREAD, cli->words[0]);
    if (!id)
        return CLI_FAILED;
    if (resumed)
        status = avj_stream_resume(cli->store, id, NULL, stream, &err);
    else
        status = avj_stream_begin(cli->store, id, &options, stream, &err);
    free(id);
    return status == AVJ_OK ? CLI_DONE : cli_error(cli, status, &err);
}

static int finish(struct cli *cli)
{
    struct avj_error err = {0};
    char *id = cli_resolve(cli, AVJ_MESSAGE, cli->value[OPT_FINISH]);

    if (!id)
        return CLI_FAILED;
    enum avj_status status = avj_stream_finish(cli->store, id, &err);
    if (status == AVJ_OK && cli->json)
        cli_put_id(cli, AVJ_MESSAGE, id);
    free(id);
    return status == AVJ_OK ? CLI_DONE : cli_error(cli, status, &err);
}

/* One of the three things that it does. */
static int check_use(struct cli *cli)
{
    bool resume = cli_given(cli, OPT_RESUME), ends = cli_given(cli, OPT_FINISH);

    if ((cli->word_count > 0) + resume + ends != 1)
        return cli_usage("stream takes a THREAD, --resume MSG or --finish MSG");
    if (cli_given(cli, OPT_ROLE) && (resume || ends))
        return cli_usage("--role goes with a new answer, not with --resume or --finish");
    return cli_given(cli, OPT_ROLE) ? cli_check_role(cli->value[OPT_ROLE]) : CLI_DONE;
}

int cli_cmd_stream(struct cli *cli)
{
    struct avj_stream *stream;
    struct cli_stop stop;

    int code = check_use(cli);
    if (code != CLI_DONE)
        return code;
    if (cli_given(cli, OPT_FINISH))
        return finish(cli);
    code = cli_stop_install(&stop);
    if (code == CLI_DONE)
        code = open_stream(cli, &stream);
    if (code != CLI_DONE)
        return code;
    code = read_stdin(cli, stream, &stop);
    avj_stream_close(stream);
    return code;
}
