/* A journal in a folder of its own, signed in as "alice" with the fake server as its upstream, for
 * tests of the client's cores.  Failures abort. */
#ifndef TEST_CLIENT_STORE_H
#define TEST_CLIENT_STORE_H

#include "net/client_appwrite.h"

struct client_store {
    char *dir;
    struct avj_store *store;
    struct avj_appwrite aw;
};

void client_store_open(struct client_store *it);
/* Closes the store and opens it again, as after a crash. */
void client_store_reopen(struct client_store *it);
void client_store_close(struct client_store *it);

/* One mutation; fields as a json_pack'ed object with local names (consumed; NULL: none). */
void client_mutate(struct client_store *it, enum avj_op op, enum avj_entity entity, const char *id,
                   json_t *fields);
void client_thread(struct client_store *it, const char *id);
void client_message(struct client_store *it, const char *id, const char *thread,
                    const char *content);
void client_edit(struct client_store *it, const char *id, const char *content);

struct avj_store_status client_status(struct client_store *it);
/* A text field of a visible document, malloc'd; NULL: no such document or field. */
char *client_text(struct client_store *it, enum avj_entity entity, const char *id,
                  const char *field);

#endif
