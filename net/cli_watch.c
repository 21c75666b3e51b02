/*
 * avchat watch: what this machine's processes and other devices do, as it happens.  A subscription
 * says when to look and, while the store folds in, what every entry did; what has become of those
 * documents is looked up and shown afterwards.
 */
#include "net/cli.h"
#include "replay/events.h"
#include "replay/stream.h"

#include <stdlib.h>
#include <string.h>

/* A change that is to be shown. */
struct note {
    enum avj_entity entity;
    char *id;
    char *thread; /* of a message or a summary; NULL */
    uint64_t seq;
    bool remote, appeared, vanished, refused;
    bool stream; /* an answer grows: */
    enum avj_stream_op op;
    uint64_t offset;
    char *delta;
    size_t len;
};

struct watch {
    struct cli *cli;
    char *thread; /* NULL: all */
    struct note *notes;
    size_t count, cap;
    size_t streams;     /* of the notes: about streams */
    bool out_of_memory; /* a note could not be taken */
    char *talking;      /* message whose text stands on the last line, which is open; NULL */
    /* Of this round, numbers of notes, from 1, by what they are about. */
    size_t *shown, shown_cap;
};

/* ---- taking notes ---- */

/* A message whose thread nobody knows is shown: a line too many, not one missing. */
static bool of_interest(const struct watch *watch, const struct avj_change *change)
{
    bool told = change->shows || change->type == AVJ_E_REJECT || change->type == AVJ_E_STREAM;
    if (change->entity == AVJ_ENTITIES || !told)
        return false;
    if (!watch->thread)
        return true;
    const char *thread = change->entity == AVJ_THREAD ? change->id : change->thread;
    if (!thread)
        return change->entity != AVJ_PROJECT;
    return strcmp(thread, watch->thread) == 0;
}

static struct note *new_note(struct watch *watch)
{
    if (watch->count == watch->cap) {
        size_t cap = watch->cap ? watch->cap * 2 : 64;
        struct note *grown = reallocarray(watch->notes, cap, sizeof(*grown));
        if (!grown)
            return NULL;
        watch->notes = grown;
        watch->cap = cap;
    }
    return &watch->notes[watch->count];
}

static bool copy_delta(struct note *note, const struct avj_change_stream *stream)
{
    note->stream = true;
    note->op = stream->op;
    note->offset = stream->offset;
    note->len = stream->delta.len;
    note->delta = malloc(note->len + 1);
    if (note->delta && note->len)
        memcpy(note->delta, stream->delta.data, note->len);
    return note->delta != NULL;
}

static void take_note(void *arg, const struct avj_change *change)
{
    struct watch *watch = arg;

    if (!of_interest(watch, change))
        return;
    struct note *note = new_note(watch);
    char *id = strdup(change->id);
    char *thread = change->thread ? strdup(change->thread) : NULL;
    if (!note || !id || (change->thread && !thread)) {
        watch->out_of_memory = true;
        free(id);
        free(thread);
        return;
    }
    *note = (struct note){.entity = change->entity,
                          .id = id,
                          .thread = thread,
                          .seq = change->seq,
                          .remote = change->remote,
                          .appeared = change->appeared,
                          .vanished = change->vanished,
                          .refused = change->type == AVJ_E_REJECT};
    watch->count++;
    if (change->type != AVJ_E_STREAM)
        return;
    watch->streams++;
    if (!copy_delta(note, &change->stream))
        watch->out_of_memory = true;
}

static void forget_notes(struct watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        free(watch->notes[i].id);
        free(watch->notes[i].thread);
        free(watch->notes[i].delta);
    }
    watch->count = watch->streams = 0;
}

/* ---- showing: JSON ---- */

/* Puts what is known of the change itself behind the document's own keys. */
static json_t *with_origin(json_t *json, const struct note *note)
{
    if (!json ||
        json_object_set_new(json, "origin", json_string(note->remote ? "remote" : "local")) < 0 ||
        json_object_set_new(json, "seq", json_integer((json_int_t)note->seq)) < 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* doc NULL: it is not there any more. */
static json_t *event_json(const struct note *note, const char *event, const struct avj_doc *doc)
{
    if (!doc)
        return json_pack("{s:s, s:s, s:s, s:s*}", "event", event, "kind",
                         avj_schema(note->entity)->kind, "id", note->id, "threadId", note->thread);
    json_t *json = json_pack("{s:s}", "event", event);
    json_t *fields = cli_doc_json(doc, true);
    if (!json || !fields || json_object_update(json, fields) < 0) {
        json_decref(json);
        json = NULL;
    }
    json_decref(fields);
    if (json && note->refused && doc->parked) {
        json_object_set_new(json, "status", json_integer(doc->reject_status));
        json_object_set_new(json, "message",
                            json_string(doc->reject_message ? doc->reject_message : ""));
    }
    return json;
}

/* ---- showing: text ---- */

#define ID_SHORT    8
#define TITLE_WIDTH 24

/* A uuid's first characters are enough for the other commands, and for eyes. */
static void put_id(struct cli *cli, const char *id)
{
    size_t len = strlen(id);
    bool uuid = len == AVJ_ID_TEXT - 1 && id[ID_SHORT] == '-';

    cli_cell(cli, ID_SHORT, id, cli->terminal && uuid ? ID_SHORT : len);
}

/* The thread that something is, or belongs to: for people by its title, else by its id. */
static void put_thread(struct cli *cli, const char *thread)
{
    struct avj_doc doc;
    struct avj_tree *tree = NULL;
    struct avj_slice name = {thread, thread ? strlen(thread) : 0};

    if (cli->terminal && thread && avj_store_get(cli->store, AVJ_THREAD, thread, &doc) == AVJ_OK &&
        avj_tree_parse(doc.fields.data, doc.fields.len, &tree) == AVJ_OK) {
        struct avj_slice title = avj_value_get_text(avj_tree_root(tree), "title");
        if (title.data)
            name = title;
    }
    size_t len =
        cli->terminal ? cli_utf8_cut(name.data ? name.data : "", name.len, TITLE_WIDTH) : name.len;
    cli_cell(cli, TITLE_WIDTH, name.data ? name.data : "", len);
    avj_tree_free(tree);
}

static const char *text_field(enum avj_entity entity)
{
    static const char *const names[AVJ_ENTITIES] = {
        [AVJ_THREAD] = "title",
        [AVJ_MESSAGE] = "content",
        [AVJ_SUMMARY] = "content",
        [AVJ_PROJECT] = "name",
    };
    return names[entity];
}

/* Who and what. */
static void put_text(struct cli *cli, const struct note *note, const struct avj_doc *doc,
                     bool silent)
{
    struct avj_tree *tree = NULL;
    struct avj_slice role = {NULL, 0}, text = {NULL, 0};

    if (doc && avj_tree_parse(doc->fields.data, doc->fields.len, &tree) == AVJ_OK) {
        struct avj_value fields = avj_tree_root(tree);
        if (note->entity == AVJ_MESSAGE)
            role = avj_value_get_text(fields, "role");
        text = avj_value_get_text(fields, text_field(note->entity));
    }
    cli_cell(cli, 9, role.data ? role.data : "", role.len);
    /* Of a thread its title stands in its column. */
    bool said = silent || (cli->terminal && note->entity == AVJ_THREAD);
    if (doc && note->refused && doc->reject_message)
        cli_cell_text(cli, 0, doc->reject_message);
    else
        cli_cell(cli, 0, text.data ? text.data : "", said ? 0 : text.len);
    avj_tree_free(tree);
}

/* What happened to what, without what it says now. */
static void put_origin(struct cli *cli, const struct note *note, const char *event)
{
    cli_cell_text(cli, 7, event);
    cli_cell_text(cli, 7, avj_schema(note->entity)->kind);
    put_id(cli, note->id);
    cli_cell_text(cli, 6, note->remote ? "remote" : "local");
    put_thread(cli, note->entity == AVJ_THREAD ? note->id : note->thread);
}

/* silent: its text comes as that of a stream. */
static void put_row(struct cli *cli, const struct note *note, const char *event, bool silent)
{
    struct avj_doc doc;

    put_origin(cli, note, event);
    /* One document of the store's at a time: the thread's is done with. */
    bool there = avj_store_get(cli->store, note->entity, note->id, &doc) == AVJ_OK;
    put_text(cli, note, there ? &doc : NULL, silent);
    cli_row_end(cli);
}

/* ---- showing: answers that grow ---- */

static json_t *stream_json(const struct note *note)
{
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s*, s:I}", "event", "stream", "kind", "message", "id",
                  note->id, "threadId", note->thread, "offset", (json_int_t)note->offset);
    int failed = !json;

    if (json && note->op == AVJ_STREAM_APPEND)
        failed = json_object_set_new(json, "delta", json_stringn(note->delta, note->len));
    else if (json)
        failed = json_object_set_new(json, avj_stream_op_name(note->op), json_true());
    if (!failed)
        return with_origin(json, note);
    json_decref(json);
    return NULL;
}

/* The line with a stream's text is over. */
static void hush(struct watch *watch)
{
    if (watch->talking)
        cli_row_end(watch->cli);
    free(watch->talking);
    watch->talking = NULL;
}

/* For people the text goes on where it was, unless something else was said meanwhile. */
static enum avj_status talk(struct watch *watch, const struct note *note)
{
    struct cli *cli = watch->cli;

    if (!watch->talking || strcmp(watch->talking, note->id) != 0) {
        hush(watch);
        put_origin(cli, note, "stream");
        cli_cell_text(cli, 0, "");
        watch->talking = strdup(note->id);
    }
    cli_put_safe(stdout, note->delta, note->len, true);
    return watch->talking ? AVJ_OK : AVJ_ENOMEM;
}

static enum avj_status show_stream(struct watch *watch, const struct note *note)
{
    struct cli *cli = watch->cli;
    bool append = note->op == AVJ_STREAM_APPEND;

    if (cli->json) {
        cli_json(cli, stream_json(note));
        return AVJ_OK;
    }
    if (append && cli->terminal)
        return talk(watch, note);
    hush(watch);
    if (note->op == AVJ_STREAM_BEGIN)
        return AVJ_OK; /* its message was made, or is gone on with: the text says so */
    put_origin(cli, note, append ? "stream" : note->op == AVJ_STREAM_END ? "ended" : "interrupted");
    cli_cell_text(cli, 9, "");
    cli_cell(cli, 0, note->delta, note->len);
    cli_row_end(cli);
    return AVJ_OK;
}

/* Is there something about its stream in the same round? */
static bool streams_too(const struct watch *watch, size_t at)
{
    const struct note *note = &watch->notes[at];

    if (watch->cli->json || !watch->streams || note->entity != AVJ_MESSAGE)
        return false;
    for (size_t i = at + 1; i < watch->count; i++)
        if (watch->notes[i].stream && strcmp(watch->notes[i].id, note->id) == 0)
            return true;
    return false;
}

/* What has come of those that grow already. */
static enum avj_status show_growing(struct watch *watch)
{
    const struct avj_stream_info *streams;
    size_t count;

    enum avj_status status = avj_store_streams(watch->cli->store, &streams, &count, NULL);
    for (size_t i = 0; status == AVJ_OK && i < count; i++) {
        struct avj_slice text;
        const struct avj_stream_info *s = &streams[i];
        if (watch->thread && (!s->thread || strcmp(s->thread, watch->thread) != 0))
            continue;
        status = avj_stream_text(watch->cli->store, s->message, 0, &text);
        struct note note = {.entity = AVJ_MESSAGE,
                            .id = (char *)(uintptr_t)s->message,
                            .thread = (char *)(uintptr_t)s->thread,
                            .stream = true,
                            .op = AVJ_STREAM_APPEND,
                            .delta = (char *)(uintptr_t)text.data,
                            .len = text.len};
        if (status == AVJ_OK)
            status = show_stream(watch, &note);
        note = (struct note){.entity = AVJ_MESSAGE,
                             .id = note.id,
                             .thread = note.thread,
                             .stream = true,
                             .op = AVJ_STREAM_INTERRUPTED,
                             .offset = text.len};
        if (status == AVJ_OK && s->interrupted)
            status = show_stream(watch, &note);
    }
    return status;
}

/* ---- showing ---- */

/* One line a document is enough, with the state that it has at the end of the round. */
static enum avj_status begin_showing(struct watch *watch)
{
    watch->shown_cap = 16;
    while (watch->shown_cap < watch->count * 2)
        watch->shown_cap *= 2;
    free(watch->shown);
    watch->shown = calloc(watch->shown_cap, sizeof(*watch->shown));
    return watch->shown ? AVJ_OK : AVJ_ENOMEM;
}

static bool shown_already(struct watch *watch, size_t at)
{
    const struct note *note = &watch->notes[at];
    size_t slot = (size_t)avj_hash64(note->id, strlen(note->id)) & (watch->shown_cap - 1);

    for (; watch->shown[slot]; slot = (slot + 1) & (watch->shown_cap - 1)) {
        const struct note *other = &watch->notes[watch->shown[slot] - 1];
        if (other->entity == note->entity && other->refused == note->refused &&
            strcmp(other->id, note->id) == 0)
            return true;
    }
    watch->shown[slot] = at + 1;
    return false;
}

/* Is it what a message does to its thread as it is sent, in the entry behind it?  People have seen
 * the message. */
static bool goes_without_saying(const struct watch *watch, size_t at)
{
    const struct note *note = &watch->notes[at], *before = at ? note - 1 : NULL;

    return !watch->cli->json && before && note->entity == AVJ_THREAD && !note->appeared &&
           !note->vanished && before->entity == AVJ_MESSAGE && before->appeared &&
           before->seq + 1 == note->seq && before->thread && strcmp(before->thread, note->id) == 0;
}

static enum avj_status show(struct watch *watch, size_t at)
{
    const struct note *note = &watch->notes[at];
    struct cli *cli = watch->cli;
    struct avj_doc doc;

    if (note->stream)
        return show_stream(watch, note);
    bool streams = streams_too(watch, at);
    if (goes_without_saying(watch, at) || (streams && !note->appeared && !note->vanished) ||
        shown_already(watch, at))
        return AVJ_OK;
    enum avj_status status = avj_store_get(cli->store, note->entity, note->id, &doc);
    if (status != AVJ_OK && status != AVJ_ENOTFOUND)
        return status;
    bool there = status == AVJ_OK;
    const char *event = note->refused    ? "parked"
                        : !there         ? "deleted"
                        : note->appeared ? "created"
                                         : "changed";
    if (cli->json)
        cli_json(cli, with_origin(event_json(note, event, there ? &doc : NULL), note));
    else {
        hush(watch);
        put_row(cli, note, event, streams || (there && doc.streaming));
    }
    return AVJ_OK;
}

/* Shows everything up to the log's end as it is now. */
static int catch_up(struct watch *watch, struct avj_events *events)
{
    struct cli *cli = watch->cli;
    struct avj_event event;
    struct avj_error err = {0};
    enum avj_status status;

    while ((status = avj_events_next(events, &event, &err)) == AVJ_OK)
        continue; /* the notes say more */
    if (status != AVJ_END)
        return cli_error(cli, status, &err);
    if (watch->out_of_memory)
        return cli_fail("out of memory");
    status = begin_showing(watch);
    for (size_t i = 0; status == AVJ_OK && i < watch->count && !cli->output_failed; i++)
        status = show(watch, i);
    if (status != AVJ_OK)
        return cli_error(cli, status, NULL);
    forget_notes(watch);
    return cli_flush(cli) ? CLI_DONE : CLI_FAILED;
}

static int say_watching(struct cli *cli)
{
    struct avj_journal_info info;
    struct avj_error err = {0};

    enum avj_status status = avj_journal_info(avj_store_journal(cli->store), &info, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    if (cli->json)
        cli_json(cli, json_pack("{s:I}", "watching", (json_int_t)info.next_seq));
    else if (cli->terminal)
        fputs("watching; Ctrl-C ends it\n", stderr);
    return cli_flush(cli) ? CLI_DONE : CLI_FAILED;
}

static int follow(struct watch *watch)
{
    /* Of events nothing is wanted but the waking: one kind, to gather little. */
    const struct avj_events_options options = {.no_debounce = true,
                                               .kinds = 1u << AVJ_EVENT_PROJECTS,
                                               .on_change = take_note,
                                               .on_change_arg = watch};
    struct cli *cli = watch->cli;
    struct avj_events *events;
    struct avj_error err = {0};
    struct cli_stop stop;

    int code = cli_stop_install(&stop);
    if (code != CLI_DONE)
        return code;
    enum avj_status status = avj_events_open(cli->store, &options, &events, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    code = say_watching(cli);
    status = code == CLI_DONE ? show_growing(watch) : AVJ_OK;
    if (status != AVJ_OK)
        code = cli_error(cli, status, NULL);
    while (code == CLI_DONE) {
        code = catch_up(watch, events);
        if (code == CLI_DONE && !cli_stop_wait(&stop, avj_events_fd(events)))
            break;
    }
    avj_events_close(events);
    hush(watch);
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
        code = follow(watch);
    forget_notes(watch);
    free(watch->notes);
    free(watch->shown);
    free(watch->thread);
    free(watch);
    return code;
}
