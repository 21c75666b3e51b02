/*
 * avchat export: projects; then threads by (createdAt, id), each followed by its messages, oldest
 * first, and its summaries. What this prints, import takes, and gives the same lines again.
 */
#include "net/cli.h"

#include <stdlib.h>
#include <string.h>

/* A document by what orders it; `group` is the thread of a summary, else "". */
struct place {
    const char *group;
    int64_t created_ms;
    const char *id;
};

/* All of one entity, sorted by (group, createdAt, id); owns its texts. */
struct places {
    enum avj_entity entity;
    struct place *place;
    size_t count, cap;
    bool failed;
};

static int by_place(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    int order = strcmp(a->group, b->group);

    if (order)
        return order;
    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms ? -1 : 1;
    return strcmp(a->id, b->id);
}

static void places_free(struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        free((char *)places->place[i].id);
    free(places->place);
}

/* Id and group in one piece of memory: "ID\0GROUP". */
static bool keep(struct places *places, const struct avj_doc *doc, struct avj_slice group)
{
    size_t len = strlen(doc->id) + 1;

    if (places->count == places->cap) {
        size_t cap = places->cap ? places->cap * 2 : 64;
        struct place *grown = realloc(places->place, cap * sizeof(*grown));
        if (!grown)
            return false;
        places->place = grown;
        places->cap = cap;
    }
    char *text = malloc(len + group.len + 1);
    if (!text)
        return false;
    memcpy(text, doc->id, len);
    if (group.len)
        memcpy(text + len, group.data, group.len);
    text[len + group.len] = 0;
    places->place[places->count++] = (struct place){text + len, doc->created_ms, text};
    return true;
}

static bool take_place(void *arg, const struct avj_doc *doc)
{
    struct places *places = arg;
    struct avj_slice group = {0};
    struct avj_tree *tree = NULL;

    if (places->entity == AVJ_SUMMARY &&
        avj_tree_parse(doc->fields.data, doc->fields.len, &tree) == AVJ_OK)
        group = avj_value_get_text(avj_tree_root(tree), "threadId");
    places->failed = (places->entity == AVJ_SUMMARY && !tree) || !keep(places, doc, group);
    avj_tree_free(tree);
    return !places->failed;
}

static int places_of(struct cli *cli, enum avj_entity entity, struct places *places)
{
    struct avj_error err = {0};

    *places = (struct places){.entity = entity};
    enum avj_status status = avj_store_walk(cli->store, entity, take_place, places, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    if (places->failed)
        return cli_fail("out of memory");
    if (places->count)
        qsort(places->place, places->count, sizeof(*places->place), by_place);
    return CLI_DONE;
}

static int put_doc(struct cli *cli, enum avj_entity entity, const char *id)
{
    struct avj_doc doc;

    enum avj_status status = avj_store_get(cli->store, entity, id, &doc);
    if (status != AVJ_OK)
        return cli_error(cli, status, NULL);
    cli_json(cli, cli_doc_json(&doc, false));
    return CLI_DONE;
}

struct exported {
    struct cli *cli;
    uint64_t messages;
};

static bool put_message(void *arg, const struct avj_doc *doc, int *code)
{
    struct exported *e = arg;

    (void)code;
    cli_json(e->cli, cli_doc_json(doc, false));
    e->messages++;
    return true;
}

/* The first place of a group; summaries are sorted by it. */
static size_t group_begin(const struct places *places, const char *group)
{
    size_t low = 0, high = places->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(places->place[middle].group, group) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int put_thread(struct exported *e, const char *thread, const struct places *summaries)
{
    int code = put_doc(e->cli, AVJ_THREAD, thread);

    if (code == CLI_DONE)
        code = cli_each_message(e->cli, thread, NULL, NULL, put_message, e);
    for (size_t i = group_begin(summaries, thread); code == CLI_DONE && i < summaries->count; i++) {
        if (strcmp(summaries->place[i].group, thread) != 0)
            break;
        code = put_doc(e->cli, AVJ_SUMMARY, summaries->place[i].id);
    }
    return code;
}

/* Messages whose thread has not arrived, or was deleted elsewhere, have no place in an export. */
static void name_the_rest(const struct exported *e)
{
    struct avj_store_status status;

    if (avj_store_status(e->cli->store, &status, NULL) != AVJ_OK || e->cli->output_failed)
        return;
    if (status.visible[AVJ_MESSAGE] > e->messages)
        cli_say("%llu messages of threads that are not here were left out",
                (unsigned long long)(status.visible[AVJ_MESSAGE] - e->messages));
}

static int put_all(struct cli *cli, const struct places *summaries)
{
    struct exported e = {.cli = cli};
    struct places projects, threads = {0};

    int code = places_of(cli, AVJ_PROJECT, &projects);
    for (size_t i = 0; code == CLI_DONE && i < projects.count && !cli->output_failed; i++)
        code = put_doc(cli, AVJ_PROJECT, projects.place[i].id);
    if (code == CLI_DONE)
        code = places_of(cli, AVJ_THREAD, &threads);
    for (size_t i = 0; code == CLI_DONE && i < threads.count && !cli->output_failed; i++)
        code = put_thread(&e, threads.place[i].id, summaries);
    if (code == CLI_DONE)
        name_the_rest(&e);
    places_free(&projects);
    places_free(&threads);
    return code;
}

int cli_cmd_export(struct cli *cli)
{
    struct exported e = {.cli = cli};
    struct places summaries;
    char *thread = NULL;

    if (cli->word_count && !(thread = cli_resolve(cli, AVJ_THREAD, cli->words[0])))
        return CLI_FAILED;
    int code = places_of(cli, AVJ_SUMMARY, &summaries);
    if (code == CLI_DONE)
        code = thread ? put_thread(&e, thread, &summaries) : put_all(cli, &summaries);
    places_free(&summaries);
    free(thread);
    return code;
}
