/* Sealing and training, one after the other: see maintain.h. */
#include "journal/maintain.h"
#include "journal/seal.h"
#include "journal/train.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct maintaining {
    struct avj_journal *journal;
    const struct avj_maintenance *how;
    struct avj_maintained *done;
    struct avj_error *err;
};

static bool must_stop(const struct maintaining *m)
{
    return m->how->stop && m->how->stop(m->how->arg);
}

/* ---- sealing ---- */

/* A damaged segment stays as it is and is none of this call's failures: avchat-fsck tells of it. */
static enum avj_status seal_one(struct maintaining *m, const struct avj_sealing *sealing,
                                uint64_t number)
{
    struct avj_error why;
    uint64_t before = avj_segment_size(m->journal, number);
    enum avj_status status = avj_seal_segment(sealing, number, &why);
    if (status == AVJ_OK) {
        m->done->sealed++;
        m->done->bytes_before += before;
        m->done->bytes_after += avj_segment_size(m->journal, number);
    }
    if (status == AVJ_ECORRUPT || status == AVJ_EVERSION)
        m->done->damaged++;
    if (status == AVJ_OK || status == AVJ_END || status == AVJ_ECORRUPT || status == AVJ_EVERSION)
        return AVJ_OK;
    return avj_fail(m->err, status, "%s", why.message);
}

static enum avj_status seal_segments(struct maintaining *m, const struct avj_sealing *sealing)
{
    struct avj_segment_entry *list;
    size_t count;
    struct avj_journal *j = m->journal;
    enum avj_status status = avj_list_segments(j->io, j->path, &list, &count, NULL, NULL, m->err);
    for (size_t i = 0; status == AVJ_OK && i + 1 < count && !must_stop(m); i++) {
        status = seal_one(m, sealing, list[i].number);
        if (status == AVJ_OK && m->how->progress)
            m->how->progress(m->how->arg, i + 1, count - 1);
    }
    free(list);
    return status;
}

static enum avj_status seal_all(struct maintaining *m)
{
    struct avj_sealing sealing = {.io = m->journal->io,
                                  .path = m->journal->path,
                                  .packer = avj_packer_new(AVJ_LEVEL_SEALING),
                                  .stop = m->how->stop,
                                  .arg = m->how->arg};
    if (!sealing.packer)
        return avj_fail(m->err, AVJ_ENOMEM, "sealing: out of memory");
    enum avj_status status = seal_segments(m, &sealing);
    avj_packer_free(sealing.packer);
    return status;
}

/* ---- training ---- */

struct samples {
    uint8_t *bytes;
    size_t len;
    struct avj_slice *slices;
    size_t count;
};

#define SAMPLES_MAX ((size_t)64 * 1024)

/* A record as it stands in a frame of its own.  False: that is enough. */
static bool add_sample(struct samples *s, const struct avj_record *record)
{
    if (s->count == SAMPLES_MAX || s->len + record->len + 4 > AVJ_TRAIN_SAMPLES_MAX)
        return false;
    size_t len = avj_record_put(s->bytes + s->len, record->data, record->len);
    s->slices[s->count++] = (struct avj_slice){s->bytes + s->len, len};
    s->len += len;
    return true;
}

/* Bytes of a record in the log, where too few are at hand to tell. */
#define RECORD_GUESS 256u

/* The newest records, some 4 MiB of them: twice what they take in the log.  Trained on so many the
 * dictionary saves 2 % more than on a quarter, and it happens three times in the life of a journal:
 * a program that ends then waits for half a second. */
static uint64_t samples_from(struct avj_journal *j)
{
    pthread_mutex_lock(&j->append_mutex);
    uint64_t bytes = j->tail.offset - j->segment.frames_at, next = j->tail.next_seq;
    uint64_t records = next - j->segment.first_seq;
    pthread_mutex_unlock(&j->append_mutex);
    uint64_t each = records >= 100 ? bytes / records + 1 : RECORD_GUESS;
    uint64_t wanted = AVJ_TRAIN_SAMPLES_MAX / 2 / each + 1;
    return next > wanted ? next - wanted : 1;
}

static enum avj_status collect(struct maintaining *m, struct samples *s)
{
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error why;
    enum avj_status status = avj_cursor_open(m->journal, samples_from(m->journal), &cursor, &why);
    while (status == AVJ_OK && (status = avj_cursor_next(cursor, &record, &why)) == AVJ_OK)
        if (!add_sample(s, &record))
            break;
    avj_cursor_close(cursor);
    /* In front of damage there may be enough; that it is there is said elsewhere. */
    if (status == AVJ_OK || status == AVJ_END || status == AVJ_ECORRUPT)
        return AVJ_OK;
    return avj_fail(m->err, status, "%s", why.message);
}

static enum avj_status train_on(struct maintaining *m, const struct samples *s, uint64_t log_bytes)
{
    struct avj_journal *j = m->journal;
    struct avj_dictionary_file old;
    struct avj_dictionary in_use;
    struct avj_trained trained = {0};
    enum avj_status status = avj_dictionary_load(j, &old, NULL);
    avj_dictionary_default(&in_use);
    if (status == AVJ_OK && old.dictionary.len)
        in_use = old.dictionary;
    const struct avj_training training = {
        .samples = s->slices, .count = s->count, .old = in_use.data, .old_len = in_use.len};
    status = avj_train_dictionary(&training, &trained, m->err);
    if (status == AVJ_OK) {
        const struct avj_dictionary better = {.data = trained.data,
                                              .len = (uint32_t)trained.len,
                                              .hash = avj_hash64(trained.data, trained.len)};
        status = avj_dictionary_save(j, &better, log_bytes, m->err);
        m->done->trained = status == AVJ_OK;
    } else if (status == AVJ_END) {
        status = avj_dictionary_save(j, &old.dictionary, log_bytes, m->err);
    }
    free(trained.data);
    avj_dictionary_release(&old);
    return status;
}

static enum avj_status train(struct maintaining *m, uint64_t log_bytes)
{
    struct samples s = {
        .bytes = malloc(AVJ_TRAIN_SAMPLES_MAX),
        .slices = malloc(SAMPLES_MAX * sizeof(struct avj_slice)),
    };
    enum avj_status status = s.bytes && s.slices
                                 ? collect(m, &s)
                                 : avj_fail(m->err, AVJ_ENOMEM, "training: out of memory");
    if (status == AVJ_OK)
        status = train_on(m, &s, log_bytes);
    free(s.bytes);
    free(s.slices);
    return status;
}

static bool is_due(struct avj_journal *j, uint64_t log_bytes)
{
    struct avj_dictionary_file file;
    if (log_bytes < AVJ_TRAIN_FIRST)
        return false;
    if (avj_dictionary_load(j, &file, NULL) != AVJ_OK)
        return true;
    uint64_t at = file.trained_at;
    avj_dictionary_release(&file);
    return at < AVJ_TRAIN_LAST && log_bytes / AVJ_TRAIN_GROWN >= at;
}

static enum avj_status train_where_due(struct maintaining *m)
{
    struct avj_journal_info info;
    enum avj_status status = avj_journal_info(m->journal, &info, m->err);
    if (status != AVJ_OK || !is_due(m->journal, info.bytes))
        return status;
    status = train(m, info.bytes);
    pthread_mutex_lock(&m->journal->append_mutex);
    m->journal->looked = false; /* the next append does */
    pthread_mutex_unlock(&m->journal->append_mutex);
    return status;
}

void avj_look_for_dictionary(struct avj_journal *j)
{
    struct avj_dictionary_file file;
    if (j->looked)
        return;
    j->looked = true;
    j->next_training = AVJ_TRAIN_FIRST;
    if (avj_dictionary_load(j, &file, NULL) != AVJ_OK)
        return;
    j->waiting_dictionary = file.dictionary.len ? file.dictionary.hash : 0;
    j->next_training =
        file.trained_at < AVJ_TRAIN_LAST ? file.trained_at * AVJ_TRAIN_GROWN : UINT64_MAX;
    avj_dictionary_release(&file);
}

/* ---- both ---- */

static enum avj_status maintain_locked(struct maintaining *m, unsigned due)
{
    enum avj_status status = due & AVJ_DUE_TRAINING ? train_where_due(m) : AVJ_OK;
    return status == AVJ_OK && (due & AVJ_DUE_SEALING) ? seal_all(m) : status;
}

static enum avj_status take_lock(struct avj_journal *j, const char *name, int *lock,
                                 struct avj_error *err)
{
    *lock = j->io->open(j->io->ctx, name, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    if (*lock < 0)
        return avj_fail_errno(err, -*lock, "%s", name);
    int r;
    do
        r = j->io->try_lock(j->io->ctx, *lock);
    while (r == -EINTR);
    if (r == AVJ_LOCK_TAKEN)
        return AVJ_OK;
    avj_seal_unlock(j, *lock);
    if (r == AVJ_LOCK_BUSY)
        return avj_fail(err, AVJ_ELOCKED, "%s: another process is sealing this journal", j->path);
    return avj_fail_errno(err, -r, "%s", name);
}

enum avj_status avj_seal_lock(struct avj_journal *j, int *lock, struct avj_error *err)
{
    char name[AVJ_PATH_MAX];
    snprintf(name, sizeof(name), "%s/" AVJ_SEAL_LOCK, j->path);
    if (j->options.read_only)
        return avj_fail(err, AVJ_EREADONLY, "journal %s is open read-only", j->path);
    return take_lock(j, name, lock, err);
}

void avj_seal_unlock(struct avj_journal *j, int lock)
{
    (void)j->io->close(j->io->ctx, lock); /* which lets the lock go */
}

enum avj_status avj_maintain(struct avj_journal *j, unsigned due, const struct avj_maintenance *how,
                             struct avj_maintained *done, struct avj_error *err)
{
    struct maintaining m = {j, how, done, err};
    int lock;
    memset(done, 0, sizeof(*done));
    enum avj_status status = avj_seal_lock(j, &lock, err);
    if (status != AVJ_OK)
        return status;
    status = maintain_locked(&m, due);
    avj_seal_unlock(j, lock);
    return status;
}

enum avj_status avj_journal_maintain(struct avj_journal *journal, const struct avj_maintenance *how,
                                     struct avj_maintained *done, struct avj_error *err)
{
    static const struct avj_maintenance plain;
    struct avj_maintained ignored;
    return avj_maintain(journal, AVJ_DUE_TRAINING | AVJ_DUE_SEALING, how ? how : &plain,
                        done ? done : &ignored, err);
}
