/* A second thread to compress with: see second.h. */
#include "journal/second.h"
#include "journal/thread.h"

#include <stdbool.h>
#include <stdlib.h>

struct avj_second_thread {
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the fields below */
    pthread_cond_t changed;
    bool ends;
    struct avj_parts_work *work; /* NULL: nothing to do */
    struct ZSTD_CCtx_s *zstd;
};

static void *work(void *arg)
{
    struct avj_second_thread *s = arg;
    pthread_mutex_lock(&s->mutex);
    for (;;) {
        while (!s->work && !s->ends)
            pthread_cond_wait(&s->changed, &s->mutex);
        if (!s->work)
            break;
        pthread_mutex_unlock(&s->mutex);
        avj_parts_compress(s->work, s->zstd);
        pthread_mutex_lock(&s->mutex);
        s->work = NULL;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

struct avj_second_thread *avj_second_thread_new(void)
{
    struct avj_second_thread *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    if (avj_thread_start(&s->thread, work, s))
        return s;
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
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

void avj_second_thread_start(struct avj_second_thread *s, struct avj_parts_work *parts,
                             struct ZSTD_CCtx_s *zstd)
{
    pthread_mutex_lock(&s->mutex);
    s->work = parts;
    s->zstd = zstd;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
}

void avj_second_thread_wait(struct avj_second_thread *s)
{
    pthread_mutex_lock(&s->mutex);
    while (s->work)
        pthread_cond_wait(&s->changed, &s->mutex);
    pthread_mutex_unlock(&s->mutex);
}
