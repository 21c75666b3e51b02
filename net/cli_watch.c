/*
 * avchat watch: what other processes and devices do, as it happens.  A cursor reads the log ahead
 * of the view: what its entries touch is looked up before and after the view folds them in.
 */
#include "net/cli.h"
#include "replay/entry.h"

#include <stdlib.h>
#include <string.h>

/* One document that new entries touch. */
struct touched {
    enum avj_entity entity;
    char *id;
    char *thread;      /* of a message, where it is known; a deleted one has no fields any more */
    uint64_t seq;      /* of the first of those entries */
    bool only_settled; /* nothing but acknowledgements: shown only where they changed what was shown
                        */
};

/* What was last shown of a document, so that an echo is not shown again.  Colliding ones only cost
 * a line too many. */
#define SHOWN_SLOTS 4096
struct shown {
    uint64_t document, fields;
};

struct watch {
    struct cli *cli;
    char *thread; /* NULL: all */
    struct touched *touched;
    size_t count, cap;
    struct shown shown[SHOWN_SLOTS];
};

static uint64_t key_of(enum avj_entity entity, const char *id)
{
    return avj_hash64(id, strlen(id)) + (uint64_t)entity;
}

static struct shown *slot_of(struct watch *watch, uint64_t key)
{
    return &watch->shown[key % SHOWN_SLOTS];
}

/* True where exactly this was shown last; notes it as shown. */
static bool shown_already(struct watch *watch, const struct avj_doc *doc)
{
    uint64_t key = key_of(doc->entity, doc->id);
    uint64_t fields = avj_hash64(doc->fields.data, doc->fields.len);
    struct shown *slot = slot_of(watch, key);
    bool same = slot->document == key && slot->fields == fields;

    *slot = (struct shown){key, fields};
    return same;
}

static char *thread_of(const struct avj_doc *doc)
{
    struct avj_tree *tree;
    char *thread = NULL;

    if (avj_tree_parse(doc->fields.data, doc->fields.len, &tree) != AVJ_OK)
        return NULL;
    struct avj_slice text = avj_value_get_text(avj_tree_root(tree), "threadId");
    if (text.data)
        thread = strndup(text.data, text.len);
    avj_tree_free(tree);
    return thread;
}

static struct touched *find_touched(struct watch *watch, const struct avj_entry *entry)
{
    for (size_t i = watch->count; i-- > 0;) {
        struct touched *touched = &watch->touched[i];
        if (touched->entity == entry->entity && strlen(touched->id) == entry->id.len &&
            memcmp(touched->id, entry->id.data, entry->id.len) == 0)
            return touched;
    }
    return NULL;
}

static struct touched *add_touched(struct watch *watch, const struct avj_entry *entry, uint64_t seq)
{
    struct avj_doc doc;

    if (watch->count == watch->cap) {
        size_t cap = watch->cap ? watch->cap * 2 : 64;
        struct touched *grown = reallocarray(watch->touched, cap, sizeof(*grown));
        if (!grown)
            return NULL;
        watch->touched = grown;
        watch->cap = cap;
    }
    char *id = strndup(entry->id.data, entry->id.len);
    if (!id)
        return NULL;
    struct touched *touched = &watch->touched[watch->count++];
    *touched = (struct touched){entry->entity, id, NULL, seq, true};
    if (entry->entity == AVJ_MESSAGE &&
        avj_store_get(watch->cli->store, AVJ_MESSAGE, id, &doc) == AVJ_OK)
        touched->thread = thread_of(&doc);
    return touched;
}

/* Entries that can change what is visible.  AVJ_ENOMEM where it cannot be noted. */
static enum avj_status note_entry(struct watch *watch, const struct avj_entry *entry, uint64_t seq)
{
    bool settles = entry->type == AVJ_E_ACK;

    if (!entry->has_document || (entry->entity != AVJ_MESSAGE && entry->entity != AVJ_THREAD))
        return AVJ_OK;
    if (entry->type != AVJ_E_LOCAL && entry->type != AVJ_E_REMOTE && entry->type != AVJ_E_DROP &&
        !settles)
        return AVJ_OK;
    struct touched *touched = find_touched(watch, entry);
    if (!touched)
        touched = add_touched(watch, entry, seq);
    if (!touched)
        return AVJ_ENOMEM;
    touched->only_settled = touched->only_settled && settles;
    return AVJ_OK;
}

/* A frame's worth of entries at most, so that a long catching-up shows something early. */
#define TOUCHED_AT_ONCE 512

static enum avj_status read_ahead(struct watch *watch, struct avj_cursor *cursor,
                                  struct avj_error *err)
{
    struct avj_record record;
    struct avj_entry entry;
    enum avj_status status = AVJ_OK;

    while (watch->count < TOUCHED_AT_ONCE &&
           (status = avj_cursor_next(cursor, &record, err)) == AVJ_OK) {
        status = avj_entry_decode(record.data, record.len, &entry, err);
        if (status == AVJ_EFORMAT)
            continue;
        if (status == AVJ_OK) {
            status = note_entry(watch, &entry, record.seq);
            avj_entry_release(&entry);
        }
        if (status != AVJ_OK)
            return avj_fail(err, status, "%s", avj_status_text(status));
    }
    return status;
}

static void put_deleted(struct watch *watch, const struct touched *touched)
{
    struct cli *cli = watch->cli;

    slot_of(watch, key_of(touched->entity, touched->id))->document = 0;
    if (cli->json) {
        cli_json(cli, json_pack("{s:s, s:s, s:s, s:s*}", "event", "deleted", "kind",
                                avj_schema(touched->entity)->kind, "id", touched->id, "threadId",
                                touched->thread));
        return;
    }
    cli_cell_text(cli, 7, "deleted");
    cli_cell_text(cli, 7, avj_schema(touched->entity)->kind);
    cli_cell_text(cli, 36, touched->id);
    cli_row_end(cli);
}

static void put_text(struct cli *cli, const struct avj_doc *doc)
{
    struct avj_tree *tree;

    if (avj_tree_parse(doc->fields.data, doc->fields.len, &tree) != AVJ_OK)
        return;
    struct avj_value fields = avj_tree_root(tree);
    bool message = doc->entity == AVJ_MESSAGE;
    struct avj_slice role = avj_value_get_text(fields, "role");
    struct avj_slice text = avj_value_get_text(fields, message ? "content" : "title");
    if (message)
        cli_cell(cli, 9, role.data ? role.data : "", role.len);
    cli_cell(cli, 0, text.data ? text.data : "", text.len);
    avj_tree_free(tree);
}

static void put_document(struct cli *cli, const char *event, const struct avj_doc *doc)
{
    if (cli->json) {
        json_t *json = cli_doc_json(doc, true);
        json_t *line = json_pack("{s:s}", "event", event);
        if (!json || !line || json_object_update(line, json) < 0) {
            json_decref(line);
            line = NULL;
        }
        json_decref(json);
        cli_json(cli, line);
        return;
    }
    cli_cell_text(cli, 7, event);
    cli_cell_text(cli, 7, avj_schema(doc->entity)->kind);
    cli_cell_text(cli, 36, doc->id);
    put_text(cli, doc);
    cli_row_end(cli);
}

/* A message whose thread nobody knows any more is shown: a line too many, not one missing. */
static bool of_interest(const struct watch *watch, const struct touched *touched,
                        const char *thread)
{
    if (!watch->thread)
        return true;
    if (touched->entity == AVJ_THREAD)
        return strcmp(touched->id, watch->thread) == 0;
    return !thread || strcmp(thread, watch->thread) == 0;
}

static void show(struct watch *watch, const struct touched *touched)
{
    struct avj_doc doc;
    struct cli *cli = watch->cli;

    if (avj_store_get(cli->store, touched->entity, touched->id, &doc) != AVJ_OK) {
        if (!touched->only_settled && of_interest(watch, touched, touched->thread))
            put_deleted(watch, touched);
        return;
    }
    uint64_t key = key_of(doc.entity, doc.id);
    if (touched->only_settled && slot_of(watch, key)->document != key)
        return;
    char *thread = doc.entity == AVJ_MESSAGE ? thread_of(&doc) : NULL;
    if (of_interest(watch, touched, thread) && !shown_already(watch, &doc))
        put_document(cli, "changed", &doc);
    free(thread);
}

static void forget_touched(struct watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        free(watch->touched[i].id);
        free(watch->touched[i].thread);
    }
    watch->count = 0;
}

/* Shows everything up to the log's end as it is now. */
static int catch_up(struct watch *watch, struct avj_cursor *cursor)
{
    struct cli *cli = watch->cli;
    struct avj_error err = {0};
    enum avj_status ahead = AVJ_OK;

    while (ahead == AVJ_OK && cli_flush(cli)) {
        ahead = read_ahead(watch, cursor, &err);
        if (ahead != AVJ_OK && ahead != AVJ_END)
            return cli_error(cli, ahead, &err);
        enum avj_status status = avj_store_refresh(cli->store, NULL, &err);
        if (status != AVJ_OK)
            return cli_error(cli, status, &err);
        for (size_t i = 0; i < watch->count; i++)
            show(watch, &watch->touched[i]);
        forget_touched(watch);
    }
    return cli_flush(cli) ? CLI_DONE : CLI_FAILED;
}

static int follow(struct watch *watch, struct avj_cursor *cursor, uint64_t from)
{
    struct cli *cli = watch->cli;
    struct avj_journal *journal = avj_store_journal(cli->store);
    struct cli_stop stop;

    int code = cli_stop_install(&stop);
    if (code == CLI_DONE && cli->json)
        cli_json(cli, json_pack("{s:I}", "watching", (json_int_t)from));
    else if (code == CLI_DONE && cli->terminal)
        fputs("watching; Ctrl-C ends it\n", stderr);
    while (code == CLI_DONE) {
        avj_journal_woken(journal);
        code = catch_up(watch, cursor);
        if (code == CLI_DONE && !cli_stop_wait(&stop, avj_journal_wake_fd(journal)))
            break;
    }
    return code;
}

static int watch_from_here(struct watch *watch)
{
    struct cli *cli = watch->cli;
    struct avj_journal *journal = avj_store_journal(cli->store);
    struct avj_journal_info info;
    struct avj_cursor *cursor;
    struct avj_error err = {0};

    /* Waking begins before the end is taken, so that nothing falls between. */
    (void)avj_journal_wake_fd(journal);
    enum avj_status status = avj_journal_info(journal, &info, &err);
    if (status == AVJ_OK)
        status = avj_cursor_open(journal, info.next_seq, &cursor, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    int code = follow(watch, cursor, info.next_seq);
    avj_cursor_close(cursor);
    return code;
}

int cli_cmd_watch(struct cli *cli)
{
    struct watch *watch = calloc(1, sizeof(*watch));
    int code = CLI_DONE;

    if (!watch)
        return cli_fail("out of memory");
    watch->cli = cli;
    if (cli->word_count && !(watch->thread = cli_resolve(cli, AVJ_THREAD, cli->words[0])))
        code = CLI_FAILED;
    if (code == CLI_DONE)
        code = watch_from_here(watch);
    forget_touched(watch);
    free(watch->touched);
    free(watch->thread);
    free(watch);
    return code;
}
