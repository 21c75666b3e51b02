/* avchat compact: what the journal otherwise does in the background, now and to its end. */
#include "net/cli.h"

struct compacting {
    struct cli *cli;
    struct cli_stop stop;
};

static bool must_stop(void *arg)
{
    const struct compacting *c = arg;
    return *c->stop.flag != 0;
}

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
    const struct compacting *c = arg;
    if (c->cli->error_terminal)
        fprintf(stderr, "\ravchat: %llu of %llu segments%s", (unsigned long long)done,
                (unsigned long long)total, done == total ? "\n" : "");
}

static void put_done(struct cli *cli, const struct avj_maintained *done)
{
    if (cli->json) {
        cli_json(cli, json_pack("{s:I, s:I, s:I, s:I, s:b}", "sealed", (json_int_t)done->sealed,
                                "bytesBefore", (json_int_t)done->bytes_before, "bytesAfter",
                                (json_int_t)done->bytes_after, "damaged", (json_int_t)done->damaged,
                                "trained", (int)done->trained));
        return;
    }
    if (done->trained)
        printf("a compression dictionary was trained; the next segment begins with it\n");
    if (done->sealed)
        printf("sealed %llu segments: %.1f MB became %.1f MB\n", (unsigned long long)done->sealed,
               (double)done->bytes_before / 1e6, (double)done->bytes_after / 1e6);
    else if (!done->trained && !done->damaged)
        printf("nothing to do: the finished segments are sealed, the last one is in use\n");
}

static int compact(struct cli *cli, struct avj_journal *journal)
{
    struct compacting c = {.cli = cli};
    struct avj_maintained done;
    struct avj_error err = {0};
    const struct avj_maintenance how = {.arg = &c, .stop = must_stop, .progress = on_progress};

    int code = cli_stop_install(&c.stop);
    if (code != CLI_DONE)
        return code;
    enum avj_status status = avj_journal_maintain(journal, &how, &done, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    put_done(cli, &done);
    if (done.damaged)
        return cli_fail("%llu segments are damaged and were left as they are; run: avchat-fsck %s",
                        (unsigned long long)done.damaged, cli->dir);
    return must_stop(&c) ? cli_fail("interrupted; what was done stays done") : CLI_DONE;
}

int cli_cmd_compact(struct cli *cli)
{
    const struct avj_journal_options options = {.no_background = true};
    struct avj_journal *journal;
    struct avj_error err = {0};

    enum avj_status status = avj_journal_open(cli->dir, &options, &journal, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    int code = compact(cli, journal);
    avj_journal_close(journal);
    return code;
}
