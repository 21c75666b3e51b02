/*
 * Maintenance: sealing finished segments, and training a dictionary on the journal's own records.
 * What is done, and when it is due, is in maintain.c; background.c does it while nobody waits.
 *
 * Threading: avj_maintain may be called by any thread; one at a time does the work, in whatever
 * process: whoever has the lock of file `seal.lock`.
 */
#ifndef AVJ_MAINTAIN_H
#define AVJ_MAINTAIN_H

#include "journal/private.h"

/* A dictionary is due when the log has so many bytes, and again each time it has grown twelvefold,
 * up to the last of these. */
#define AVJ_TRAIN_FIRST ((uint64_t)160 * 1024)
#define AVJ_TRAIN_GROWN ((uint64_t)12)
#define AVJ_TRAIN_LAST  ((uint64_t)32 * 1024 * 1024)

enum avj_due { AVJ_DUE_TRAINING = 1, AVJ_DUE_SEALING = 2 };

/* As avj_journal_maintain, of the kinds (enum avj_due) that are named. */
AVJ_CHECKED enum avj_status avj_maintain(struct avj_journal *journal, unsigned due,
                                         const struct avj_maintenance *how,
                                         struct avj_maintained *done, struct avj_error *err);

/* Looks which dictionary waits for the next segment and when the next training is due.  Caller
 * holds append_mutex. */
void avj_look_for_dictionary(struct avj_journal *journal);

/* ---- dictionary_file.c: file `dictionary`, the dictionary that the next segment begins with ----
 */

#define AVJ_DICTIONARY_FILE "dictionary"

struct avj_dictionary_file {
    struct avj_dictionary dictionary; /* len 0: training found none that was better */
    uint64_t trained_at;              /* bytes of the log then */
    uint8_t *bytes, *stored;          /* owned: what `dictionary` points to */
};

/* AVJ_ENOTFOUND: there is none, or none that can be believed (it is made again). AVJ_EIO,
 * AVJ_ENOMEM. Release in every case. */
AVJ_CHECKED enum avj_status avj_dictionary_load(struct avj_journal *journal,
                                                struct avj_dictionary_file *file,
                                                struct avj_error *err);
void avj_dictionary_release(struct avj_dictionary_file *file);
/* Replaces the file, whole or not at all. */
AVJ_CHECKED enum avj_status avj_dictionary_save(struct avj_journal *journal,
                                                const struct avj_dictionary *dictionary,
                                                uint64_t trained_at, struct avj_error *err);

/* ---- background.c ---- */

/* Something may be due: the thread is made where there is none, and told.  Caller holds
 * append_mutex. */
void avj_background_wake(struct avj_journal *journal, enum avj_due due);
/* Ends the thread; training is brought to its end, sealing is not. */
void avj_background_stop(struct avj_journal *journal);

#endif
