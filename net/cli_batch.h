/*
 * What an import has read and not yet appended: documents, in their order, that go to the journal
 * as one frame. A message that is newer than its thread raises the thread's lastMessageAt in the
 * same frame.
 *
 * Threading: one thread.  Lifetime: ids and fields are copied.
 */
#ifndef AVJ_CLI_BATCH_H
#define AVJ_CLI_BATCH_H

#include "net/cli.h"

/* A batch is due for appending from either on. */
#define CLI_BATCH_ITEMS 500
#define CLI_BATCH_BYTES ((size_t)256 * 1024)

struct cli_item {
    uint64_t line; /* of the input, for messages */
    enum avj_op op;
    enum avj_entity entity;
    const char *id;
    const char *thread;       /* messages: the thread's id, else NULL */
    struct avj_fields fields; /* canonical */
    int64_t when_ms;          /* a message's createdAt, a thread's lastMessageAt; 0: none */
};

struct cli_batch { /* zero is empty */
    struct cli_batch_entry *entries;
    size_t count;
    struct avj_pack bytes; /* texts and fields of the entries */
};

/* Copies item into the batch.  AVJ_OK or AVJ_ENOMEM. */
enum avj_status cli_batch_add(struct cli_batch *batch, const struct cli_item *item);
bool cli_batch_due(const struct cli_batch *batch);
bool cli_batch_has(const struct cli_batch *batch, enum avj_entity entity, const char *id);
/* Item i; borrowed until the next add. */
struct cli_item cli_batch_item(const struct cli_batch *batch, size_t i);
/* Appends items [from, to) as one frame, durable; the batch stays as it is.  Errors: those of
 * avj_store_mutate. */
enum avj_status cli_batch_append(const struct cli_batch *batch, struct avj_store *store,
                                 size_t from, size_t to, struct avj_error *err);
void cli_batch_reset(struct cli_batch *batch); /* empty, memory kept */
void cli_batch_release(struct cli_batch *batch);

#endif
