/*
 * Made-up conversations, the same for the same seed: text of words of our own with lengths as a
 * chat has them (log-normal, user median 80 bytes, assistant 900, at most 16 KB), compressing about
 * as well as real ones do. Threading: one thread a struct.
 */
#ifndef TEST_MESSAGES_H
#define TEST_MESSAGES_H

#include "tests/support/rng.h"

#define MESSAGE_MAX ((size_t)16 * 1024)
/* Messages of one thread, user and assistant in turn. */
#define MESSAGES_PER_THREAD 20

struct message {
    char id[37];
    char thread[40];
    char created_at[30]; /* "2025-03-01T08:00:00.000+00:00" */
    const char *role;
    const char *model; /* NULL for a user's */
    char *content;     /* NUL-terminated, owned by the generator until the next message */
    size_t len;
    uint64_t number; /* from 0 */
};

struct message_maker {
    struct test_rng rng;
    uint64_t number;
    char *buffer;
    size_t used;
    char thread[40];
    uint32_t topic[48]; /* words that this thread comes back to */
};

void message_maker_init(struct message_maker *maker, uint64_t seed);
void message_maker_release(struct message_maker *maker);
/* True at the first message of a thread. */
int message_is_first(const struct message *message);
void message_next(struct message_maker *maker, struct message *message);
/* The next message opens a new thread. */
void message_new_thread(struct message_maker *maker);

/* Import lines, newline included, as malloc'd text: of the thread that `message` opens, and of the
 * message. */
char *message_thread_line(const struct message *message);
char *message_line(const struct message *message);

#endif
