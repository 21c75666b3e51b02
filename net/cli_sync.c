/* avchat sync */
#include "net/cli.h"
#include "net/engine.h"

#include <string.h>

static const char *const phase_names[] = {
    [AVJ_PHASE_CONNECT] = "connect", [AVJ_PHASE_PUSH] = "push", [AVJ_PHASE_PULL] = "pull",
    [AVJ_PHASE_LIVE] = "live",       [AVJ_PHASE_WAIT] = "wait", [AVJ_PHASE_DONE] = "done",
};

static json_t *progress_json(const struct avj_engine_progress *p)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:b, s:s?}", "phase",
                     phase_names[p->phase], "pushed", (json_int_t)p->pushed, "pulled",
                     (json_int_t)p->pulled, "rejected", (json_int_t)p->rejected, "pending",
                     (json_int_t)p->pending, "waitMs", (json_int_t)p->wait_ms, "etaMs",
                     p->eta_ms < 0 ? json_null() : json_integer(p->eta_ms), "online",
                     (int)p->online, "note", p->note);
}

static void show_line(const struct avj_engine_progress *p)
{
    static const char *const doing[] = {
        [AVJ_PHASE_CONNECT] = "connecting", [AVJ_PHASE_PUSH] = "pushing",
        [AVJ_PHASE_PULL] = "pulling",       [AVJ_PHASE_LIVE] = "up to date, listening",
        [AVJ_PHASE_WAIT] = "waiting",       [AVJ_PHASE_DONE] = "done",
    };

    fprintf(stderr, "\r\033[K%s: %llu pushed, %llu pulled, %llu left", doing[p->phase],
            (unsigned long long)p->pushed, (unsigned long long)p->pulled,
            (unsigned long long)p->pending);
    if (p->phase == AVJ_PHASE_WAIT && p->wait_ms > 0)
        fprintf(stderr, ", next try in %lld s", (long long)(p->wait_ms + 999) / 1000);
    else if (p->pending && p->eta_ms >= 0)
        fprintf(stderr, ", about %lld s", (long long)(p->eta_ms + 999) / 1000);
    if (p->note) {
        fputs("; ", stderr);
        cli_put_safe(stderr, p->note, cli_utf8_cut(p->note, strlen(p->note), 120), false);
    }
}

static void on_progress(void *arg, const struct avj_engine_progress *progress)
{
    struct cli *cli = arg;

    if (cli->json) {
        cli_json(cli, json_pack("{s:o}", "progress", progress_json(progress)));
        (void)cli_flush(cli);
    } else if (cli->error_terminal) {
        show_line(progress);
    }
}

static void put_final(struct cli *cli, const struct avj_engine_progress *final)
{
    bool dry = cli_given(cli, OPT_DRY_RUN);

    if (cli->json)
        cli_json(cli, json_pack("{s:o}", "sync", progress_json(final)));
    else
        printf("%s %llu, %s %llu, refused %llu, pending %llu\n", dry ? "would push" : "pushed",
               (unsigned long long) final->pushed, dry ? "would pull" : "pulled",
               (unsigned long long) final->pulled, (unsigned long long) final->rejected,
               (unsigned long long) final->pending);
    if (final->rejected)
        cli_say("%llu change%s refused and parked; see: avchat parked",
                (unsigned long long) final->rejected, final->rejected == 1 ? " was" : "s were");
}

static int run_engine(struct cli *cli, const struct cli_stop *stop)
{
    struct avj_engine_progress final = {0};
    struct avj_error err = {0};
    struct avj_engine_options options = {
        .follow = cli_given(cli, OPT_FOLLOW),
        .dry_run = cli_given(cli, OPT_DRY_RUN),
        .accept_deletions = cli_given(cli, OPT_ACCEPT_DELETIONS),
        .stop = stop->flag,
        .stop_fd = stop->fd,
        .progress = on_progress,
        .progress_arg = cli,
    };

    enum avj_status status = avj_engine_run(cli->store, &options, &final, &err);
    if (cli->error_terminal && !cli->json)
        fputs("\r\033[K", stderr);
    if (status == AVJ_EREFUSED && !strstr(err.message, "--accept-deletions"))
        return cli_fail("%s; if that is right: avchat sync --accept-deletions", err.message);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    final.phase = AVJ_PHASE_DONE;
    final.note = NULL; /* was borrowed */
    put_final(cli, &final);
    if (*stop->flag && !options.follow)
        return cli_fail(
            "stopped before everything was done; nothing is lost, run avchat sync again");
    return CLI_DONE;
}

int cli_cmd_sync(struct cli *cli)
{
    struct cli_stop stop;

    if (cli_given(cli, OPT_ONCE) && cli_given(cli, OPT_FOLLOW))
        return cli_usage("--once and --follow exclude each other");
    if (cli_need_upstream(cli) != CLI_DONE || cli_stop_install(&stop) != CLI_DONE)
        return CLI_FAILED;
    return run_engine(cli, &stop);
}
