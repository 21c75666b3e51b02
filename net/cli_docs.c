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

/* The first documents whose id begins with the prefix, into `text` as "a, b, c"; gives the first of
 * them. */
static const struct avj_doc *candidates(const struct avj_doc *docs, size_t count,
                                        const char *prefix, char *text, size_t size, size_t *found)
{
    const struct avj_doc *first = NULL;
    size_t used = 0;

    *found = 0;
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(docs[i].id, prefix, strlen(prefix)) != 0)
            continue;
        if (!first)
            first = &docs[i];
        if (++*found > CANDIDATES || used >= size)
            continue;
        int n = snprintf(text + used, size - used, "%s%.80s", used ? ", " : "", docs[i].id);
        used += n > 0 ? (size_t)n : 0;
    }
    return first;
}

int cli_pick(const char *what, const char *list, const struct avj_doc *docs, size_t count,
             const char *text, const struct avj_doc **out)
{
    char names[CANDIDATES * 84];
    size_t found;

    for (size_t i = 0; i < count; i++) {
        *out = &docs[i];
        if (strcmp(docs[i].id, text) == 0)
            return CLI_DONE;
    }
    if (strlen(text) < PREFIX_MIN)
        return cli_fail("there is no %s '%s' (a shortened id takes %d characters or more)", what,
                        text, PREFIX_MIN);
    *out = candidates(docs, count, text, names, sizeof(names), &found);
    if (found == 0)
        return cli_fail("there is no %s '%s'; see avchat %s", what, text, list);
    if (found == 1)
        return CLI_DONE;
    return cli_fail("'%s' fits %zu %ss: %s%s", text, found, what, names,
                    found > CANDIDATES ? ", ..." : "");
}

char *cli_resolve(struct cli *cli, enum avj_entity entity, const char *text)
{
    const struct avj_doc *docs, *picked;
    struct avj_doc doc;
    struct avj_error err = {0};
    size_t count;

    /* Whole ids need no list, which costs time in a large journal. */
    if (avj_store_get(cli->store, entity, text, &doc) == AVJ_OK)
        return copied(doc.id);
    enum avj_status status = avj_store_list(cli->store, entity, &docs, &count, &err);
    if (status != AVJ_OK) {
        (void)cli_error(cli, status, &err);
        return NULL;
    }
    const char *list = entity == AVJ_THREAD ? "thread list" : "messages THREAD";
    if (cli_pick(avj_schema(entity)->kind, list, docs, count, text, &picked) != CLI_DONE)
        return NULL;
    return copied(picked->id);
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
