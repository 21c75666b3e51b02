/*
 * Queries of lists: `{"method":"equal","attribute":"threadId","values":["t"]}` parsed, checked
 * against a collection, and applied to a row. Threading: one thread an object.  Lifetime: a parsed
 * set owns everything it holds.
 */
#ifndef AVJ_SERVE_QUERY_H
#define AVJ_SERVE_QUERY_H

#include "net/serve_row.h"

#include <jansson.h>

#define AVJ_QUERIES_MAX         100
#define AVJ_QUERY_TEXT_MAX      4096
#define AVJ_QUERY_VALUES_MAX    500
#define AVJ_QUERY_DEPTH_MAX     8
#define AVJ_QUERY_ORDERS_MAX    8
#define AVJ_QUERY_LIMIT_DEFAULT 25

/* Attributes by index, and the system fields behind them. */
enum { AVJ_Q_ID = AVJ_ATTRS_MAX, AVJ_Q_SEQUENCE, AVJ_Q_CREATED, AVJ_Q_UPDATED };

enum avj_query_method {
    AVJ_Q_EQUAL,
    AVJ_Q_NOT_EQUAL,
    AVJ_Q_LESS,
    AVJ_Q_LESS_EQUAL,
    AVJ_Q_GREATER,
    AVJ_Q_GREATER_EQUAL,
    AVJ_Q_BETWEEN,
    AVJ_Q_IS_NULL,
    AVJ_Q_IS_NOT_NULL,
    AVJ_Q_STARTS,
    AVJ_Q_ENDS,
    AVJ_Q_CONTAINS,
    AVJ_Q_AND,
    AVJ_Q_OR
};

struct avj_query {
    enum avj_query_method method;
    int field;
    struct avj_cell *values; /* texts point into `json` of the set or into `times` */
    char (*times)[AVJ_TIME_TEXT];
    size_t value_count;
    struct avj_query *children;
    size_t child_count;
};

struct avj_query_order {
    int field;
    bool descending;
};

struct avj_query_set {
    const struct avj_collection_schema *schema;
    json_t *json[AVJ_QUERIES_MAX];
    size_t json_count;
    struct avj_query filters[AVJ_QUERIES_MAX];
    size_t filter_count;
    struct avj_query_order orders[AVJ_QUERY_ORDERS_MAX];
    size_t order_count;
    size_t limit, offset;
    const char *cursor; /* NULL: none */
    bool before;
    bool selects; /* `selected` counts */
    bool selected[AVJ_ATTRS_MAX];
    char message[400]; /* what is wrong, worded as Appwrite does */
};

void avj_query_init(struct avj_query_set *set, const struct avj_collection_schema *schema);
void avj_query_release(struct avj_query_set *set);
/* Adds one query.  False: `message` says why. */
bool avj_query_add(struct avj_query_set *set, const char *text, int64_t now_ms);
bool avj_query_match(const struct avj_query_set *set, const struct avj_server_row *row);

/* The value of a field, system fields included; $createdAt and $updatedAt in milliseconds. */
struct avj_cell avj_query_field(const struct avj_server_row *row, int field);
/* Null first, then by value. */
int avj_cell_compare(const struct avj_cell *a, const struct avj_cell *b);

#endif
