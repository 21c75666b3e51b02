/*
 * Realtime events: names, channels and frame.
 *
 * The names are products of wildcards in an order that follows from no rule one would choose; the
 * tables give it as it was seen.
 */
#include "net/serve_state.h"

#include <stdlib.h>
#include <string.h>

/* Which of database, collection and row are "*": bit 2, 1, 0. */
static const unsigned char both_spellings[] = {0, 7, 2, 6, 4, 1, 5, 3};
static const unsigned char tables_alone[] = {0, 7, 4, 2, 6, 1, 5, 3};

struct names {
    struct avj_text *out;
    const char *database, *table, *row;
    bool first;
};

static void name_begin(struct names *names)
{
    avj_text_puts(names->out, names->first ? "\"" : ",\"");
    names->first = false;
}

/* "databases.D.collections.C.documents.R.action"; without row: up to C. */
static void name(struct names *names, bool tables, unsigned stars, bool row, const char *action)
{
    name_begin(names);
    avj_text_printf(names->out, "databases.%s.%s.%s", stars & 4 ? "*" : names->database,
                    tables ? "tables" : "collections", stars & 2 ? "*" : names->table);
    if (row)
        avj_text_printf(names->out, ".%s.%s", tables ? "rows" : "documents",
                        stars & 1 ? "*" : names->row);
    if (action)
        avj_text_printf(names->out, ".%s", action);
    avj_text_puts(names->out, "\"");
}

static void row_names(struct names *names, bool tables_only, const char *action)
{
    const unsigned char *order = tables_only ? tables_alone : both_spellings;
    for (size_t i = 0; i < sizeof(both_spellings); i++) {
        if (!tables_only)
            name(names, false, order[i], true, action);
        name(names, true, order[i], true, action);
    }
}

static void table_names(struct names *names, bool tables_only)
{
    static const unsigned char both[] = {0, 6, 2, 4}, alone[] = {0, 6, 4, 2};
    for (size_t i = 0; i < sizeof(both); i++) {
        if (!tables_only)
            name(names, false, both[i], false, NULL);
        name(names, true, tables_only ? alone[i] : both[i], false, NULL);
    }
}

static void event_names(struct avj_text *out, const struct avj_server_table *table, const char *id,
                        const char *action, bool tables_only)
{
    struct names names = {out, table->database, table->schema->id, id, true};
    row_names(&names, tables_only, action);
    row_names(&names, tables_only, NULL);
    table_names(&names, tables_only);
    avj_text_printf(out, ",\"databases.%s\",\"databases.*\"", table->database);
}

static void event_channels(struct avj_text *out, const struct avj_server_table *table,
                           const char *id)
{
    const char *database = table->database, *collection = table->schema->id;
    avj_text_printf(out, "rows%c", 0);
    avj_text_printf(out, "databases.%s.tables.%s.rows%c", database, collection, 0);
    avj_text_printf(out, "databases.%s.tables.%s.rows.%s%c", database, collection, id, 0);
    avj_text_printf(out, "documents%c", 0);
    avj_text_printf(out, "databases.%s.collections.%s.documents%c", database, collection, 0);
    avj_text_printf(out, "databases.%s.collections.%s.documents.%s%c", database, collection, id, 0);
}

static bool event_frame(struct avj_text *frame, const struct avj_call *call,
                        const struct avj_server_table *table, const char *id, const char *action,
                        bool tables_only, const struct avj_text *channels,
                        const struct avj_text *payload)
{
    avj_text_puts(frame, "{\"type\":\"event\",\"data\":{\"events\":[");
    event_names(frame, table, id, action, tables_only);
    avj_text_puts(frame, "],\"channels\":");
    avj_perms_json(frame, channels->data, channels->len);
    avj_text_puts(frame, ",\"timestamp\":");
    avj_text_json_time(frame, call->serve->now_ms);
    avj_text_puts(frame, ",\"payload\":");
    avj_text_add(frame, payload->data, payload->len);
    avj_text_puts(frame, "}}");
    return !frame->failed;
}

void avj_event_release(struct avj_serve_event *event)
{
    free(event->frame);
    free(event->channels);
    free(event->perms);
    memset(event, 0, sizeof(*event));
}

bool avj_event_add(struct avj_call *call, const struct avj_server_table *table, const char *id,
                   const char *perms, size_t perms_len, const char *action, bool tables_only,
                   const struct avj_text *payload)
{
    struct avj_serve_response *response = call->response;
    struct avj_serve_event *events =
        realloc(response->events, (response->event_count + 1) * sizeof(*events));
    if (!events)
        return false;
    response->events = events;
    struct avj_text frame = {0}, channels = {0}, roles = {0};
    if (!payload->failed && payload->data)
        event_channels(&channels, table, id);
    avj_text_add(&roles, perms, perms_len);
    if (!channels.len || channels.failed || roles.failed ||
        !event_frame(&frame, call, table, id, action, tables_only, &channels, payload)) {
        avj_text_release(&frame);
        avj_text_release(&channels);
        avj_text_release(&roles);
        return false;
    }
    events[response->event_count++] = (struct avj_serve_event){
        .frame = frame.data,
        .len = frame.len,
        .channels = channels.data,
        .channels_len = channels.len,
        .perms = roles.data,
        .perms_len = roles.len,
        .users = table->schema->users_may & AVJ_USERS_READ,
    };
    return true;
}
