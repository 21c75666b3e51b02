/* avchat compact: what the journal otherwise does in the background, now and to its end; and what
 * it does only when it is told: dropping the bodies that nothing needs any more. */
#include "net/cli.h"
#include "replay/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct compacting {
    struct cli *cli;
    struct cli_stop stop;
    const char *what; /* is being done */
    struct avj_maintained sealed;
    struct avj_compacted_history dropped;
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
        fprintf(stderr, "\ravchat: %s, %.0f %%%s", c->what,
                total ? 100.0 * (double)done / (double)total : 100.0, done == total ? "\n" : "");
}

/* ---- --keep ---- */

/* "30d", "500M": a whole number and a letter.  False: neither. */
static bool read_amount(const char *text, struct avj_keep *keep)
{
    static const char letters[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || errno || number > INT64_MAX)
        return false;
    if (strcmp(end, "d") == 0) {
        keep->days = (int64_t)number;
        return number > 0 && number <= 100000;
    }
    const char *letter = *end ? strchr(letters, *end) : NULL;
    for (long i = letter ? letter - letters : -1; i >= 0; i--) {
        if (number > INT64_MAX / 1024)
            return false;
        number *= 1024;
    }
    keep->bytes = number;
    return !*end || (letter && !end[1]);
}

static int read_keep(struct cli *cli, struct avj_keep *keep)
{
    const char *text = cli->value[OPT_KEEP];
    *keep = (struct avj_keep){.limited = false};
    if (!text || strcmp(text, "all") == 0)
        return CLI_DONE;
    keep->limited = true;
    return read_amount(text, keep)
               ? CLI_DONE
               : cli_usage("--keep takes all, days as 90d, or a size as 500M or 0, not '%s'", text);
}

/* ---- what was done ---- */

static void put_json(const struct compacting *c)
{
    const struct avj_maintained *sealed = &c->sealed;
    const struct avj_compacted_history *dropped = &c->dropped;
    cli_json(c->cli,
             json_pack("{s:I, s:I, s:I, s:I, s:b, s:I, s:I, s:I, s:I}", "sealed",
                       (json_int_t)sealed->sealed, "bytesBefore", (json_int_t)sealed->bytes_before,
                       "bytesAfter", (json_int_t)sealed->bytes_after, "damaged",
                       (json_int_t)(sealed->damaged + dropped->damaged), "trained",
                       (int)sealed->trained, "dropped", (json_int_t)dropped->records,
                       "droppedBytes", (json_int_t)dropped->bytes, "droppedBefore",
                       (json_int_t)dropped->bytes_before, "droppedAfter",
                       (json_int_t)dropped->bytes_after));
}

static void put_text(const struct compacting *c)
{
    const struct avj_maintained *sealed = &c->sealed;
    const struct avj_compacted_history *dropped = &c->dropped;
    if (sealed->trained)
        printf("a compression dictionary was trained; the next segment begins with it\n");
    if (sealed->sealed)
        printf("sealed %llu segments: %.1f MB became %.1f MB\n", (unsigned long long)sealed->sealed,
               (double)sealed->bytes_before / 1e6, (double)sealed->bytes_after / 1e6);
    if (dropped->records)
        printf("dropped %llu bodies that nothing needs any more: %.1f MB became %.1f MB\n",
               (unsigned long long)dropped->records, (double)dropped->bytes_before / 1e6,
               (double)dropped->bytes_after / 1e6);
    else if (!sealed->sealed && !sealed->trained && !sealed->damaged)
        printf("nothing to do: the finished segments are sealed, the last one is in use\n");
}

/* ---- the work ---- */

static int seal(struct compacting *c)
{
    const struct avj_journal_options options = {.no_background = true};
    const struct avj_maintenance how = {.arg = c, .stop = must_stop, .progress = on_progress};
    struct avj_journal *journal;
    struct avj_error err = {0};
    c->what = "sealing";
    enum avj_status status = avj_journal_open(c->cli->dir, &options, &journal, &err);
    if (status == AVJ_OK) {
        status = avj_journal_maintain(journal, &how, &c->sealed, &err);
        avj_journal_close(journal);
    }
    return status == AVJ_OK ? CLI_DONE : cli_error(c->cli, status, &err);
}

static int drop(struct compacting *c, const struct avj_keep *keep)
{
    const struct avj_store_options options = {.journal.no_background = true};
    const struct avj_compacting how = {.arg = c, .stop = must_stop, .progress = on_progress};
    struct avj_store *store;
    struct avj_error err = {0};
    c->what = "looking for what can go";
    enum avj_status status = avj_store_open(c->cli->dir, &options, &store, &err);
    if (status != AVJ_OK)
        return cli_error(c->cli, status, &err);
    if (cli_given(c->cli, OPT_KEEP))
        status = avj_store_keep(store, keep, &err);
    if (status == AVJ_OK)
        status = avj_store_compact(store, &how, &c->dropped, &err);
    avj_store_close(store);
    return status == AVJ_OK ? CLI_DONE : cli_error(c->cli, status, &err);
}

int cli_cmd_compact(struct cli *cli)
{
    struct compacting c = {.cli = cli};
    struct avj_keep keep;
    int code = read_keep(cli, &keep);
    if (code == CLI_DONE)
        code = cli_stop_install(&c.stop);
    if (code == CLI_DONE)
        code = seal(&c);
    if (code == CLI_DONE && !c.sealed.damaged && !must_stop(&c))
        code = drop(&c, &keep);
    if (code != CLI_DONE)
        return code;
    if (cli->json)
        put_json(&c);
    else
        put_text(&c);
    uint64_t damaged = c.sealed.damaged + c.dropped.damaged;
    if (damaged)
        return cli_fail("%llu segments are damaged and were left as they are; run: avchat-fsck %s",
                        (unsigned long long)damaged, cli->dir);
    return must_stop(&c) ? cli_fail("interrupted; what was done stays done") : CLI_DONE;
}
