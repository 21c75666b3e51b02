/* See client_fake.h. */
#include "tests/support/client_fake.h"

#include "journal/io.h"
#include "replay/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDPOINT "http://fake/v1"

static const char *const collections[AVJ_ENTITIES] = {"threads", "messages", "summaries",
                                                      "projects"};

static void die(const char *what, const char *detail)
{
    fprintf(stderr, "the fake server does not understand %s: %s\n", what, detail);
    abort();
}

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

void fake_init(struct fake *fake)
{
    const struct avj_io *io = avj_io_posix();
    /* Stamps of local edits come from the real clock, and merges compare them with the server's. */
    *fake = (struct fake){.user = "alice", .now_ms = io->now_ms(io->ctx) / 1000 * 1000 - 60000};
    for (int e = 0; e < AVJ_ENTITIES; e++)
        fake->rows[e] = must(json_array());
    fake->transactions = must(json_object());
    fake->log = must(json_array());
}

void fake_release(struct fake *fake)
{
    for (int e = 0; e < AVJ_ENTITIES; e++)
        json_decref(fake->rows[e]);
    json_decref(fake->transactions);
    json_decref(fake->log);
}

/* ---- rows ---- */

json_t *fake_find(struct fake *fake, enum avj_entity entity, const char *attribute,
                  const char *value)
{
    size_t i;
    json_t *row;
    json_array_foreach(fake->rows[entity], i, row)
    {
        const char *text = json_string_value(json_object_get(row, attribute));
        if (text && strcmp(text, value) == 0)
            return row;
    }
    return NULL;
}

json_t *fake_row(struct fake *fake, enum avj_entity entity, const char *id)
{
    return fake_find(fake, entity, "$id", id);
}

size_t fake_count(struct fake *fake, enum avj_entity entity)
{
    return json_array_size(fake->rows[entity]);
}

static json_t *timestamp(struct fake *fake)
{
    char text[AVJ_TIME_TEXT];
    avj_time_format(++fake->now_ms, text);
    return must(json_string(text));
}

static json_t *make_row(struct fake *fake, enum avj_entity entity, const char *id)
{
    json_t *now = timestamp(fake);
    json_t *row =
        must(json_pack("{s:s, s:O, s:O, s:s, s:s}", "$id", id, "$createdAt", now, "$updatedAt", now,
                       "$databaseId", "main", "$collectionId", collections[entity]));
    json_decref(now);
    json_array_append_new(fake->rows[entity], row);
    return row;
}

/* As in Appwrite, a write that changes nothing leaves $updatedAt alone. */
static void change(struct fake *fake, json_t *row, json_t *data)
{
    json_t *before = must(json_deep_copy(row));
    json_object_update(row, data);
    if (!json_equal(before, row))
        json_object_set_new(row, "$updatedAt", timestamp(fake));
    json_decref(before);
}

void fake_put(struct fake *fake, enum avj_entity entity, const char *id, json_t *data)
{
    json_t *row = fake_row(fake, entity, id);
    if (row) {
        change(fake, row, must(data));
    } else {
        row = make_row(fake, entity, id);
        json_object_set_new(row, "userId", json_string(fake->user));
        json_object_update(row, must(data));
    }
    json_decref(data);
}

/* A thread is seen before its messages and goes after them. */
static void count_orphans(struct fake *fake, const json_t *thread)
{
    const char *id = json_string_value(json_object_get(thread, "threadId"));
    fake->orphans += id && fake_find(fake, AVJ_MESSAGE, "threadId", id) != NULL;
}

static void count_orphan(struct fake *fake, enum avj_entity entity, const json_t *message)
{
    const char *id = json_string_value(json_object_get(message, "threadId"));
    fake->orphans += entity == AVJ_MESSAGE && id && !fake_find(fake, AVJ_THREAD, "threadId", id);
}

void fake_drop(struct fake *fake, enum avj_entity entity, const char *id)
{
    size_t i;
    json_t *row;
    if (entity == AVJ_THREAD)
        count_orphans(fake, fake_row(fake, entity, id));
    json_array_foreach(fake->rows[entity], i, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "$id")), id) == 0) {
            json_array_remove(fake->rows[entity], i);
            return;
        }
    }
}

/* ---- answers ---- */

static void say(struct avj_http_answer *answer, int status, json_t *body)
{
    answer->status = status;
    answer->body = body ? must(json_dumps(body, JSON_COMPACT)) : NULL;
    answer->body_len = answer->body ? strlen(answer->body) : 0;
    json_decref(body);
}

static void refuse(struct avj_http_answer *answer, int status, const char *type,
                   const char *message)
{
    say(answer, status,
        must(json_pack("{s:s, s:i, s:s, s:s}", "message", message, "code", status, "type", type,
                       "version", "1.8.1")));
}

static void put_date(struct fake *fake, struct avj_http_answer *answer, const char *more)
{
    char text[AVJ_TIME_TEXT], headers[256];
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int year, month, day;
    avj_time_format(fake->now_ms, text);
    if (sscanf(text, "%4d-%2d-%2d", &year, &month, &day) != 3)
        abort();
    snprintf(headers, sizeof headers, "Date: Sun, %02d %.3s %04d %.8s GMT\r\n%s", day,
             months + (month - 1) * 3, year, text + 11, more ? more : "");
    answer->headers = must(strdup(headers));
}

/* ---- structure ---- */

static const char *structure_error(const struct fake *fake, const json_t *data, char message[200])
{
    json_t *value = fake->missing ? json_object_get(data, fake->missing) : NULL;
    if (value) {
        snprintf(message, 200, "Invalid document structure: Unknown attribute: \"%s\"",
                 fake->missing);
        return message;
    }
    value = fake->array ? json_object_get(data, fake->array) : NULL;
    if (value && !json_is_array(value) && !json_is_null(value)) {
        snprintf(message, 200, "Invalid document structure: Attribute \"%s\" must be an array",
                 fake->array);
        return message;
    }
    const char *content = json_string_value(json_object_get(data, "content"));
    if (fake->poison && content && strcmp(content, fake->poison) == 0) {
        snprintf(message, 200,
                 "Invalid document structure: Attribute \"content\" has invalid type. Value must "
                 "be a valid string and no longer than 5 chars");
        return message;
    }
    return NULL;
}

/* ---- documents ---- */

static enum avj_entity entity_of(const char *collection)
{
    for (int e = 0; e < AVJ_ENTITIES; e++)
        if (strcmp(collections[e], collection) == 0)
            return (enum avj_entity)e;
    die("the collection", collection);
    return AVJ_ENTITIES;
}

struct listing {
    const json_t *ids;
    const char *user, *since, *after;
    size_t limit;
};

static void read_query(struct listing *list, const json_t *query)
{
    const char *method = json_string_value(json_object_get(query, "method"));
    const char *attribute = json_string_value(json_object_get(query, "attribute"));
    json_t *values = json_object_get(query, "values"), *first = json_array_get(values, 0);
    if (!strcmp(method, "equal") && !strcmp(attribute, "$id"))
        list->ids = values;
    else if (!strcmp(method, "equal") && !strcmp(attribute, "userId"))
        list->user = json_string_value(first);
    else if (!strcmp(method, "greaterThanEqual"))
        list->since = json_string_value(first);
    else if (!strcmp(method, "cursorAfter"))
        list->after = json_string_value(first);
    else if (!strcmp(method, "limit"))
        list->limit = (size_t)json_integer_value(first);
    else if (strcmp(method, "select") != 0)
        die("the query", method);
}

static int64_t time_of(const char *text)
{
    int64_t ms = 0;
    if (!text || !avj_time_parse(text, strlen(text), &ms))
        die("the time", text ? text : "none");
    return ms;
}

static bool listed(const struct fake *fake, const struct listing *list, const json_t *row)
{
    const char *id = json_string_value(json_object_get(row, "$id"));
    const char *owner = json_string_value(json_object_get(row, "userId"));
    size_t i;
    json_t *wanted;
    bool among = !list->ids;
    json_array_foreach((json_t *)(uintptr_t)list->ids, i, wanted)
    {
        among = among || strcmp(json_string_value(wanted), id) == 0;
    }
    if (fake->guest || !among || (list->user && strcmp(list->user, owner) != 0))
        return false;
    return !list->since ||
           time_of(json_string_value(json_object_get(row, "$updatedAt"))) >= time_of(list->since);
}

static void list_rows(struct fake *fake, enum avj_entity entity, const json_t *queries,
                      struct avj_http_answer *answer)
{
    struct listing list = {.limit = 25};
    json_t *rows = must(json_array()), *row, *query;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)queries, i, query)
    {
        read_query(&list, query);
    }
    bool open = !list.after;
    if (list.after && !fake_row(fake, entity, list.after)) {
        json_decref(rows);
        refuse(answer, 400, "general_cursor_not_found",
               "Document for the 'cursor' value not found.");
        return;
    }
    json_array_foreach(fake->rows[entity], i, row)
    {
        if (open && json_array_size(rows) < list.limit && listed(fake, &list, row))
            json_array_append(rows, row);
        open = open || strcmp(json_string_value(json_object_get(row, "$id")), list.after) == 0;
    }
    say(answer, 200, must(json_pack("{s:i, s:o}", "total", 0, "documents", rows)));
}

static void create(struct fake *fake, enum avj_entity entity, const json_t *body,
                   struct avj_http_answer *answer)
{
    char message[200];
    const char *id = json_string_value(json_object_get(body, "documentId"));
    json_t *data = json_object_get(body, "data");
    if (fake_row(fake, entity, id)) {
        refuse(answer, 409, "document_already_exists",
               "Document with the requested ID already exists.");
    } else if (structure_error(fake, data, message)) {
        refuse(answer, 400, "document_invalid_structure", message);
    } else {
        json_t *row = make_row(fake, entity, id);
        json_object_update(row, data);
        count_orphan(fake, entity, row);
        say(answer, 201, json_incref(row));
    }
}

static bool stale(const struct avj_http_request *request, const json_t *row)
{
    const char *at = strstr(request->headers, "X-Appwrite-Timestamp: ");
    char text[40] = "";
    if (!at || sscanf(at, "X-Appwrite-Timestamp: %39[^\n]", text) != 1)
        return false;
    return time_of(json_string_value(json_object_get(row, "$updatedAt"))) > time_of(text);
}

static void write_one(struct fake *fake, enum avj_entity entity, const char *id,
                      const struct avj_http_request *request, const json_t *body,
                      struct avj_http_answer *answer)
{
    char message[200];
    json_t *row = fake_row(fake, entity, id), *data = json_object_get(body, "data");
    if (!row) {
        refuse(answer, 404, "document_not_found",
               "Document with the requested ID could not be found.");
    } else if (stale(request, row)) {
        refuse(answer, 409, "document_update_conflict", "Remote document is newer than local.");
    } else if (strcmp(request->method, "DELETE") == 0) {
        fake_drop(fake, entity, id);
        say(answer, 204, NULL);
    } else if (structure_error(fake, data, message)) {
        refuse(answer, 400, "document_invalid_structure", message);
    } else {
        change(fake, row, data);
        say(answer, 200, json_incref(row));
    }
}

/* ---- transactions ---- */

static void begin(struct fake *fake, struct avj_http_answer *answer)
{
    char id[16];
    snprintf(id, sizeof id, "tx%u", ++fake->made);
    json_object_set_new(fake->transactions, id, json_array());
    say(answer, 201, must(json_pack("{s:s, s:s}", "$id", id, "status", "pending")));
}

static enum avj_entity op_entity(const json_t *op)
{
    return entity_of(json_string_value(json_object_get(op, "collectionId")));
}

static const char *op_id(const json_t *op)
{
    return json_string_value(json_object_get(op, "documentId"));
}

static bool op_is(const json_t *op, const char *action)
{
    return strcmp(json_string_value(json_object_get(op, "action")), action) == 0;
}

static void stage(struct fake *fake, const char *tx, const json_t *body,
                  struct avj_http_answer *answer)
{
    json_t *staged = json_object_get(fake->transactions, tx), *op;
    json_t *operations = json_object_get(body, "operations");
    size_t i;
    if (!staged) {
        refuse(answer, 404, "transaction_not_found", "Transaction could not be found.");
        return;
    }
    json_array_foreach(operations, i, op)
    {
        if (op_entity(op) == AVJ_SUMMARY && fake->no_summaries) {
            refuse(answer, 404, "collection_not_found",
                   "Collection with the requested ID could not be found.");
            return;
        }
        if (!op_is(op, "create") && !fake_row(fake, op_entity(op), op_id(op))) {
            refuse(answer, 404, "document_not_found",
                   "Document with the requested ID could not be found.");
            return;
        }
    }
    json_array_foreach(operations, i, op)
    {
        json_t *row = fake_row(fake, op_entity(op), op_id(op));
        json_t *copy = must(json_deep_copy(op));
        if (row) /* a commit is compared with the time of staging */
            json_object_set(copy, "stagedAt", json_object_get(row, "$updatedAt"));
        json_array_append_new(staged, copy);
    }
    say(answer, 201, must(json_pack("{s:s}", "$id", tx)));
}

static bool crashes(const struct fake *fake, const json_t *data)
{
    const char *content = json_string_value(json_object_get(data, "content"));
    return fake->crash && content && strcmp(content, fake->crash) == 0;
}

/* What would make the commit fail; false: nothing. */
static bool commit_error(struct fake *fake, const json_t *staged, struct avj_http_answer *answer)
{
    char message[200];
    size_t i;
    json_t *op;
    json_array_foreach((json_t *)(uintptr_t)staged, i, op)
    {
        json_t *row = fake_row(fake, op_entity(op), op_id(op));
        bool create = op_is(op, "create");
        if (crashes(fake, json_object_get(op, "data"))) {
            refuse(answer, 500, "general_unknown", "Server Error");
            return true;
        }
        if (create ? row != NULL
                   : !row || !json_equal(json_object_get(row, "$updatedAt"),
                                         json_object_get(op, "stagedAt"))) {
            refuse(answer, 409, "transaction_conflict",
                   "The transaction has a conflict. Please resolve the conflict and try again.");
            return true;
        }
        if (!op_is(op, "delete") && structure_error(fake, json_object_get(op, "data"), message)) {
            refuse(answer, 400, "document_invalid_structure", message);
            return true;
        }
    }
    return false;
}

static void apply(struct fake *fake, const json_t *op)
{
    enum avj_entity entity = op_entity(op);
    if (op_is(op, "delete")) {
        fake_drop(fake, entity, op_id(op));
        return;
    }
    json_t *data = json_object_get(op, "data"), *row = fake_row(fake, entity, op_id(op));
    if (row) {
        change(fake, row, data);
        return;
    }
    row = make_row(fake, entity, op_id(op));
    json_object_update(row, data);
    count_orphan(fake, entity, row);
    /* Without permissions nobody could read the row: then it is as good as not there. */
    if (json_array_size(json_object_get(row, "$permissions")) != 3)
        die("a create without permissions", op_id(op));
}

static void end_tx(struct fake *fake, const char *tx, const json_t *body,
                   struct avj_http_answer *answer)
{
    json_t *staged = json_object_get(fake->transactions, tx), *op;
    size_t i;
    if (!staged) {
        refuse(answer, 400, "transaction_not_ready", "The transaction is not ready yet.");
        return;
    }
    json_incref(staged);
    json_object_del(fake->transactions, tx);
    if (!json_is_true(json_object_get(body, "commit"))) {
        say(answer, 200, must(json_pack("{s:s, s:s}", "$id", tx, "status", "failed")));
    } else if (!commit_error(fake, staged, answer)) {
        json_array_foreach(staged, i, op)
        {
            apply(fake, op);
        }
        say(answer, 200, must(json_pack("{s:s, s:s}", "$id", tx, "status", "committed")));
    }
    json_decref(staged);
}

/* ---- routes ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c - 'A' + 10;
}

static void unescape(char *text)
{
    char *to = text;
    for (; *text; text++) {
        if (*text == '%') {
            *to++ = (char)(hex(text[1]) * 16 + hex(text[2]));
            text += 2;
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
}

static json_t *parse_queries(char *text)
{
    json_t *list = must(json_array());
    char *save = NULL;
    for (char *part = text ? strtok_r(text, "&", &save) : NULL; part;
         part = strtok_r(NULL, "&", &save)) {
        char *value = strchr(part, '=');
        if (!value)
            die("the query", part);
        *value++ = '\0';
        unescape(value);
        if (strncmp(part, "queries", 7) != 0)
            continue;
        if (strlen(value) > 4096)
            die("a query of more than 4096 characters", value);
        json_array_append_new(list, must(json_loads(value, 0, NULL)));
    }
    return list;
}

static void documents(struct fake *fake, char *path, char *query,
                      const struct avj_http_request *request, const json_t *body,
                      struct avj_http_answer *answer)
{
    char collection[40], id[60] = "";
    if (sscanf(path, "/databases/main/collections/%39[^/]/documents/%59s", collection, id) < 1)
        die("the path", path);
    enum avj_entity entity = entity_of(collection);
    if (entity == AVJ_SUMMARY && fake->no_summaries) {
        refuse(answer, 404, "collection_not_found",
               "Collection with the requested ID could not be found.");
    } else if (strcmp(request->method, "GET") == 0) {
        json_t *queries = parse_queries(query);
        list_rows(fake, entity, queries, answer);
        json_decref(queries);
    } else if (fake->guest) {
        refuse(answer, 401, "user_unauthorized", "The current user is not authorized.");
    } else if (strcmp(request->method, "POST") == 0) {
        create(fake, entity, body, answer);
    } else {
        write_one(fake, entity, id, request, body, answer);
    }
}

static void transactions(struct fake *fake, const char *path, const json_t *body,
                         struct avj_http_answer *answer)
{
    char tx[40] = "", tail[40] = "";
    (void)sscanf(path, "/databases/transactions/%39[^/]/%39s", tx, tail);
    if (fake->guest)
        refuse(answer, 401, "user_unauthorized", "The current user is not authorized.");
    else if (!*tx)
        begin(fake, answer);
    else if (*tail)
        stage(fake, tx, body, answer);
    else
        end_tx(fake, tx, body, answer);
}

static void serve(struct fake *fake, char *path, char *query,
                  const struct avj_http_request *request, const json_t *body,
                  struct avj_http_answer *answer)
{
    if (strcmp(path, "/health/version") == 0)
        say(answer, 200,
            must(json_pack("{s:s}", "version", fake->version ? fake->version : "1.8.1")));
    else if (strcmp(path, "/account") == 0 && fake->guest)
        refuse(answer, 401, "general_unauthorized_scope",
               "User (role: guests) missing scopes ([\"account\"])");
    else if (strcmp(path, "/account") == 0)
        say(answer, 200, must(json_pack("{s:s}", "$id", fake->user)));
    else if (strncmp(path, "/databases/transactions", 23) == 0)
        transactions(fake, path, body, answer);
    else
        documents(fake, path, query, request, body, answer);
}

/* The fault that is due for this request; NULL: none. */
static const struct fake_fault *fault_for(struct fake *fake, const char *line)
{
    for (size_t i = 0; i < sizeof fake->faults / sizeof *fake->faults; i++) {
        const struct fake_fault *fault = &fake->faults[i];
        if (fault->kind == FAKE_NONE || !strstr(line, fault->match))
            continue;
        unsigned met = fake->matched[i]++;
        if (met >= fault->skip && met < fault->skip + (fault->times ? fault->times : 1))
            return fault;
    }
    return NULL;
}

static void lose(struct avj_http_answer *answer)
{
    avj_http_answer_release(answer);
    snprintf(answer->error, sizeof answer->error, "Connection reset by peer");
}

void fake_answer(struct fake *fake, const struct avj_http_request *request,
                 struct avj_http_answer *answer)
{
    char line[300];
    char *url = must(strdup(request->url));
    if (strncmp(url, ENDPOINT, strlen(ENDPOINT)) != 0)
        die("the URL", url);
    char *path = url + strlen(ENDPOINT), *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    snprintf(line, sizeof line, "%s %s", request->method, path);
    json_array_append_new(fake->log, must(json_string(line)));
    json_t *body = request->body ? must(json_loads(request->body, 0, NULL)) : NULL;
    const struct fake_fault *fault = fault_for(fake, line);
    *answer = (struct avj_http_answer){.status = 0};
    if (fault && fault->kind == FAKE_BEFORE)
        fault->before(fake);
    if (fault && fault->kind == FAKE_REFUSE)
        refuse(answer, fault->status, fault->type, fault->message ? fault->message : "refused");
    else if (!fault || fault->kind != FAKE_DOWN)
        serve(fake, path, query, request, body, answer);
    if (fault && (fault->kind == FAKE_LOST || fault->kind == FAKE_DOWN))
        lose(answer);
    else
        put_date(fake, answer, fault ? fault->headers : NULL);
    json_decref(body);
    free(url);
}

size_t fake_asked(struct fake *fake, const char *prefix)
{
    size_t i, count = 0;
    json_t *line;
    json_array_foreach(fake->log, i, line)
    {
        count += strncmp(json_string_value(line), prefix, strlen(prefix)) == 0;
    }
    return count;
}

/* ---- running the cores ---- */

enum { AT_ONCE = 16 };

enum avj_status fake_push(struct fake *fake, struct avj_push *push, unsigned steps, int64_t *waited,
                          struct avj_error *err)
{
    int64_t now = fake->now_ms, total = 0;
    for (;;) {
        struct avj_call calls[AT_ONCE];
        size_t count = 0;
        enum avj_status status = AVJ_OK;
        while (!status && count < AT_ONCE && steps) {
            status = avj_push_next(push, now, &calls[count], err);
            count += status == AVJ_OK;
            steps -= status == AVJ_OK;
        }
        for (size_t i = 0; i < count; i++) {
            struct avj_http_answer answer;
            fake_answer(fake, &calls[i].request, &answer);
            avj_push_answer(push, calls[i].token, &answer, now);
            avj_http_answer_release(&answer);
            avj_http_request_release(&calls[i].request);
        }
        struct avj_push_stats stats;
        avj_push_stats(push, &stats);
        if (waited)
            *waited = total;
        if (status < 0 || !steps)
            return status < 0 ? status : AVJ_ETIMEOUT;
        if (avj_push_idle(push))
            return AVJ_OK;
        if (stats.wait_until_ms > now) {
            total += stats.wait_until_ms - now;
            now = stats.wait_until_ms;
        }
    }
}

enum avj_status fake_pull(struct fake *fake, struct avj_pull *pull, unsigned steps, int64_t *waited,
                          struct avj_error *err)
{
    int64_t now = fake->now_ms, total = 0;
    for (;;) {
        struct avj_call call;
        struct avj_pull_stats stats;
        enum avj_status status = avj_pull_next(pull, now, &call, err);
        if (status == AVJ_OK) {
            struct avj_http_answer answer;
            fake_answer(fake, &call.request, &answer);
            avj_pull_answer(pull, &answer, now);
            avj_http_answer_release(&answer);
            avj_http_request_release(&call.request);
        }
        avj_pull_stats(pull, &stats);
        if (waited)
            *waited = total;
        if (status < 0 || stats.done)
            return status < 0 ? status : AVJ_OK;
        if (steps-- == 0)
            return AVJ_ETIMEOUT;
        if (stats.wait_until_ms > now) {
            total += stats.wait_until_ms - now;
            now = stats.wait_until_ms;
        }
    }
}
