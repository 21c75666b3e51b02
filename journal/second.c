/* A second thread to compress with: see second.h. */
#include "journal/second.h"
#include "journal/thread.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zstd.h>

struct avj_second_thread {
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the fields below */
    pthread_cond_t changed;
    bool busy, ends;
    const uint8_t *data;
    uint8_t *out;
    size_t len, room, result;

    ZSTD_CCtx *zstd; /* the thread's own */
};

static void *work(void *arg)
{
    struct avj_second_thread *s = arg;
    pthread_mutex_lock(&s->mutex);
    for (;;) {
        while (!s->busy && !s->ends)
            pthread_cond_wait(&s->changed, &s->mutex);
        if (!s->busy)
            break;
        pthread_mutex_unlock(&s->mutex);
        size_t result = ZSTD_compress2(s->zstd, s->out, s->room, s->data, s->len);
        pthread_mutex_lock(&s->mutex);
        s->result = result;
        s->busy = false;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

struct avj_second_thread *avj_second_thread_new(int level)
{
    struct avj_second_thread *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->zstd = ZSTD_createCCtx();
    if (s->zstd && !ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, level)) &&
        !ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_checksumFlag, 1)) &&
        avj_thread_start(&s->thread, work, s))
        return s;
    ZSTD_freeCCtx(s->zstd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    free(s);
    return NULL;
}

void avj_second_thread_free(struct avj_second_thread *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->ends = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    ZSTD_freeCCtx(s->zstd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

void avj_second_thread_start(struct avj_second_thread *s, const uint8_t *data, size_t len,
                             uint8_t *out, size_t room)
{
    pthread_mutex_lock(&s->mutex);
    s->data = data;
    s->len = len;
    s->out = out;
    s->room = room;
    s->busy = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
}

size_t avj_second_thread_wait(struct avj_second_thread *s)
{
    pthread_mutex_lock(&s->mutex);
    while (s->busy)
        pthread_cond_wait(&s->changed, &s->mutex);
    size_t result = s->result;
    pthread_mutex_unlock(&s->mutex);
    return result;
}
