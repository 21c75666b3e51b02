/* Finding the documents, and taking the texts, that arguments name. */
#include "net/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX_MIN 4
#define CANDIDATES 5

static char *copied(const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        cli_say("out of memory");
    return copy;
}

/* Ids that a word may stand for. */
struct candidates {
    char *first; /* owned */
    size_t count;
    bool exact, failed;
    char names[CANDIDATES * 84];
    size_t used;
    const char *text;
};

static bool add_candidate(void *arg, const char *id)
{
    struct candidates *c = arg;

    c->exact = strcmp(id, c->text) == 0;
    if (c->exact || c->count == 0) {
        free(c->first);
        c->first = strdup(id);
        c->failed = !c->first;
    }
    if (++c->count <= CANDIDATES && c->used < sizeof(c->names)) {
        int n = snprintf(c->names + c->used, sizeof(c->names) - c->used, "%s%.80s",
                         c->used ? ", " : "", id);
        c->used += n > 0 ? (size_t)n : 0;
    }
    return !c->exact && !c->failed;
}

/* The one id that the candidates come down to.  NULL after having said why; the caller frees. */
static char *choose(struct candidates *c, const char *what, const char *list)
{
    char *id = c->first;

    if (c->failed)
        cli_say("out of memory");
    else if (c->exact || (c->count == 1 && strlen(c->text) >= PREFIX_MIN))
        return id;
    else if (strlen(c->text) < PREFIX_MIN)
        cli_say("there is no %s '%s' (a shortened id takes %d characters or more)", what, c->text,
                PREFIX_MIN);
    else if (c->count == 0)
        cli_say("there is no %s '%s'; see avchat %s", what, c->text, list);
    else
        cli_say("'%s' fits %zu %ss: %s%s", c->text, c->count, what, c->names,
                c->count > CANDIDATES ? ", ..." : "");
    free(id);
    return NULL;
}

int cli_pick(const char *what, const char *list, const struct avj_doc *docs, size_t count,
             const char *text, const struct avj_doc **out)
{
    struct candidates c = {.text = text};

    for (size_t i = 0; i < count; i++)
        if (strncmp(docs[i].id, text, strlen(text)) == 0 && !add_candidate(&c, docs[i].id))
            break;
    char *id = choose(&c, what, list);
    if (!id)
        return CLI_FAILED;
    *out = docs;
    while (strcmp((*out)->id, id) != 0)
        (*out)++;
    free(id);
    return CLI_DONE;
}

char *cli_resolve(struct cli *cli, enum avj_entity entity, const char *text)
{
    static const char *const lists[AVJ_ENTITIES] = {
        [AVJ_THREAD] = "thread list",
        [AVJ_MESSAGE] = "messages THREAD",
        [AVJ_SUMMARY] = "summary list THREAD",
        [AVJ_PROJECT] = "project list",
    };
    struct candidates c = {.text = text};

    avj_store_ids(cli->store, entity, text, add_candidate, &c);
    return choose(&c, avj_schema(entity)->kind, lists[entity]);
}

char *cli_resolve_if_there(struct cli *cli, enum avj_entity entity, const char *text)
{
    struct candidates c = {.text = text};

    avj_store_ids(cli->store, entity, text, add_candidate, &c);
    if (c.count || c.failed)
        return choose(&c, avj_schema(entity)->kind, "");
    return copied(text);
}

int cli_check_text(const char *what, const char *text)
{
    if (cli_utf8_valid(text, strlen(text)))
        return CLI_DONE;
    return cli_usage("the %s is no UTF-8; convert it (iconv) and try again", what);
}

static int read_stdin(char **out, size_t *len)
{
    int error = cli_read_all(STDIN_FILENO, CLI_TEXT_MAX, out, len);

    if (error == EFBIG)
        return cli_fail("stdin holds more than %zu MiB, the most that a message takes",
                        CLI_TEXT_MAX >> 20);
    if (error)
        return cli_fail("stdin cannot be read: %s", strerror(error));
    if (*len && (*out)[*len - 1] == '\n')
        (*out)[--*len] = 0;
    return CLI_DONE;
}

int cli_take_text(struct cli *cli, size_t index, char **out, size_t *len)
{
    const char *word = index < cli->word_count ? cli->words[index] : "-";

    if (strcmp(word, "-") == 0) {
        int code = read_stdin(out, len);
        if (code != CLI_DONE)
            return code;
    } else {
        *out = copied(word);
        *len = strlen(word);
        if (!*out)
            return CLI_FAILED;
    }
    if (cli_utf8_valid(*out, *len))
        return CLI_DONE;
    free(*out);
    *out = NULL;
    return cli_usage("the text is no UTF-8; convert it (iconv) and try again");
}
