/* What can happen in a history: a table of actions.  Threading: one thread. */
#ifndef PROPERTY_ACTIONS_H
#define PROPERTY_ACTIONS_H

#include "tests/property/history.h"

/* Where and with whose luck an action takes place. */
struct stage {
    struct world *world;
    struct replica *replica;
    bool handle; /* which of the replica's two stores */
    struct test_rng rng;
};

struct action_kind {
    const char *does;
    unsigned weight;
    bool (*run)(struct stage *stage); /* false: see the world's failure */
    bool tells_time;                  /* what it makes depends on the replica's clock */
};

extern const struct action_kind actions_table[];
extern const size_t action_kinds;

/* actions_value.c: documents out of a small pool, so that they meet. */
const char *some_id(struct stage *stage, enum avj_entity entity);
/* All fields that a new document of that id has. */
struct fieldmap some_document(struct stage *stage, enum avj_entity entity, const char *id);
/* Some fields, changed or cleared. */
struct fieldmap some_change(struct stage *stage, enum avj_entity entity);

/* actions_here.c */
bool act_create(struct stage *stage);
bool act_update(struct stage *stage);
bool act_delete(struct stage *stage);
bool act_new_thread(struct stage *stage);
bool act_send(struct stage *stage);
bool act_rename(struct stage *stage);
bool act_trim(struct stage *stage);
bool act_delete_thread(struct stage *stage);
bool act_branch(struct stage *stage);
bool act_drop(struct stage *stage);
bool act_retry(struct stage *stage);
bool act_restore(struct stage *stage);
bool act_dismiss(struct stage *stage);

/* actions_sync.c */
bool act_push(struct stage *stage);
bool act_settle(struct stage *stage);
bool act_hear(struct stage *stage);
bool act_lose(struct stage *stage);
bool act_sweep(struct stage *stage);
bool act_reopen(struct stage *stage);
bool act_snapshot(struct stage *stage);
bool act_compact(struct stage *stage);
bool act_unknown(struct stage *stage);
bool act_other_writes(struct stage *stage);
bool act_other_deletes(struct stage *stage);

#endif
