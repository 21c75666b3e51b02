/*
 * A server for the client's cores, in memory and without sockets: it takes requests as the cores
 * make them and answers as Appwrite 1.8.1 does, and can be told to fail at chosen requests.
 *
 * Threading: one thread.  Out of memory, or a request it does not understand, aborts the test.
 */
#ifndef TEST_CLIENT_FAKE_H
#define TEST_CLIENT_FAKE_H

#include "net/client_pull.h"
#include "net/client_push.h"

enum fake_fault_kind {
    FAKE_NONE,
    FAKE_REFUSE, /* answered with status, type and message; not done */
    FAKE_LOST,   /* done, but the answer never comes */
    FAKE_DOWN,   /* neither done nor answered */
    FAKE_BEFORE, /* `before` happens first, then it is done as asked */
};

struct fake;

struct fake_fault {
    enum fake_fault_kind kind;
    const char *match; /* a part of "METHOD /path" */
    unsigned skip;     /* so many matches go well first */
    unsigned times;    /* then so many fail; 0: one */
    int status;
    const char *type, *message, *headers;
    void (*before)(struct fake *fake);
};

struct fake {
    const char *version; /* NULL: 1.8.1 */
    const char *user;    /* whom the session belongs to */
    bool guest;          /* the session is gone */
    bool no_summaries;   /* that collection does not exist */
    const char *missing; /* "model": no collection has this attribute; NULL: none lacks one */
    const char *array;   /* this attribute is a native array */
    const char *poison;  /* content that the collection refuses */
    const char *crash;   /* content on which the server fails with 500 */
    struct fake_fault faults[6];
    unsigned matched[6]; /* how often each was met */
    int64_t now_ms;
    json_t *rows[AVJ_ENTITIES]; /* in the order they were made */
    json_t *transactions;
    json_t *log;      /* "METHOD /path" of every request */
    unsigned orphans; /* messages that were made before their thread, or outlived it */
    unsigned made;    /* transactions */
};

void fake_init(struct fake *fake);
void fake_release(struct fake *fake);

/* Answers one request. */
void fake_answer(struct fake *fake, const struct avj_http_request *request,
                 struct avj_http_answer *answer);

/* The row of that $id, or with that attribute value; NULL: none.  Borrowed. */
json_t *fake_row(struct fake *fake, enum avj_entity entity, const char *id);
json_t *fake_find(struct fake *fake, enum avj_entity entity, const char *attribute,
                  const char *value);
size_t fake_count(struct fake *fake, enum avj_entity entity);
/* Another device writes: attributes from a json_pack'ed object (consumed); a new row when there is
 * none. */
void fake_put(struct fake *fake, enum avj_entity entity, const char *id, json_t *data);
void fake_drop(struct fake *fake, enum avj_entity entity, const char *id);
/* How many requests began with "METHOD /path". */
size_t fake_asked(struct fake *fake, const char *prefix);

/* Runs a core against the server until it is idle, or fails, or `steps` requests were made.  Waits
 * cost no time. *waited (may be NULL): the milliseconds that would have been waited. */
enum avj_status fake_push(struct fake *fake, struct avj_push *push, unsigned steps, int64_t *waited,
                          struct avj_error *err);
enum avj_status fake_pull(struct fake *fake, struct avj_pull *pull, unsigned steps, int64_t *waited,
                          struct avj_error *err);

#endif
