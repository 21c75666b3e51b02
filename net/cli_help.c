/* --help, for all commands, for a group and for one, from the table. */
#include "net/cli.h"

#include <string.h>

#define HELP_WIDTH 78

/* Prints text in lines of HELP_WIDTH, each after `indent` spaces; the first begins in column
 * `column`. */
static void put_wrapped(const char *text, int indent, int column)
{
    while (*text) {
        int len = (int)strcspn(text, " ");
        if (column > indent && column + 1 + len > HELP_WIDTH) {
            putchar('\n');
            column = 0;
        }
        if (column < indent) {
            printf("%*s", indent - column, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%.*s", len, text);
        column += len;
        text += len;
        text += strspn(text, " ");
    }
    putchar('\n');
}

/* "left" in a column of `width`, then the text beside it, or beneath where it does not fit. */
static void put_entry(const char *left, int width, const char *text)
{
    int used = printf("  %s", left);

    if (used > width - 2) {
        putchar('\n');
        used = 0;
    }
    printf("%*s", width - used, "");
    put_wrapped(text, width, width);
}

static void put_uses(const struct cli_use *uses)
{
    char left[64];

    for (; uses->option != CLI_OPTIONS; uses++) {
        const struct cli_option_info *info = &cli_options[uses->option];
        char letter[8] = "";
        if (info->letter)
            snprintf(letter, sizeof(letter), "-%c, ", info->letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, info->name, uses->value ? " " : "",
                 uses->value ? uses->value : "");
        put_entry(left, 26, uses->help);
    }
}

static void put_command(const struct cli_command *command)
{
    char left[96];

    snprintf(left, sizeof(left), "%s%s%s", command->name, *command->words ? " " : "",
             command->words);
    put_entry(left, 30, command->summary);
}

void cli_help_all(void)
{
    printf("usage: avchat [-C DIR] [--json] COMMAND ...\n\n"
           "An offline-first journal of AI chats: everything is written here first, and synced\n"
           "with an Appwrite server when there is one.\n\nCommands:\n");
    for (size_t i = 0; i < cli_command_count; i++)
        put_command(&cli_commands[i]);
    printf("\nOptions, before or after the command:\n");
    put_uses(cli_global_uses);
    printf("\n`avchat help COMMAND` says more of one. Exit status: 0 done, 1 failed, 2 usage.\n");
}

void cli_help_group(const char *group)
{
    size_t len = strlen(group);

    printf("usage: avchat %s COMMAND ...\n\nCommands:\n", group);
    for (size_t i = 0; i < cli_command_count; i++)
        if (strncmp(cli_commands[i].name, group, len) == 0 && cli_commands[i].name[len] == ' ')
            put_command(&cli_commands[i]);
}

void cli_help_command(const struct cli_command *command)
{
    printf("usage: avchat [-C DIR] [--json] %s%s%s%s\n\n", command->name,
           command->uses ? " [OPTION ...]" : "", *command->words ? " " : "", command->words);
    put_wrapped(command->about ? command->about : command->summary, 0, 0);
    if (command->uses) {
        printf("\nOptions:\n");
        put_uses(command->uses);
    }
    printf("\nGlobal options:\n");
    put_uses(cli_global_uses);
}

int cli_cmd_help(struct cli *cli)
{
    size_t used = 0;

    if (cli->word_count == 0) {
        cli_help_all();
        return CLI_DONE;
    }
    const struct cli_command *command = cli_command_find(cli->words, cli->word_count, &used);
    if (command && used == cli->word_count) {
        cli_help_command(command);
        return CLI_DONE;
    }
    if (cli->word_count > 1 || !cli_is_group(cli->words[0]))
        return cli_usage("there is no command %s%s%s in this version; see avchat --help",
                         cli->words[0], cli->word_count > 1 ? " " : "",
                         cli->word_count > 1 ? cli->words[1] : "");
    cli_help_group(cli->words[0]);
    return CLI_DONE;
}
