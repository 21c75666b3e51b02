/*
 * Training: makes a dictionary out of a journal's own records, and proves on records that it has
 * not seen that it is worth having.  No I/O; the caller brings the records and stores the outcome.
 *
 * Two dictionaries are tried: the records' own pieces alone, and the built-in dictionary's content
 * with those pieces behind it (real text profits from both).  The winner must beat the dictionary
 * in use by AVJ_TRAIN_GAIN percent.
 *
 * 250 records already give most of what 5,000 do, so the first training needs not wait for long.
 * Measured: 0.05 s for 256 KiB of records, 0.45 s for 4 MiB, and some 20 MiB of memory.
 *
 * Threading: pure, but for libzstd 1.5's trainer, which keeps its verbosity in a static variable:
 * within a process trainings wait for each other.
 */
#ifndef AVJ_TRAIN_H
#define AVJ_TRAIN_H

#include "journal/dictionary.h"
#include "journal/journal.h"

/* Bytes of samples that are looked at; of more, an even choice is made. */
#define AVJ_TRAIN_SAMPLES_MAX ((size_t)4 * 1024 * 1024)
/* Fewer bytes than this are not worth a dictionary. */
#define AVJ_TRAIN_SAMPLES_MIN ((size_t)32 * 1024)
/* Bytes of the journal's own in a dictionary, where the caller does not say.  One of 64 KiB costs
 * 1 % of bytes; in one of 124 a message is looked for 1.5 us longer than in this, which saves 0.2 %
 * at most, before what it takes in each segment. */
#define AVJ_TRAIN_WANT ((size_t)96 * 1024)
/* By how many percent held-out records must become smaller than with the dictionary in use. */
#define AVJ_TRAIN_GAIN 2u

struct avj_training {
    /* Payloads of frames of one record (the record behind its length), oldest first; borrowed.
     * Those of AVJ_SMALL_RAW bytes and more are passed over: they are compressed without. */
    const struct avj_slice *samples;
    size_t count;
    /* The dictionary in use; borrowed.  NULL, 0: none. */
    const void *old;
    size_t old_len;
    size_t want; /* bytes of the journal's own, 0: AVJ_TRAIN_WANT; at most a third of the samples */
};

struct avj_trained {
    uint8_t *data; /* the caller's: free() */
    size_t len;    /* at most AVJ_DICTIONARY_MAX */
    /* The held-out records: the newest quarter of the samples. */
    uint64_t held_raw, held_old, held_new; /* bytes: as they are, with the old one, with this one */
};

/*
 * Fills *out.  AVJ_END: keep the old one (too few samples, nothing in common, or no gain);
 * out->data is NULL, and held_* are 0 where it did not come to a comparison.  Errors: AVJ_ENOMEM.
 */
AVJ_CHECKED enum avj_status avj_train_dictionary(const struct avj_training *training,
                                                 struct avj_trained *out, struct avj_error *err);

/*
 * The pieces of the samples, which lie one behind the other, that repeat most: raw content for a
 * dictionary, the most useful last.  out: `room` bytes.  How many were filled; 0: out of memory, or
 * nothing repeats.
 */
size_t avj_train_content(const uint8_t *samples, const size_t *sizes, size_t count, uint8_t *out,
                         size_t room);

#endif
