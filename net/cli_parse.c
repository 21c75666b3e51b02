/* The command line into a struct cli, by the table. */
#include "net/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/* Long options return this plus their number, so that no letter can be mistaken for one. */
#define LONG_BASE 256

static bool first_word_is(const char *name, const char *word)
{
    size_t len = strlen(word);
    return strncmp(name, word, len) == 0 && name[len] == ' ';
}

bool cli_is_group(const char *word)
{
    for (size_t i = 0; i < cli_command_count; i++)
        if (first_word_is(cli_commands[i].name, word))
            return true;
    return false;
}

const struct cli_command *cli_command_find(char *const *words, size_t count, size_t *used)
{
    /* "conflicts restore" before "conflicts". */
    for (size_t i = 0; count > 1 && i < cli_command_count; i++) {
        const char *name = cli_commands[i].name;
        *used = 2;
        if (first_word_is(name, words[0]) && strcmp(name + strlen(words[0]) + 1, words[1]) == 0)
            return &cli_commands[i];
    }
    for (size_t i = 0; count && i < cli_command_count; i++) {
        *used = 1;
        if (strcmp(cli_commands[i].name, words[0]) == 0)
            return &cli_commands[i];
    }
    return NULL;
}

static void fill_getopt(struct option *longs, char *shorts, size_t size)
{
    /* "-": words come in their order, wherever they stand; ":": a missing value is told from an
     * unknown option. */
    size_t used = (size_t)snprintf(shorts, size, "-:");

    for (int i = 0; i < CLI_OPTIONS; i++) {
        const struct cli_option_info *info = &cli_options[i];
        longs[i] = (struct option){info->name, info->takes_value ? required_argument : no_argument,
                                   NULL, LONG_BASE + i};
        if (info->letter)
            used += (size_t)snprintf(shorts + used, size - used, "%c%s", info->letter,
                                     info->takes_value ? ":" : "");
    }
    longs[CLI_OPTIONS] = (struct option){0};
}

static enum cli_option option_of(int found)
{
    if (found >= LONG_BASE)
        return (enum cli_option)(found - LONG_BASE);
    for (int i = 0; i < CLI_OPTIONS; i++)
        if (cli_options[i].letter == found)
            return (enum cli_option)i;
    return CLI_OPTIONS;
}

static int refuse(int found, char *const *argv)
{
    if (found == ':') {
        enum cli_option option = option_of(optopt);
        return cli_usage("option --%s needs a value; see avchat --help",
                         option == CLI_OPTIONS ? "?" : cli_options[option].name);
    }
    if (optopt >= LONG_BASE)
        return cli_usage("option --%s takes no value", cli_options[optopt - LONG_BASE].name);
    if (optopt)
        return cli_usage("unknown option -%c; see avchat --help", optopt);
    return cli_usage("unknown option %s; see avchat --help", argv[optind - 1]);
}

static int take_options(struct cli *cli, int argc, char **argv)
{
    struct option longs[CLI_OPTIONS + 1];
    char shorts[2 * CLI_OPTIONS + 3];
    int found;

    fill_getopt(longs, shorts, sizeof(shorts));
    opterr = 0;
    while ((found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (found == 1) {
            cli->all_words[cli->word_count++] = optarg;
            continue;
        }
        if (found == '?' || found == ':')
            return refuse(found, argv);
        cli->value[option_of(found)] = optarg ? optarg : "";
    }
    while (optind < argc)
        cli->all_words[cli->word_count++] = argv[optind++];
    return CLI_DONE;
}

static bool lists(const struct cli_use *uses, enum cli_option option)
{
    for (; uses && uses->option != CLI_OPTIONS; uses++)
        if (uses->option == option)
            return true;
    return false;
}

static int check_options(const struct cli *cli)
{
    const struct cli_use *uses = cli->command ? cli->command->uses : NULL;

    for (int i = 0; i < CLI_OPTIONS; i++) {
        enum cli_option option = (enum cli_option)i;
        if (!cli->value[i] || lists(cli_global_uses, option) || lists(uses, option))
            continue;
        if (!cli->command)
            return cli_usage("option --%s stands without its command; see avchat --help",
                             cli_options[i].name);
        return cli_usage("%s takes no option --%s; see avchat help %s", cli->command->name,
                         cli_options[i].name, cli->command->name);
    }
    return CLI_DONE;
}

static int check_words(const struct cli *cli)
{
    const struct cli_command *command = cli->command;

    if (cli->word_count >= command->min_words && cli->word_count <= command->max_words)
        return CLI_DONE;
    return cli_usage("%s; usage: avchat %s%s%s",
                     cli->word_count < command->min_words ? "an argument is missing"
                                                          : "an argument too many",
                     command->name, *command->words ? " " : "", command->words);
}

static int find_command(struct cli *cli)
{
    size_t used = 0;
    bool helping = cli_given(cli, OPT_HELP) || cli_given(cli, OPT_VERSION);

    if (cli->word_count == 0)
        return helping ? CLI_DONE : cli_usage("no command is named; see avchat --help");
    cli->command = cli_command_find(cli->words, cli->word_count, &used);
    if (!cli->command && cli_is_group(cli->words[0])) {
        if (helping && cli->word_count == 1)
            return CLI_DONE;
        return cli_usage("%s needs one of its commands behind it; see avchat help %s",
                         cli->words[0], cli->words[0]);
    }
    if (!cli->command)
        return cli_usage("there is no command %s in this version; see avchat --help",
                         cli->words[0]);
    cli->words += used;
    cli->word_count -= used;
    return CLI_DONE;
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
    cli->all_words = calloc((size_t)argc + 1, sizeof(*cli->all_words));
    if (!cli->all_words)
        return cli_fail("out of memory");
    cli->words = cli->all_words;
    int code = take_options(cli, argc, argv);
    if (code == CLI_DONE)
        code = find_command(cli);
    if (code == CLI_DONE)
        code = check_options(cli);
    cli->json = cli_given(cli, OPT_JSON);
    if (code != CLI_DONE || !cli->command || cli_given(cli, OPT_HELP) ||
        cli_given(cli, OPT_VERSION))
        return code;
    return check_words(cli);
}

int cli_number(struct cli *cli, enum cli_option option, uint64_t max, uint64_t *out)
{
    const char *text = cli->value[option];
    char *end;

    if (!text)
        return CLI_DONE;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    /* strtoull takes "-1" and " 1"; people who write these mean something else. */
    if (*text < '0' || *text > '9' || *end || errno || number > max)
        return cli_usage("--%s takes a whole number, not '%s'", cli_options[option].name, text);
    *out = number;
    return CLI_DONE;
}
