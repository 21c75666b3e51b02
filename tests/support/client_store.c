/* See client_store.h. */
#include "tests/support/client_store.h"

#include "tests/support/files.h"
#include "net/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(enum avj_status status, const struct avj_error *err, const char *what)
{
    if (status == AVJ_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, err->message);
    abort();
}

static void open_store(struct client_store *it)
{
    struct avj_error err = {.status = AVJ_OK};
    check(avj_store_open(it->dir, NULL, &it->store, &err), &err, "open the store");
}

void client_store_open(struct client_store *it)
{
    struct avj_error err = {.status = AVJ_OK};
    struct avj_upstream up = {.endpoint = "http://fake/v1", .project = "p", .database = "main"};
    it->dir = test_dir_new();
    check(avj_store_create(it->dir, &up, NULL, &err), &err, "create a store");
    open_store(it);
    check(avj_sync_login(it->store, "alice", "alice@localhost", &err), &err, "log in");
    it->aw = (struct avj_appwrite){.endpoint = "http://fake/v1",
                                   .project = "p",
                                   .database = "main",
                                   .user = "alice",
                                   .secret = "s",
                                   .version = 1008};
    for (int e = 0; e < AVJ_ENTITIES; e++)
        it->aw.collections[e] = avj_schema((enum avj_entity)e)->collection;
}

void client_store_reopen(struct client_store *it)
{
    avj_store_close(it->store);
    open_store(it);
}

void client_store_close(struct client_store *it)
{
    avj_store_close(it->store);
    test_dir_free(it->dir);
    *it = (struct client_store){.dir = NULL};
}

void client_mutate(struct client_store *it, enum avj_op op, enum avj_entity entity, const char *id,
                   json_t *fields)
{
    struct avj_error err = {.status = AVJ_OK};
    struct avj_pack pack = {.len = 0};
    if (fields)
        avj_json_pack(&pack, fields);
    json_decref(fields);
    struct avj_mutation mutation = {
        .op = op, .entity = entity, .id = id, .fields = {pack.data, pack.len}};
    check(avj_store_mutate(it->store, &mutation, 1, AVJ_DURABLE, NULL, &err), &err, "mutate");
    avj_pack_release(&pack);
}

#define NOON "2026-11-22T12:00:00.000+00:00"

void client_thread(struct client_store *it, const char *id)
{
    client_mutate(it, AVJ_CREATE, AVJ_THREAD, id,
                  json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "id", id, "title", "A thread",
                            "createdAt", NOON, "updatedAt", NOON, "lastMessageAt", NOON, "isPinned",
                            0));
}

void client_message(struct client_store *it, const char *id, const char *thread,
                    const char *content)
{
    client_mutate(it, AVJ_CREATE, AVJ_MESSAGE, id,
                  json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "threadId", thread, "role",
                            "user", "content", content, "createdAt", NOON));
}

void client_edit(struct client_store *it, const char *id, const char *content)
{
    client_mutate(it, AVJ_UPDATE, AVJ_MESSAGE, id, json_pack("{s:s}", "content", content));
}

struct avj_store_status client_status(struct client_store *it)
{
    struct avj_error err = {.status = AVJ_OK};
    struct avj_store_status status;
    check(avj_store_status(it->store, &status, &err), &err, "status");
    return status;
}

char *client_text(struct client_store *it, enum avj_entity entity, const char *id,
                  const char *field)
{
    struct avj_doc doc;
    struct avj_tree *tree;
    if (avj_store_get(it->store, entity, id, &doc) ||
        avj_tree_parse(doc.fields.data, doc.fields.len, &tree))
        return NULL;
    struct avj_slice text = avj_value_get_text(avj_tree_root(tree), field);
    char *copy = text.data ? strndup(text.data, text.len) : NULL;
    avj_tree_free(tree);
    return copy;
}
