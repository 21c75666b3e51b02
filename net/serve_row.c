/* Drafts and rows (serve_row.h). */
#include "net/serve_row.h"

#include <stdlib.h>
#include <string.h>

void avj_draft_init(struct avj_draft *draft, const struct avj_collection_schema *schema)
{
    memset(draft, 0, sizeof(*draft));
    draft->schema = schema;
}

void avj_draft_release(struct avj_draft *draft)
{
    for (size_t i = 0; i < AVJ_ATTRS_MAX; i++)
        free(draft->owned[i]);
    memset(draft->owned, 0, sizeof(draft->owned));
}

void avj_draft_copy(struct avj_draft *draft, size_t i, const struct avj_server_row *row)
{
    draft->cells[i] = row->cells[i];
}

static bool word_time(const char *text, size_t len, int64_t now_ms, int64_t *ms)
{
    static const struct {
        const char *word;
        int days;
    } words[] = {{"today", 0}, {"midnight", 0}, {"yesterday", -1}, {"tomorrow", 1}};
    const int64_t day = 86400000;
    if (len == 3 && memcmp(text, "now", 3) == 0) {
        *ms = now_ms;
        return true;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i].word) == len && memcmp(words[i].word, text, len) == 0) {
            *ms = now_ms - now_ms % day + words[i].days * day;
            return true;
        }
    return false;
}

bool avj_server_time(const char *text, size_t len, int64_t now_ms, char out[AVJ_TIME_TEXT])
{
    int64_t ms;
    if (!avj_time_parse(text, len, &ms) && !word_time(text, len, now_ms, &ms))
        return false;
    avj_time_format(ms, out);
    return true;
}

static bool set_text(struct avj_draft *draft, size_t i, const json_t *value, int64_t now_ms)
{
    struct avj_cell *cell = &draft->cells[i];
    cell->kind = AVJ_CELL_TEXT;
    cell->text = json_string_value(value);
    cell->len = json_string_length(value);
    if (draft->schema->attrs[i].type == AVJ_A_TIME &&
        avj_server_time(cell->text, cell->len, now_ms, draft->times[i])) {
        cell->text = draft->times[i];
        cell->len = AVJ_TIME_TEXT - 1;
    }
    return true;
}

bool avj_draft_set(struct avj_draft *draft, size_t i, const json_t *value, int64_t now_ms)
{
    struct avj_cell *cell = &draft->cells[i];
    memset(cell, 0, sizeof(*cell));
    if (json_is_string(value))
        return set_text(draft, i, value, now_ms);
    if (json_is_boolean(value)) {
        cell->kind = AVJ_CELL_BOOL;
        cell->integer = json_is_true(value);
    } else if (json_is_integer(value)) {
        cell->kind = AVJ_CELL_INT;
        cell->integer = json_integer_value(value);
    } else if (json_is_array(value)) {
        free(draft->owned[i]);
        draft->owned[i] = json_dumps(value, JSON_COMPACT);
        if (!draft->owned[i])
            return false;
        cell->kind = AVJ_CELL_LIST;
        cell->text = draft->owned[i];
        cell->len = strlen(cell->text);
    }
    return true;
}

static bool cell_equals(const struct avj_cell *a, const struct avj_cell *b)
{
    return a->kind == b->kind && a->integer == b->integer && a->len == b->len &&
           (a->len == 0 || memcmp(a->text, b->text, a->len) == 0);
}

bool avj_draft_equals(const struct avj_draft *draft, const struct avj_server_row *row)
{
    for (size_t i = 0; i < draft->schema->count; i++)
        if (!cell_equals(&draft->cells[i], &row->cells[i]))
            return false;
    return true;
}

static char *put(char **at, const char *data, size_t len)
{
    char *to = *at;
    if (len)
        memcpy(to, data, len);
    to[len] = '\0';
    *at = to + len + 1;
    return to;
}

struct avj_server_row *avj_draft_row(const struct avj_draft *draft, const char *id,
                                     const char *perms, size_t perms_len)
{
    size_t count = draft->schema->count, texts = strlen(id) + 1 + perms_len + 1;
    for (size_t i = 0; i < count; i++)
        texts += draft->cells[i].len + 1;
    struct avj_server_row *row = calloc(1, sizeof(*row) + count * sizeof(row->cells[0]) + texts);
    if (!row)
        return NULL;
    char *at = (char *)&row->cells[count];
    row->count = count;
    row->id = put(&at, id, strlen(id));
    row->perms = put(&at, perms, perms_len);
    row->perms_len = perms_len;
    for (size_t i = 0; i < count; i++) {
        row->cells[i] = draft->cells[i];
        if (draft->cells[i].text)
            row->cells[i].text = put(&at, draft->cells[i].text, draft->cells[i].len);
    }
    return row;
}
