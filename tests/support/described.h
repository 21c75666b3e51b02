/*
 * Everything that a view shows, as one msgpack list, so that two views can be compared and their
 * difference be told.  How a view keeps it (slots, side records, open documents, what is mapped)
 * is no part of it.
 *
 * Threading: the view's.
 */
#ifndef TEST_DESCRIBED_H
#define TEST_DESCRIBED_H

#include "replay/view_private.h"

/* Digest, counts, orders, and of every document its fields, row, place and turn.  Deep: of every
 * document its rows, pending mutations and reasons too, read back from the log; this opens
 * documents, which must change nothing.  Failures abort. */
void described(struct avj_view *view, bool deep, struct avj_pack *out);

/* True: alike.  Else what differs goes to stderr, under `what`. */
bool described_alike(const struct avj_pack *a, const struct avj_pack *b, const char *what);

/* The two views show the same. */
bool described_same(struct avj_view *a, struct avj_view *b, bool deep, const char *what);

#endif
