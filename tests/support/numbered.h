/*
 * Records whose content follows from their sequence number, so that a reader can tell a wrong,
 * moved, doubled or lost one without remembering what was written.
 *
 * A record is its number (8 bytes, little-endian) and filler made from that number; its length
 * follows from the number too.  Half of the filler compresses well, half not at all. Threading:
 * pure functions.
 */
#ifndef TEST_NUMBERED_H
#define TEST_NUMBERED_H

#include "journal/journal.h"

#define NUMBERED_MAX 700

/* The record for `number`, into `data`; returns its length. */
size_t numbered_make(uint64_t number, uint8_t data[NUMBERED_MAX]);
/* True when these bytes are the record for `number`. */
bool numbered_is(uint64_t number, const uint8_t *data, size_t len);

/* Appends records for the numbers from .. from+count-1 as one frame.  `from` must be the next
 * sequence number wherever the records are to be checked with numbered_verify. */
enum avj_status numbered_append(struct avj_journal *journal, uint64_t from, size_t count,
                                enum avj_durability durability, uint64_t *first_seq,
                                struct avj_error *err);

/*
 * Reads with a new cursor from the first record on until the end or an error; each record must be
 * the one for its sequence number, and numbers must rise by one from 1.  *last gets the last good
 * one (0: none).  Returns AVJ_END when the end was reached and all was right, AVJ_EFORMAT (err says
 * what) when a wrong record was given out, else the error.
 */
enum avj_status numbered_verify(struct avj_journal *journal, uint64_t *last, struct avj_error *err);

#endif
