/* Answers of the Appwrite protocol: what came back, and what that means.  See client_appwrite.h. */
#include "net/client_appwrite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- headers ---- */

/* RFC 9110's IMF-fixdate: "Sun, 22 Nov 2026 18:09:32 GMT". */
static int64_t parse_date(const char *text, size_t len)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char copy[40], month[4];
    struct tm tm = {0};
    if (!text || len >= sizeof copy)
        return 0;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (sscanf(copy, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &tm.tm_mday, month, &tm.tm_year,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
        return 0;
    const char *at = strstr(months, month);
    if (!at || strlen(month) != 3 || (at - months) % 3 != 0)
        return 0;
    tm.tm_mon = (int)((at - months) / 3);
    tm.tm_year -= 1900;
    return (int64_t)timegm(&tm) * 1000;
}

static int64_t header_number(const struct avj_http_answer *answer, const char *name,
                             int64_t otherwise)
{
    size_t len;
    const char *text = avj_http_header(answer, name, 0, &len);
    char copy[24], *end;
    if (!text || len == 0 || len >= sizeof copy)
        return otherwise;
    memcpy(copy, text, len);
    copy[len] = '\0';
    long long value = strtoll(copy, &end, 10);
    return *end ? otherwise : value;
}

/* ---- verdicts ---- */

struct rule {
    int status;       /* 0: any */
    const char *type; /* exact, or "*tail"; NULL: any */
    enum avj_aw_verdict verdict;
};

/* First match wins. */
static const struct rule rules[] = {
    {0, "transaction_expired", AVJ_AW_TX_GONE}, /* 500 on 1.8.1, 410 by the book */
    {0, "transaction_not_found", AVJ_AW_TX_GONE},
    {0, "transaction_not_ready", AVJ_AW_TX_GONE},
    {0, "transaction_conflict", AVJ_AW_CONFLICT},
    {410, NULL, AVJ_AW_TX_GONE},
    {408, NULL, AVJ_AW_RETRY},
    {429, NULL, AVJ_AW_RATE},
    {0, "general_resource_locked", AVJ_AW_RETRY},
    {401, NULL, AVJ_AW_AUTH},
    {403, NULL, AVJ_AW_AUTH},
    {404, "document_not_found", AVJ_AW_NOT_FOUND},
    {404, "row_not_found", AVJ_AW_NOT_FOUND},
    {404, "collection_not_found", AVJ_AW_NO_COLLECTION},
    {404, "table_not_found", AVJ_AW_NO_COLLECTION},
    {404, "database_not_found", AVJ_AW_NO_COLLECTION},
    {404, "project_not_found", AVJ_AW_NO_COLLECTION},
    {409, "document_already_exists", AVJ_AW_EXISTS},
    {409, "row_already_exists", AVJ_AW_EXISTS},
    {409, "*_update_conflict", AVJ_AW_CONFLICT},
    {413, NULL, AVJ_AW_TOO_LARGE},
    {400, "general_cursor_not_found", AVJ_AW_CURSOR},
    {400, "*_invalid_structure", AVJ_AW_STRUCTURE},
};

static bool type_matches(const char *pattern, const char *type)
{
    if (*pattern != '*')
        return strcmp(pattern, type) == 0;
    size_t n = strlen(++pattern), len = strlen(type);
    return len >= n && strcmp(type + len - n, pattern) == 0;
}

static enum avj_aw_verdict judge(const struct avj_aw_result *result)
{
    if (result->status >= 200 && result->status < 300)
        return AVJ_AW_OK;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if ((!rules[i].status || rules[i].status == result->status) &&
            (!rules[i].type || type_matches(rules[i].type, result->type)))
            return rules[i].verdict;
    /* 1.8.1 answers a stage into an ended transaction with the general type. */
    if (strstr(result->message, "non\u2011pending transaction") ||
        strstr(result->message, "non-pending transaction"))
        return AVJ_AW_TX_GONE;
    if (result->status == 0 || result->status >= 500)
        return AVJ_AW_RETRY;
    return result->type[0] ? AVJ_AW_REJECT : AVJ_AW_NOT_APPWRITE;
}

static void describe(const struct avj_http_answer *answer, struct avj_aw_result *out)
{
    const char *message = json_string_value(json_object_get(out->json, "message"));
    const char *type = json_string_value(json_object_get(out->json, "type"));
    if (out->status == 0)
        message = answer->error[0] ? answer->error : "no answer";
    if (type)
        snprintf(out->type, sizeof out->type, "%.*s", (int)sizeof out->type - 1, type);
    if (message)
        snprintf(out->message, sizeof out->message, "%.*s", (int)sizeof out->message - 1, message);
    else
        snprintf(out->message, sizeof out->message, "HTTP status %d", out->status);
    for (char *c = out->message; *c; c++)
        if ((unsigned char)*c < 0x20)
            *c = ' ';
}

int64_t avj_aw_date(const struct avj_http_answer *answer)
{
    size_t len;
    const char *date = avj_http_header(answer, "Date", 0, &len);
    return date ? parse_date(date, len) : 0;
}

void avj_aw_decode(const struct avj_http_answer *answer, struct avj_aw_result *out)
{
    *out = (struct avj_aw_result){.status = answer->status};
    if (answer->body_len)
        out->json = json_loadb(answer->body, answer->body_len, JSON_ALLOW_NUL, NULL);
    out->date_ms = avj_aw_date(answer);
    out->rate_reset_ms = header_number(answer, "X-RateLimit-Reset", 0) * 1000;
    out->rate_remaining = (int)header_number(answer, "X-RateLimit-Remaining", -1);
    describe(answer, out);
    out->verdict = answer->too_large ? AVJ_AW_TOO_LARGE : judge(out);
    /* A captive portal says 200 to everything. */
    if (out->verdict == AVJ_AW_OK && out->status != 204 && !json_is_object(out->json)) {
        out->verdict = AVJ_AW_RETRY;
        snprintf(out->message, sizeof out->message,
                 "status %d without JSON: not an Appwrite server", out->status);
    }
}

void avj_aw_result_release(struct avj_aw_result *result)
{
    json_decref(result->json);
    *result = (struct avj_aw_result){0};
}

int avj_aw_parse_version(const json_t *json)
{
    const char *text = json_string_value(json_object_get(json, "version"));
    unsigned major, minor;
    if (!text || sscanf(text, "%3u.%3u", &major, &minor) != 2)
        return 0;
    return (int)(major * 1000 + minor);
}

json_t *avj_aw_rows(const json_t *json)
{
    json_t *rows = json_object_get(json, "documents");
    if (!rows)
        rows = json_object_get(json, "rows");
    return json_is_array(rows) ? rows : NULL;
}

/* ---- the session's secret ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Cookie values come percent-encoded (the secret is base64 with = at its end). */
static char *unescape(const char *text, size_t len)
{
    char *out = malloc(len + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < len; i++) {
        bool code = text[i] == '%' && i + 2 < len && hex_digit(text[i + 1]) >= 0 &&
                    hex_digit(text[i + 2]) >= 0;
        unsigned byte = code ? (unsigned)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]))
                             : (unsigned char)text[i];
        out[n++] = (char)(unsigned char)byte;
        i += code ? 2 : 0;
    }
    if (out)
        out[n] = '\0';
    return out;
}

/* What goes into a header must not end it. */
static char *checked(char *secret)
{
    for (const char *c = secret; c && *c; c++)
        if ((unsigned char)*c <= 0x20 || *c == ';' || (unsigned char)*c >= 0x7f) {
            free(secret);
            return NULL;
        }
    if (secret && !*secret) {
        free(secret);
        return NULL;
    }
    return secret;
}

static char *fallback_secret(const char *name, const struct avj_http_answer *answer)
{
    size_t len;
    const char *text = avj_http_header(answer, "X-Fallback-Cookies", 0, &len);
    json_t *json = text ? json_loadb(text, len, 0, NULL) : NULL;
    const char *secret = json_string_value(json_object_get(json, name));
    char *copy = secret ? strdup(secret) : NULL;
    json_decref(json);
    return checked(copy);
}

char *avj_aw_secret(const char *project, const struct avj_http_answer *answer)
{
    char name[128];
    int n = snprintf(name, sizeof name, "a_session_%s", project);
    if (n < 0 || (size_t)n >= sizeof name)
        return NULL;
    char *secret = fallback_secret(name, answer);
    for (size_t i = 0, len; !secret; i++) {
        const char *cookie = avj_http_header(answer, "Set-Cookie", i, &len);
        if (!cookie)
            return NULL;
        if (len <= (size_t)n + 1 || strncmp(cookie, name, (size_t)n) != 0 || cookie[n] != '=')
            continue;
        const char *value = cookie + n + 1;
        const char *end = memchr(value, ';', len - (size_t)n - 1);
        secret = checked(unescape(value, end ? (size_t)(end - value) : len - (size_t)n - 1));
    }
    return secret;
}

/* ---- structure refusals ---- */

/*
 * Source: the texts of Appwrite's Structure validator:
 *   Invalid document structure: Unknown attribute: "nope"
 *   ...: Attribute "content" has invalid type. Value must be a valid string and no longer than
 * 1000000 chars
 *   ...: Attribute "tags" must be an array
 *   ...: Attribute "tags['0']" has invalid type. ...
 *   ...: Missing required attribute "threadId"
 */
bool avj_aw_parse_attribute(const char *message, struct avj_aw_attribute *out)
{
    *out = (struct avj_aw_attribute){0};
    const char *at = strstr(message, "ttribute");
    const char *from = at ? strchr(at, '"') : NULL;
    size_t len = from ? strcspn(from + 1, "\"") : 0;
    if (len == 0 || from[1 + len] != '"')
        return false;
    const char *rest = from + 1 + len;
    const char *bracket = memchr(from + 1, '[', len);
    if (bracket)
        len = (size_t)(bracket - from - 1);
    if (len == 0 || len >= sizeof out->name)
        return false;
    memcpy(out->name, from + 1, len);
    out->name[len] = '\0';
    out->element = bracket != NULL;
    out->unknown = strstr(message, "Unknown attribute") != NULL;
    out->wants_array = strstr(rest, "must be an array") != NULL;
    return true;
}
