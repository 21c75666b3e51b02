/* avchat: one process runs one command on one journal. */
#include "net/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A descriptor 0, 1 or 2 that the caller closed would be given to the next file opened, and what is
 * printed would land in the journal.  Each is filled with /dev/null, opened so that using it fails
 * as using a closed one does.
 */
static bool fill_standard_files(void)
{
    for (int file = 0; file <= 2; file++) {
        if (fcntl(file, F_GETFD) >= 0)
            continue;
        if (open("/dev/null", file == 0 ? O_WRONLY : O_RDONLY) !=
            file) /* not O_CLOEXEC: it stands for an inherited one */
            return false;
    }
    return true;
}

static char *joined(const char *folder, const char *rest)
{
    char *path;

    return asprintf(&path, "%s/%s", folder, rest) < 0 ? NULL : path;
}

static bool set(const char *text)
{
    return text && *text;
}

static int find_directory(struct cli *cli)
{
    const char *named = cli->value[OPT_DIRECTORY], *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");

    if (named && !*named)
        return cli_usage("option --directory needs a folder");
    if (!named && set(getenv("AVCHAT_DIR")))
        named = getenv("AVCHAT_DIR");
    if (named)
        cli->dir = strdup(named);
    else if (set(data) && *data == '/') /* the specification has relative ones ignored */
        cli->dir = joined(data, "avchat");
    else if (set(home))
        cli->dir = joined(home, ".local/share/avchat");
    else
        return cli_usage("no folder is named: use -C DIR or set AVCHAT_DIR");
    return cli->dir ? CLI_DONE : cli_fail("out of memory");
}

static void show_opening(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    if (total < CLI_SLOW_RECORDS)
        return;
    if (done < total)
        fprintf(stderr, "\r\033[Kopening: %d%%", (int)(done * 100 / total));
    else
        fputs("\r\033[K", stderr);
}

static int run(struct cli *cli)
{
    struct avj_store_options options = {.program = "avchat " AVJ_VERSION};
    struct avj_error err = {0};

    int code = find_directory(cli);
    if (code != CLI_DONE)
        return code;
    if (cli->command->open == CLI_OPEN_NONE)
        return cli->command->run(cli);
    options.read_only = options.journal.read_only = cli->command->open == CLI_OPEN_READ;
    code = cli_moment(cli, OPT_AT, &options.at_seq, &options.at_ms);
    if (code != CLI_DONE)
        return code;
    options.progress = cli->error_terminal ? show_opening : NULL;
    enum avj_status status = avj_store_open(cli->dir, &options, &cli->store, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    code = cli->command->run(cli);
    avj_store_close(cli->store);
    return code;
}

static int dispatch(struct cli *cli)
{
    if (cli_given(cli, OPT_VERSION)) {
        printf("avchat %s\n", AVJ_VERSION);
        return CLI_DONE;
    }
    if (!cli_given(cli, OPT_HELP))
        return run(cli);
    if (cli->command)
        cli_help_command(cli->command);
    else if (cli->word_count)
        cli_help_group(cli->words[0]);
    else
        cli_help_all();
    return CLI_DONE;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};

    if (!fill_standard_files())
        return CLI_FAILED;
    signal(SIGPIPE, SIG_IGN);
    cli.terminal = isatty(STDOUT_FILENO) == 1;
    cli.error_terminal = isatty(STDERR_FILENO) == 1;
    int code = cli_parse(&cli, argc, argv);
    if (code == CLI_DONE)
        code = dispatch(&cli);
    code = cli_finish(&cli, code);
    free(cli.all_words);
    free(cli.dir);
    return code;
}
