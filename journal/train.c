/* Training of dictionaries: see train.h. */
#include "journal/train.h"
#include "journal/tuning.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zdict.h>
#include <zstd.h>

/* zdict refuses fewer; so little says nothing about the future anyway. */
#define SAMPLES_MIN 16u
/* Level whose choice of matches the statistics are taken with: near to the small tuning's. */
#define STATISTICS_LEVEL 9
/* Room for the tables in front of a dictionary's content. */
#define TABLES_MAX ((size_t)1024)
#define WANT_MAX   (AVJ_DICTIONARY_MAX - TABLES_MAX)

/* The chosen samples, one behind the other, as zdict takes them. */
struct samples {
    uint8_t *bytes;
    size_t *sizes;
    size_t count, len;             /* all of them */
    size_t learn_count, learn_len; /* those to learn from; the others are held out */
};

static void samples_release(struct samples *s)
{
    free(s->bytes);
    free(s->sizes);
}

static bool usable(const struct avj_slice *sample)
{
    return sample->len > 0 && sample->len < AVJ_SMALL_RAW;
}

static uint64_t usable_bytes(const struct avj_training *t)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < t->count; i++)
        if (usable(&t->samples[i]))
            bytes += t->samples[i].len;
    return bytes;
}

static void take(struct samples *s, const struct avj_slice *sample)
{
    memcpy(s->bytes + s->len, sample->data, sample->len);
    s->len += sample->len;
    s->sizes[s->count++] = sample->len;
}

/* Whether the i-th sample is one of the share `threshold` / 2^64.  Multiples of the golden ratio,
 * whose fractions are spread evenly however regular the samples are (questions and answers take
 * turns), and which know nothing of a sample's size (Knuth, The Art of Computer Programming
 * 3, 6.4). */
static bool chosen(size_t i, uint64_t threshold)
{
    return (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15) <= threshold;
}

static void choose(struct samples *s, const struct avj_training *t, uint64_t total)
{
    uint64_t threshold = UINT64_MAX;
    /* A little less than fills the limit, for the sizes differ. */
    if (total > AVJ_TRAIN_SAMPLES_MAX)
        threshold = UINT64_MAX / 100 * 95 / total * AVJ_TRAIN_SAMPLES_MAX;
    for (size_t i = 0; i < t->count; i++) {
        const struct avj_slice *sample = &t->samples[i];
        if (usable(sample) && chosen(i, threshold) && sample->len <= AVJ_TRAIN_SAMPLES_MAX - s->len)
            take(s, sample);
    }
}

static enum avj_status samples_init(struct samples *s, const struct avj_training *t)
{
    uint64_t total = usable_bytes(t);
    memset(s, 0, sizeof(*s));
    if (total < AVJ_TRAIN_SAMPLES_MIN)
        return AVJ_END;
    s->bytes = malloc(total < AVJ_TRAIN_SAMPLES_MAX ? (size_t)total : AVJ_TRAIN_SAMPLES_MAX);
    s->sizes = malloc(t->count * sizeof(*s->sizes));
    if (!s->bytes || !s->sizes)
        return AVJ_ENOMEM;
    choose(s, t, total);
    s->learn_count = s->count - s->count / 4;
    for (size_t i = 0; i < s->learn_count; i++)
        s->learn_len += s->sizes[i];
    return s->learn_count < SAMPLES_MIN ? AVJ_END : AVJ_OK;
}

/* ---- zdict ---- */

/* Bytes of the dictionary; 0: there is none. */
static size_t train_zdict(uint8_t *out, size_t room, const uint8_t *bytes, const size_t *sizes,
                          size_t count)
{
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one_at_a_time);
    size_t len = ZDICT_trainFromBuffer(out, room, bytes, sizes, (unsigned)count);
    pthread_mutex_unlock(&one_at_a_time);
    return ZDICT_isError(len) ? 0 : len;
}

size_t avj_train_content(const uint8_t *samples, const size_t *sizes, size_t count, uint8_t *out,
                         size_t room)
{
    size_t len = train_zdict(out, room, samples, sizes, count);
    size_t head = len ? ZDICT_getDictHeaderSize(out, len) : 0;
    if (!len || ZDICT_isError(head) || head >= len)
        return 0;
    memmove(out, out + head, len - head);
    return len - head;
}

/* ---- how good a dictionary is ---- */

static bool compressed_size(ZSTD_CCtx *zstd, const struct samples *s, uint64_t *total)
{
    size_t cap = ZSTD_compressBound(AVJ_SMALL_RAW), at = s->learn_len;
    uint8_t *out = malloc(cap);
    *total = 0;
    for (size_t i = s->learn_count; out && i < s->count; i++) {
        size_t size = ZSTD_compress2(zstd, out, cap, s->bytes + at, s->sizes[i]);
        /* What does not shrink is stored as it is.  Errors are very large numbers. */
        *total += size < s->sizes[i] ? size : s->sizes[i];
        at += s->sizes[i];
    }
    free(out);
    return out != NULL;
}

/* Bytes of the held-out samples, compressed as the packer does it. */
static enum avj_status measure(const struct samples *s, const void *dictionary, size_t len,
                               uint64_t *total)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    bool ok = zstd && avj_tune(zstd, AVJ_TUNE_SMALL) &&
              !ZSTD_isError(ZSTD_CCtx_loadDictionary(zstd, dictionary, len)) &&
              compressed_size(zstd, s, total);
    ZSTD_freeCCtx(zstd);
    return ok ? AVJ_OK : AVJ_ENOMEM;
}

/* ---- the two dictionaries ---- */

struct dictionary {
    uint8_t *data;
    size_t len;
};

/* zdict tells no memory from bad samples: whatever fails here means that the old one is kept. */
static bool train_own(const struct samples *s, size_t want, struct dictionary *out)
{
    out->len = train_zdict(out->data, want, s->bytes, s->sizes, s->learn_count);
    return out->len > 0;
}

/* The built-in dictionary's content, then that of `own`, nearer and so cheaper to refer to. */
static bool combine(const struct samples *s, const struct dictionary *own, struct dictionary *out)
{
    const uint8_t *base;
    size_t base_len;
    bool known = avj_dictionary_builtin(AVJ_DICTIONARY_BUILTIN, &base, &base_len);
    assert(known);
    size_t base_head = ZDICT_getDictHeaderSize(base, base_len);
    size_t own_head = ZDICT_getDictHeaderSize(own->data, own->len);
    if (ZDICT_isError(base_head) || ZDICT_isError(own_head))
        return false;
    size_t base_size = base_len - base_head, own_size = own->len - own_head;
    /* The best of a dictionary is at its end: what there is no room for is left out of the front.
     */
    size_t room = AVJ_DICTIONARY_MAX - TABLES_MAX - base_size;
    size_t own_skip = own_head + (own_size > room ? own_size - room : 0);
    own_size = own->len - own_skip;
    uint8_t *content = malloc(base_size + own_size);
    if (!content)
        return false;
    memcpy(content, base + base_head, base_size);
    memcpy(content + base_size, own->data + own_skip, own_size);
    ZDICT_params_t params = {.compressionLevel = STATISTICS_LEVEL,
                             .dictID = ZDICT_getDictID(own->data, own->len)};
    size_t len =
        ZDICT_finalizeDictionary(out->data, AVJ_DICTIONARY_MAX, content, base_size + own_size,
                                 s->bytes, s->sizes, (unsigned)s->learn_count, params);
    free(content);
    out->len = ZDICT_isError(len) ? 0 : len;
    return out->len > 0;
}

/* ---- the choice ---- */

static size_t wanted(const struct avj_training *t, const struct samples *s)
{
    size_t want = t->want ? t->want : AVJ_TRAIN_WANT;
    if (want > WANT_MAX)
        want = WANT_MAX;
    return want < s->learn_len / 3 ? want : s->learn_len / 3;
}

/* Takes `candidate` over where it is better than what *out has. */
static enum avj_status consider(const struct samples *s, struct dictionary *candidate,
                                struct avj_trained *out)
{
    uint64_t size;
    enum avj_status status = measure(s, candidate->data, candidate->len, &size);
    if (status != AVJ_OK || (out->data && size >= out->held_new))
        return status;
    free(out->data);
    out->data = candidate->data;
    out->len = candidate->len;
    out->held_new = size;
    candidate->data = NULL;
    return AVJ_OK;
}

static enum avj_status try_both(const struct samples *s, size_t want, struct avj_trained *out)
{
    struct dictionary own = {malloc(AVJ_DICTIONARY_MAX), 0};
    struct dictionary both = {malloc(AVJ_DICTIONARY_MAX), 0};
    enum avj_status status = own.data && both.data ? AVJ_OK : AVJ_ENOMEM;
    if (status == AVJ_OK && !train_own(s, want, &own))
        status = AVJ_END;
    if (status == AVJ_OK && combine(s, &own, &both))
        status = consider(s, &both, out);
    if (status == AVJ_OK)
        status = consider(s, &own, out);
    free(own.data);
    free(both.data);
    return status;
}

static bool worth_it(const struct avj_trained *t)
{
    return t->held_new * 100 <= t->held_old * (100 - AVJ_TRAIN_GAIN);
}

static enum avj_status train(const struct avj_training *t, struct samples *s,
                             struct avj_trained *out)
{
    enum avj_status status = samples_init(s, t);
    if (status == AVJ_OK)
        status = try_both(s, wanted(t, s), out);
    if (status == AVJ_OK)
        status = measure(s, t->old, t->old_len, &out->held_old);
    if (status != AVJ_OK)
        return status;
    out->held_raw = s->len - s->learn_len;
    return worth_it(out) ? AVJ_OK : AVJ_END;
}

enum avj_status avj_train_dictionary(const struct avj_training *t, struct avj_trained *out,
                                     struct avj_error *err)
{
    struct samples samples;
    memset(out, 0, sizeof(*out));
    enum avj_status status = train(t, &samples, out);
    samples_release(&samples);
    if (status == AVJ_OK)
        return AVJ_OK;
    free(out->data);
    out->data = NULL;
    out->len = 0;
    return status == AVJ_ENOMEM ? avj_fail(err, status, "train a dictionary: out of memory")
                                : status;
}
