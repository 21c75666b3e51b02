/*
 * Lists of rows.  An order that a table keeps (none, $sequence, $createdAt, $id, $updatedAt) is
 * walked from the cursor on; any other order sorts what matches.
 */
#include "net/serve_query.h"
#include "net/serve_state.h"

#include <stdlib.h>
#include <string.h>

/* The real server counts no further. */
#define TOTAL_MAX 5000

struct list {
    struct avj_call *call;
    struct avj_server_table *table;
    struct avj_query_set *set;
    const struct avj_server_row *cursor;
    const struct avj_server_row **page;
    size_t count, cap, total;
    bool want_total;
};

static bool add(struct list *list, const struct avj_server_row *row)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 32;
        const struct avj_server_row **page =
            realloc(list->page, cap * sizeof(const struct avj_server_row *));
        if (!page)
            return false;
        list->page = page;
        list->cap = cap;
    }
    list->page[list->count++] = row;
    return true;
}

static bool wanted(const struct list *list, const struct avj_server_row *row)
{
    return avj_query_match(list->set, row) && avj_may(list->call, list->table, row, "read");
}

static void reverse(struct list *list)
{
    for (size_t i = 0, j = list->count; i + 1 < j; i++) {
        const struct avj_server_row *row = list->page[i];
        list->page[i] = list->page[--j];
        list->page[j] = row;
    }
}

/* ---- an order that the table keeps ---- */

/* False: it keeps none like that. */
static bool kept_order(const struct avj_query_set *set, enum avj_table_order *order,
                       bool *descending)
{
    int field = set->order_count ? set->orders[0].field : AVJ_Q_SEQUENCE;
    *descending = set->order_count && set->orders[0].descending;
    *order = field == AVJ_Q_ID        ? AVJ_BY_ID
             : field == AVJ_Q_UPDATED ? AVJ_BY_UPDATED
                                      : AVJ_BY_SEQUENCE;
    if (field == AVJ_Q_ID || field == AVJ_Q_SEQUENCE)
        return true; /* nothing is equal in it: further orders say nothing */
    /* Rows of one millisecond keep their $sequence's order whichever way the time runs. */
    return (field == AVJ_Q_UPDATED || field == AVJ_Q_CREATED) && set->order_count == 1 &&
           !*descending;
}

static void count_total(struct list *list, struct avj_server_row *const *rows, size_t count)
{
    for (size_t i = 0; list->want_total && i < count && list->total < TOTAL_MAX; i++)
        list->total += wanted(list, rows[i]);
}

static bool walk(struct list *list, enum avj_table_order order, bool descending)
{
    bool failed, up = descending == list->set->before;
    struct avj_server_row *const *rows = avj_server_table_sorted(list->table, order, &failed);
    size_t count = rows ? list->table->rows.count : 0, skip = list->set->offset;
    if (failed)
        return false;
    count_total(list, rows, count);
    size_t from = up ? 0 : count; /* up: the next one; down: one behind it */
    if (list->cursor)
        from = avj_server_table_position(rows, count, order, list->cursor) + (up ? 1 : 0);
    while (list->count < list->set->limit && (up ? from < count : from > 0)) {
        const struct avj_server_row *row = rows[up ? from++ : --from];
        if (!wanted(list, row))
            continue;
        if (skip)
            skip--;
        else if (!add(list, row))
            return false;
    }
    if (list->set->before)
        reverse(list);
    return true;
}

/* ---- any other order ---- */

struct sorted {
    const struct avj_server_row *row;
    const struct avj_query_set *set;
};

static int compare(const void *left, const void *right)
{
    const struct sorted *a = left, *b = right;
    for (size_t i = 0; i < a->set->order_count; i++) {
        struct avj_cell x = avj_query_field(a->row, a->set->orders[i].field),
                        y = avj_query_field(b->row, a->set->orders[i].field);
        int order = avj_cell_compare(&x, &y);
        if (order)
            return a->set->orders[i].descending ? -order : order;
    }
    return avj_server_table_compare(AVJ_BY_SEQUENCE, a->row, b->row);
}

static bool slice(struct list *list, const struct sorted *sorted, size_t count)
{
    const struct sorted key = {list->cursor, list->set};
    size_t from = 0, to = count;
    for (size_t i = 0; list->cursor && i < count; i++) {
        int order = compare(&sorted[i], &key);
        if (!list->set->before && order <= 0)
            from = i + 1;
        if (list->set->before && order < 0)
            from = i + 1; /* counted: how many are before the cursor */
    }
    if (list->cursor && list->set->before) {
        to = from;
        from = to > list->set->limit + list->set->offset ? to - list->set->limit - list->set->offset
                                                         : 0;
        to = to > list->set->offset ? to - list->set->offset : 0;
    } else {
        from = count - from > list->set->offset ? from + list->set->offset : count;
    }
    for (size_t i = from; i < to && list->count < list->set->limit; i++)
        if (!add(list, sorted[i].row))
            return false;
    return true;
}

static bool sort(struct list *list)
{
    bool failed, done = false;
    struct avj_server_row *const *rows =
        avj_server_table_sorted(list->table, AVJ_BY_SEQUENCE, &failed);
    size_t all = rows ? list->table->rows.count : 0, count = 0;
    struct sorted *sorted = failed ? NULL : malloc((all + 1) * sizeof(*sorted));
    if (sorted) {
        for (size_t i = 0; i < all; i++)
            if (wanted(list, rows[i]))
                sorted[count++] = (struct sorted){rows[i], list->set};
        qsort(sorted, count, sizeof(*sorted), compare);
        list->total = !list->want_total ? 0 : count < TOTAL_MAX ? count : TOTAL_MAX;
        done = slice(list, sorted, count);
    }
    free(sorted);
    return done;
}

/* ---- the route ---- */

static bool is_query_arg(const char *arg, const char **text)
{
    if (strncmp(arg, "queries[", 8) != 0)
        return false;
    const char *close = strstr(arg, "]=");
    *text = close ? close + 2 : NULL;
    return close != NULL;
}

static bool parse(struct avj_call *call, struct avj_query_set *set)
{
    size_t count = 0;
    for (size_t i = 0; i < call->request->arg_count; i++) {
        const char *text;
        if (!is_query_arg(call->request->args[i], &text))
            continue;
        if (++count > AVJ_QUERIES_MAX || strlen(text) > AVJ_QUERY_TEXT_MAX) {
            avj_answer_error(call, 400, "general_argument_invalid",
                             "Invalid `queries` param: Value must a valid array no longer than 100 "
                             "items and Value must be a valid string "
                             "and at least 1 chars and no longer than 4096 chars");
            return false;
        }
        if (!avj_query_add(set, text, call->serve->now_ms)) {
            avj_answer_error(call, 400, "general_query_invalid", "%s", set->message);
            return false;
        }
    }
    return true;
}

static bool find_cursor(struct list *list)
{
    const char *id = list->set->cursor;
    if (!id)
        return true;
    list->cursor = avj_server_table_get(list->table, id);
    if (list->cursor && avj_may(list->call, list->table, list->cursor, "read"))
        return true;
    avj_answer_error(list->call, 400, "general_cursor_not_found",
                     "%s '%.100s' for the 'cursor' value not found.", list->call->spelling->Row,
                     id);
    return false;
}

static void answer(const struct list *list)
{
    struct avj_text *body = avj_answer(list->call, 200);
    avj_text_printf(body, "{\"total\":%zu,\"%s\":[", list->total, list->call->spelling->rows);
    for (size_t i = 0; i < list->count; i++) {
        if (i)
            avj_text_puts(body, ",");
        avj_row_json(body, list->call->spelling, list->table, list->page[i], AVJ_SHAPE_LIST,
                     list->set->selects ? list->set->selected : NULL);
    }
    avj_text_puts(body, "]}");
}

static void run(struct list *list)
{
    enum avj_table_order order;
    bool descending;
    if (!parse(list->call, list->set) || !find_cursor(list))
        return;
    if (kept_order(list->set, &order, &descending) ? walk(list, order, descending) : sort(list))
        answer(list);
    else
        avj_answer_server_error(list->call);
}

void avj_route_row_list(struct avj_call *call)
{
    struct avj_server_table *table = avj_call_table(call, call->segments[1], call->segments[3]);
    const char *total = avj_arg(call, "total");
    if (!table)
        return;
    if (!call->user && table->schema->users_may & AVJ_USERS_READ) {
        avj_answer_unauthorized(
            call); /* rows have no permissions of their own there that a guest could have */
        return;
    }
    struct avj_query_set *set = malloc(sizeof(*set));
    if (!set) {
        avj_answer_server_error(call);
        return;
    }
    avj_query_init(set, table->schema);
    /* "false" is text to the real server, and so is true; 0 is not. */
    struct list list = {
        .call = call, .table = table, .set = set, .want_total = !total || strcmp(total, "0") != 0};
    run(&list);
    free(list.page);
    avj_query_release(set);
    free(set);
}
