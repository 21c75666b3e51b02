/* Records between two threads: see fsck_pipe.h. */
#include "fsck/fsck_pipe.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD         4  /* batches that are read and not folded */
#define KEPT          16 /* those folded last, where entries that later ones need are found */
#define BATCHES       (AHEAD + KEPT)
#define BATCH_BYTES   ((size_t)256 * 1024)
#define BATCH_RECORDS 512
/* How many records ahead what they will need is fetched into the cache. */
#define NEAR 8

struct item {
    uint64_t offset, seq;
    size_t end; /* in the batch's bytes */
};

/* Records of one segment, copied one behind the other, and the gap that follows them. */
struct batch {
    uint8_t *bytes;
    size_t cap, used;
    uint64_t segment;
    struct item items[BATCH_RECORDS];
    size_t count;
    bool gap;
    uint64_t gap_first, gap_last;
    struct fsck_finding *gap_finding;
};

struct fsck_pipe {
    struct fsck_fold *fold;
    struct batch batches[BATCHES];
    struct prepared {
        struct avj_prepared records[BATCH_RECORDS];
        struct avj_pack scratch;
        bool done;
    } prepared[AHEAD + 1]; /* what can be said of a batch's records by either thread */
    uint64_t filled;       /* batches, ever: by whom calls */
    bool threaded, alone;
    pthread_t thread;
    pthread_mutex_t mutex; /* what follows is under it */
    pthread_cond_t moved;
    uint64_t made, used; /* batches, ever */
    bool ended;
    enum avj_status status; /* the first that was not AVJ_OK */
};

/* ---- folding ---- */

/* The bytes of a batch that is filled stay where they are. */
static enum avj_status prepare(const struct batch *b, struct prepared *prepared)
{
    enum avj_status status = AVJ_OK;
    size_t begin = 0;
    for (size_t i = 0; status == AVJ_OK && i < b->count; i++) {
        status = avj_prepare(b->bytes + begin, b->items[i].end - begin, &prepared->scratch,
                             &prepared->records[i]);
        begin = b->items[i].end;
    }
    prepared->done = true;
    return status;
}

static enum avj_status fold_batch(struct fsck_fold *fold, const struct batch *b,
                                  const struct prepared *prepared)
{
    enum avj_status status = AVJ_OK;
    size_t begin = 0;
    for (size_t i = 0; status == AVJ_OK && i < b->count; i++) {
        const struct item *item = &b->items[i];
        struct fsck_record record = {
            .segment = b->segment,
            .offset = item->offset,
            .seq = item->seq,
            .data = b->bytes + begin,
            .len = item->end - begin,
            .prepared = &prepared->records[i],
        };
        if (i + NEAR < b->count)
            fsck_fold_ahead(fold, &prepared->records[i + NEAR]);
        status = fsck_fold_record(fold, &record);
        begin = item->end;
    }
    if (status == AVJ_OK && b->gap)
        status = fsck_fold_gap(fold, b->gap_first, b->gap_last, b->gap_finding);
    return status;
}

/* One large record in each would be too much to keep. */
static void let_go(struct batch *b)
{
    if (b->cap <= BATCH_BYTES)
        return;
    free(b->bytes);
    b->bytes = NULL;
    b->cap = b->used = b->count = 0;
}

/* The next batch is folded, or passed over after a failure. */
static void use(struct fsck_pipe *pipe, uint64_t number, bool failed)
{
    struct batch *b = &pipe->batches[number % BATCHES];
    struct prepared *prepared = &pipe->prepared[number % (AHEAD + 1)];
    enum avj_status status = failed || prepared->done ? AVJ_OK : prepare(b, prepared);
    if (!failed && status == AVJ_OK)
        status = fold_batch(pipe->fold, b, prepared);
    let_go(b);
    pthread_mutex_lock(&pipe->mutex);
    pipe->used++;
    if (pipe->status == AVJ_OK)
        pipe->status = status;
    pthread_cond_signal(&pipe->moved);
    pthread_mutex_unlock(&pipe->mutex);
}

static void *fold_on(void *arg)
{
    struct fsck_pipe *pipe = arg;
    for (;;) {
        pthread_mutex_lock(&pipe->mutex);
        while (pipe->made == pipe->used && !pipe->ended)
            pthread_cond_wait(&pipe->moved, &pipe->mutex);
        bool more = pipe->made != pipe->used, failed = pipe->status != AVJ_OK;
        uint64_t number = pipe->used;
        pthread_mutex_unlock(&pipe->mutex);
        if (!more)
            return NULL;
        use(pipe, number, failed);
    }
}

/* Called while a batch is folded: looks into it and those before, which nobody fills meanwhile. */
static bool find_recent(void *arg, uint64_t seq, struct avj_slice *record)
{
    const struct fsck_pipe *pipe = arg;
    uint64_t now = pipe->used; /* changed by this thread alone */
    for (uint64_t back = 0; back < KEPT && back <= now; back++) {
        const struct batch *b = &pipe->batches[(now - back) % BATCHES];
        if (!b->count || seq < b->items[0].seq)
            continue;
        uint64_t i = seq - b->items[0].seq;
        if (i >= b->count || b->items[i].seq != seq)
            return false;
        size_t begin = i ? b->items[i - 1].end : 0;
        *record = (struct avj_slice){b->bytes + begin, b->items[i].end - begin};
        return true;
    }
    return false;
}

/* ---- the pipe ---- */

struct fsck_pipe *fsck_pipe_new(struct fsck_fold *fold)
{
    struct fsck_pipe *pipe = calloc(1, sizeof(*pipe));
    if (!pipe)
        return NULL;
    pipe->fold = fold;
    pthread_mutex_init(&pipe->mutex, NULL);
    pthread_cond_init(&pipe->moved, NULL);
    fsck_fold_recent(fold, find_recent, pipe);
    return pipe;
}

void fsck_pipe_free(struct fsck_pipe *pipe)
{
    if (!pipe)
        return;
    for (size_t i = 0; i < BATCHES; i++)
        free(pipe->batches[i].bytes);
    for (size_t i = 0; i <= AHEAD; i++)
        avj_pack_release(&pipe->prepared[i].scratch);
    pthread_cond_destroy(&pipe->moved);
    pthread_mutex_destroy(&pipe->mutex);
    free(pipe);
}

/* ---- handing over ---- */

static void start(struct fsck_pipe *pipe)
{
    pipe->threaded = pthread_create(&pipe->thread, NULL, fold_on, pipe) == 0;
    pipe->alone = !pipe->threaded;
}

/* Whoever is ahead of the other does the work that both can do. */
static enum avj_status prepare_if_ahead(struct fsck_pipe *pipe)
{
    struct prepared *prepared = &pipe->prepared[pipe->filled % (AHEAD + 1)];
    pthread_mutex_lock(&pipe->mutex);
    bool ahead = pipe->made - pipe->used >= 2;
    pthread_mutex_unlock(&pipe->mutex);
    prepared->done = false;
    return ahead ? prepare(&pipe->batches[pipe->filled % BATCHES], prepared) : AVJ_OK;
}

/* The batch being filled is given away, and the next one is free on return.  Without a thread it is
 * folded here. */
static void hand_over(struct fsck_pipe *pipe)
{
    enum avj_status status = prepare_if_ahead(pipe);
    pthread_mutex_lock(&pipe->mutex);
    if (pipe->status == AVJ_OK)
        pipe->status = status;
    pipe->made = ++pipe->filled;
    bool failed = pipe->status != AVJ_OK;
    pthread_cond_signal(&pipe->moved);
    while (pipe->threaded && pipe->made - pipe->used == AHEAD)
        pthread_cond_wait(&pipe->moved, &pipe->mutex);
    pthread_mutex_unlock(&pipe->mutex);
    if (!pipe->threaded)
        use(pipe, pipe->filled - 1, failed);
    struct batch *next = &pipe->batches[pipe->filled % BATCHES];
    next->used = next->count = 0;
    next->gap = false;
}

static enum avj_status status_of(struct fsck_pipe *pipe)
{
    pthread_mutex_lock(&pipe->mutex);
    enum avj_status status = pipe->status;
    pthread_mutex_unlock(&pipe->mutex);
    return status;
}

static bool make_room(struct batch *b, size_t len)
{
    size_t wanted = b->used + len < BATCH_BYTES ? BATCH_BYTES : b->used + len;
    if (wanted <= b->cap)
        return true;
    uint8_t *bytes = realloc(b->bytes, wanted);
    if (!bytes)
        return false;
    b->bytes = bytes;
    b->cap = wanted;
    return true;
}

static bool is_full(const struct batch *b, uint64_t segment, size_t len)
{
    return b->count &&
           (b->count == BATCH_RECORDS || b->segment != segment || b->used + len > BATCH_BYTES);
}

enum avj_status fsck_pipe_record(struct fsck_pipe *pipe, uint64_t segment, uint64_t offset,
                                 uint64_t seq, const void *data, size_t len)
{
    struct batch *b = &pipe->batches[pipe->filled % BATCHES];
    enum avj_status status = AVJ_OK;
    if (is_full(b, segment, len)) {
        if (!pipe->threaded && !pipe->alone)
            start(pipe);
        hand_over(pipe);
        status = status_of(pipe);
        b = &pipe->batches[pipe->filled % BATCHES];
    }
    if (status != AVJ_OK || !make_room(b, len))
        return AVJ_ENOMEM;
    memcpy(b->bytes + b->used, data, len);
    b->used += len;
    b->segment = segment;
    b->items[b->count++] = (struct item){offset, seq, b->used};
    return AVJ_OK;
}

void fsck_pipe_gap(struct fsck_pipe *pipe, uint64_t first, uint64_t last,
                   struct fsck_finding *finding)
{
    struct batch *b = &pipe->batches[pipe->filled % BATCHES];
    b->gap = true;
    b->gap_first = first;
    b->gap_last = last;
    b->gap_finding = finding;
    hand_over(pipe);
}

enum avj_status fsck_pipe_end(struct fsck_pipe *pipe)
{
    hand_over(pipe);
    pthread_mutex_lock(&pipe->mutex);
    pipe->ended = true;
    pthread_cond_signal(&pipe->moved);
    pthread_mutex_unlock(&pipe->mutex);
    if (pipe->threaded)
        pthread_join(pipe->thread, NULL);
    pipe->threaded = false;
    fsck_fold_recent(pipe->fold, NULL, NULL);
    return status_of(pipe);
}
