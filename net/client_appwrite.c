/* Requests of the Appwrite protocol: see client_appwrite.h.  Answers are client_answers.c's. */
#include "net/client_appwrite.h"
#include "net/text.h"

#include <stdlib.h>
#include <string.h>

static void put_headers(const struct avj_appwrite *aw, struct avj_text *text, bool body)
{
    avj_text_printf(text, "X-Appwrite-Project: %s\n", aw->project);
    if (aw->secret)
        avj_text_printf(text, "X-Appwrite-Session: %s\n", aw->secret);
    if (body)
        avj_text_puts(text, "Content-Type: application/json\n");
}

/* Consumes url, headers and body. */
static enum avj_status finish(const char *method, struct avj_text *url, struct avj_text *headers,
                              char *body, bool body_failed, struct avj_http_request *out)
{
    *out = (struct avj_http_request){.method = method,
                                     .url = avj_text_take(url),
                                     .headers = avj_text_take(headers),
                                     .body = body};
    if (out->url && out->headers && !body_failed)
        return AVJ_OK;
    avj_http_request_release(out);
    return AVJ_ENOMEM;
}

/* Consumes json (NULL with `body`: memory ran out). */
static enum avj_status request(const struct avj_appwrite *aw, const char *method,
                               struct avj_text *url, bool body, json_t *json, const char *timestamp,
                               struct avj_http_request *out)
{
    struct avj_text headers = {0};
    put_headers(aw, &headers, body);
    if (timestamp)
        avj_text_printf(&headers, "X-Appwrite-Timestamp: %s\n", timestamp);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return finish(method, url, &headers, text, body && !text, out);
}

static void put_base(const struct avj_appwrite *aw, struct avj_text *url, const char *path)
{
    avj_text_puts(url, aw->endpoint);
    avj_text_puts(url, path);
}

static enum avj_status get(const struct avj_appwrite *aw, const char *path,
                           struct avj_http_request *out)
{
    struct avj_text url = {0};
    put_base(aw, &url, path);
    return request(aw, "GET", &url, false, NULL, NULL, out);
}

enum avj_status avj_aw_version(const struct avj_appwrite *aw, struct avj_http_request *out)
{
    return get(aw, "/health/version", out);
}

enum avj_status avj_aw_account(const struct avj_appwrite *aw, struct avj_http_request *out)
{
    return get(aw, "/account", out);
}

enum avj_status avj_aw_login(const struct avj_appwrite *aw, const char *email, const char *password,
                             struct avj_http_request *out)
{
    struct avj_text url = {0};
    put_base(aw, &url, "/account/sessions/email");
    return request(aw, "POST", &url, true,
                   json_pack("{s:s, s:s}", "email", email, "password", password), NULL, out);
}

enum avj_status avj_aw_register(const struct avj_appwrite *aw, const char *email,
                                const char *password, struct avj_http_request *out)
{
    struct avj_text url = {0};
    put_base(aw, &url, "/account");
    return request(
        aw, "POST", &url, true,
        json_pack("{s:s, s:s, s:s}", "userId", "unique()", "email", email, "password", password),
        NULL, out);
}

enum avj_status avj_aw_logout(const struct avj_appwrite *aw, struct avj_http_request *out)
{
    struct avj_text url = {0};
    put_base(aw, &url, "/account/sessions/current");
    return request(aw, "DELETE", &url, false, NULL, NULL, out);
}

/* The documents of a collection: this spelling is understood by every version from 1.6 on. */
static void put_documents(const struct avj_appwrite *aw, enum avj_entity entity,
                          const char *remote_id, struct avj_text *url)
{
    const char *collection = aw->collections[entity];
    put_base(aw, url, "/databases/");
    avj_text_escape(url, aw->database, strlen(aw->database));
    avj_text_puts(url, "/collections/");
    avj_text_escape(url, collection, strlen(collection));
    avj_text_puts(url, "/documents");
    if (remote_id) {
        avj_text_puts(url, "/");
        avj_text_escape(url, remote_id, strlen(remote_id));
    }
}

/* ---- lists ---- */

/* Appends one query; consumes `values` (NULL: memory ran out). */
static void put_query(struct avj_text *url, size_t *n, const char *method, const char *attribute,
                      json_t *values)
{
    json_t *query = attribute ? json_pack("{s:s, s:s, s:o}", "method", method, "attribute",
                                          attribute, "values", values)
                              : json_pack("{s:s, s:o}", "method", method, "values", values);
    char *text = query ? json_dumps(query, JSON_COMPACT) : NULL;
    json_decref(query);
    if (!text) {
        url->failed = true;
        return;
    }
    avj_text_printf(url, "%squeries%%5B%zu%%5D=", *n ? "&" : "?", *n);
    avj_text_escape(url, text, strlen(text));
    free(text);
    ++*n;
}

static json_t *id_values(const struct avj_aw_list *list)
{
    json_t *values = json_array();
    for (size_t i = 0; i < list->id_count; i++)
        if (json_array_append_new(values, json_string(list->ids[i]))) {
            json_decref(values);
            return NULL;
        }
    return values;
}

enum avj_status avj_aw_list(const struct avj_appwrite *aw, enum avj_entity entity,
                            const struct avj_aw_list *list, struct avj_http_request *out)
{
    struct avj_text url = {0};
    size_t n = 0, limit = list->id_count ? list->id_count : list->limit;
    put_documents(aw, entity, NULL, &url);
    if (list->id_count)
        put_query(&url, &n, "equal", "$id", id_values(list));
    else if (aw->user)
        put_query(&url, &n, "equal", "userId", json_pack("[s]", aw->user));
    if (list->updated_since)
        put_query(&url, &n, "greaterThanEqual", "$updatedAt",
                  json_pack("[s]", list->updated_since));
    if (list->versions_only)
        put_query(&url, &n, "select", NULL, json_pack("[s, s]", "$id", "$updatedAt"));
    put_query(&url, &n, "limit", NULL, json_pack("[I]", (json_int_t)limit));
    if (list->after)
        put_query(&url, &n, "cursorAfter", NULL, json_pack("[s]", list->after));
    if (aw->version >= AVJ_AW_TRANSACTIONS_FROM)
        avj_text_puts(
            &url, "&total=0"); /* spares the server counting; older ones have no such parameter */
    return request(aw, "GET", &url, false, NULL, NULL, out);
}

/* ---- writes ---- */

enum avj_status avj_aw_create(const struct avj_appwrite *aw, enum avj_entity entity,
                              const char *remote_id, const json_t *data,
                              struct avj_http_request *out)
{
    struct avj_text url = {0};
    put_documents(aw, entity, NULL, &url);
    json_t *body = json_pack("{s:s, s:O}", "documentId", remote_id, "data", data);
    return request(aw, "POST", &url, true, body, NULL, out);
}

enum avj_status avj_aw_update(const struct avj_appwrite *aw, enum avj_entity entity,
                              const char *remote_id, const json_t *data, const char *base_version,
                              struct avj_http_request *out)
{
    struct avj_text url = {0};
    put_documents(aw, entity, remote_id, &url);
    return request(aw, "PATCH", &url, true, json_pack("{s:O}", "data", data), base_version, out);
}

enum avj_status avj_aw_delete(const struct avj_appwrite *aw, enum avj_entity entity,
                              const char *remote_id, const char *base_version,
                              struct avj_http_request *out)
{
    struct avj_text url = {0};
    put_documents(aw, entity, remote_id, &url);
    return request(aw, "DELETE", &url, false, NULL, base_version, out);
}

/* ---- transactions ---- */

static void put_transaction(const struct avj_appwrite *aw, const char *tx, const char *tail,
                            struct avj_text *url)
{
    put_base(aw, url, "/databases/transactions");
    if (tx) {
        avj_text_puts(url, "/");
        avj_text_escape(url, tx, strlen(tx));
    }
    avj_text_puts(url, tail);
}

enum avj_status avj_aw_tx_begin(const struct avj_appwrite *aw, struct avj_http_request *out)
{
    struct avj_text url = {0};
    put_transaction(aw, NULL, "", &url);
    return request(aw, "POST", &url, true, json_object(), NULL, out);
}

enum avj_status avj_aw_tx_stage(const struct avj_appwrite *aw, const char *tx,
                                const json_t *operations, struct avj_http_request *out)
{
    struct avj_text url = {0};
    put_transaction(aw, tx, "/operations", &url);
    return request(aw, "POST", &url, true, json_pack("{s:O}", "operations", operations), NULL, out);
}

enum avj_status avj_aw_tx_end(const struct avj_appwrite *aw, const char *tx, bool commit,
                              struct avj_http_request *out)
{
    struct avj_text url = {0};
    put_transaction(aw, tx, "", &url);
    return request(aw, "PATCH", &url, true,
                   json_pack("{s:b}", commit ? "commit" : "rollback", (int)true), NULL, out);
}

static json_t *permissions(const char *user)
{
    static const char *const verbs[] = {"read", "update", "delete"};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (json_array_append_new(list, json_sprintf("%s(\"user:%s\")", verbs[i], user))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

json_t *avj_aw_operation(const struct avj_appwrite *aw, enum avj_push_kind kind,
                         enum avj_entity entity, const char *remote_id, const json_t *data)
{
    static const char *const actions[] = {
        [AVJ_PUSH_CREATE] = "create", [AVJ_PUSH_UPDATE] = "update", [AVJ_PUSH_DELETE] = "delete"};
    json_t *operation =
        json_pack("{s:s, s:s, s:s, s:s}", "action", actions[kind], "databaseId", aw->database,
                  "collectionId", aw->collections[entity], "documentId", remote_id);
    bool ok = operation != NULL;
    if (ok && kind != AVJ_PUSH_DELETE) {
        json_t *copy = json_copy((json_t *)(uintptr_t)data); /* jansson takes no const here */
        ok = copy && (kind != AVJ_PUSH_CREATE ||
                      json_object_set_new(copy, "$permissions", permissions(aw->user)) == 0);
        ok = json_object_set_new(operation, "data", copy) == 0 && ok;
    }
    if (ok)
        return operation;
    json_decref(operation);
    return NULL;
}
