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
    struct place *place;
    char **texts;
    size_t count, text_count;
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
    for (size_t i = 0; i < places->text_count; i++)
        free(places->texts[i]);
    free(places->texts);
    free(places->place);
}

static const char *keep(struct places *places, const char *text, size_t len)
{
    char *copy = strndup(text ? text : "", len);

    if (copy)
        places->texts[places->text_count++] = copy;
    return copy;
}

static const char *keep_thread(struct places *places, const struct avj_doc *doc)
{
    struct avj_tree *tree;

    if (avj_tree_parse(doc->fields.data, doc->fields.len, &tree) != AVJ_OK)
        return NULL;
    struct avj_slice thread = avj_value_get_text(avj_tree_root(tree), "threadId");
    const char *kept = keep(places, thread.data, thread.len);
    avj_tree_free(tree);
    return kept;
}

/* Ids are copied because a list is only borrowed until the store is asked for the next. */
static int places_of(struct cli *cli, enum avj_entity entity, struct places *places)
{
    const struct avj_doc *docs;
    struct avj_error err = {0};
    size_t count;

    *places = (struct places){0};
    enum avj_status status = avj_store_list(cli->store, entity, &docs, &count, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    places->place = calloc(count + 1, sizeof(*places->place));
    places->texts = calloc(count + 1, 2 * sizeof(*places->texts));
    if (!places->place || !places->texts)
        return cli_fail("out of memory");
    for (size_t i = 0; i < count; i++) {
        struct place *place = &places->place[places->count++];
        place->created_ms = docs[i].created_ms;
        place->id = keep(places, docs[i].id, strlen(docs[i].id));
        place->group = entity == AVJ_SUMMARY ? keep_thread(places, &docs[i]) : "";
        if (!place->id || !place->group)
            return cli_fail("out of memory");
    }
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

static int put_messages(struct cli *cli, const char *thread)
{
    const struct avj_doc *docs;
    struct avj_error err = {0};
    size_t count;

    enum avj_status status = avj_store_messages(cli->store, thread, NULL, 0, &docs, &count, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    for (size_t i = 0; i < count && !cli->output_failed; i++)
        cli_json(cli, cli_doc_json(&docs[i], false));
    return CLI_DONE;
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

static int put_thread(struct cli *cli, const char *thread, const struct places *summaries)
{
    int code = put_doc(cli, AVJ_THREAD, thread);

    if (code == CLI_DONE)
        code = put_messages(cli, thread);
    for (size_t i = group_begin(summaries, thread); code == CLI_DONE && i < summaries->count; i++) {
        if (strcmp(summaries->place[i].group, thread) != 0)
            break;
        code = put_doc(cli, AVJ_SUMMARY, summaries->place[i].id);
    }
    return code;
}

/* Messages whose thread has not arrived, or was deleted elsewhere, have no place in an export. */
static void name_the_rest(struct cli *cli)
{
    const struct avj_doc *threads;
    struct avj_store_status status;
    size_t count, listed = 0;

    if (avj_store_status(cli->store, &status, NULL) != AVJ_OK ||
        avj_store_list(cli->store, AVJ_THREAD, &threads, &count, NULL) != AVJ_OK)
        return;
    for (size_t i = 0; i < count; i++)
        listed += threads[i].messages;
    if (status.visible[AVJ_MESSAGE] > listed)
        cli_say("%llu messages of threads that are not here were left out",
                (unsigned long long)(status.visible[AVJ_MESSAGE] - listed));
}

static int put_all(struct cli *cli, const struct places *summaries)
{
    struct places projects, threads = {0};

    int code = places_of(cli, AVJ_PROJECT, &projects);
    for (size_t i = 0; code == CLI_DONE && i < projects.count && !cli->output_failed; i++)
        code = put_doc(cli, AVJ_PROJECT, projects.place[i].id);
    if (code == CLI_DONE)
        code = places_of(cli, AVJ_THREAD, &threads);
    for (size_t i = 0; code == CLI_DONE && i < threads.count && !cli->output_failed; i++)
        code = put_thread(cli, threads.place[i].id, summaries);
    if (code == CLI_DONE)
        name_the_rest(cli);
    places_free(&projects);
    places_free(&threads);
    return code;
}

int cli_cmd_export(struct cli *cli)
{
    struct places summaries;
    char *thread = NULL;

    if (cli->word_count && !(thread = cli_resolve(cli, AVJ_THREAD, cli->words[0])))
        return CLI_FAILED;
    int code = places_of(cli, AVJ_SUMMARY, &summaries);
    if (code == CLI_DONE)
        code = thread ? put_thread(cli, thread, &summaries) : put_all(cli, &summaries);
    places_free(&summaries);
    free(thread);
    return code;
}
