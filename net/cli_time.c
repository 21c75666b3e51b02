/* Moments (replay/moment.h) and sequence numbers as values of options. */
#include "net/cli.h"
#include "replay/moment.h"

#include <string.h>

int cli_time(struct cli *cli, enum cli_option option, int64_t *ms)
{
    const char *text = cli->value[option];

    if (!text || avj_moment_parse(text, ms))
        return CLI_DONE;
    return cli_usage("--%s takes a time (2026-11-22, '2026-11-22 18:09', -2h, -3d), not '%s'",
                     cli_options[option].name, text);
}

int cli_moment(struct cli *cli, enum cli_option option, uint64_t *seq, int64_t *ms)
{
    const char *text = cli->value[option];

    if (!text || avj_moment_parse(text, ms))
        return CLI_DONE;
    if (*text && strspn(text, "0123456789") == strlen(text)) {
        int code = cli_number(cli, option, AVJ_SEQ_MAX, seq);
        if (code == CLI_DONE && *seq == 0)
            return cli_usage("--%s: sequence numbers begin at 1", cli_options[option].name);
        return code;
    }
    return cli_usage("--%s takes a sequence number or a time (2026-11-22, '2026-11-22 18:09', -2h, "
                     "-3d), not '%s'",
                     cli_options[option].name, text);
}
