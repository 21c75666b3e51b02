/*
 * Maintenance while nobody waits: a thread of the handle's own, for handles that live.
 *
 * It is made when there is something to do: a dictionary is to be trained, which is soon done, or a
 * segment was finished.  With sealing it waits a little, so that programs that run for a moment do
 * nothing of the kind.  It sleeps until it is told again.  It never holds a lock that an append
 * needs for long.
 */
#include "journal/maintain.h"
#include "journal/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#if defined(__linux__)
#include <sys/resource.h>
#endif

/* How long the thread must have lived before it seals. */
#define PATIENCE_S 2

struct avj_background {
    struct avj_journal *journal;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t told;
    unsigned due; /* enum avj_due */
    struct timespec patient_until;
    bool stop;
};

static bool is_stopped(void *arg)
{
    struct avj_background *b = arg;
    pthread_mutex_lock(&b->mutex);
    bool stop = b->stop;
    pthread_mutex_unlock(&b->mutex);
    return stop;
}

/* What may be done now; caller holds the mutex. */
static unsigned due_now(struct avj_background *b, bool patient)
{
    return b->due & (patient ? AVJ_DUE_TRAINING | AVJ_DUE_SEALING : AVJ_DUE_TRAINING);
}

static unsigned wait_for_work(struct avj_background *b)
{
    bool patient = false;
    while (!b->stop && !due_now(b, patient)) {
        if (b->due)
            patient = pthread_cond_timedwait(&b->told, &b->mutex, &b->patient_until) == ETIMEDOUT;
        else
            pthread_cond_wait(&b->told, &b->mutex);
    }
    return due_now(b, patient && !b->stop);
}

static void lower_priority(void)
{
#if defined(__linux__)
    (void)setpriority(PRIO_PROCESS, 0, 10); /* of this thread, on Linux */
#endif
}

static void *work(void *arg)
{
    struct avj_background *b = arg;
    struct avj_maintained done;
    lower_priority();
    const struct avj_maintenance how = {.stop = is_stopped, .arg = b};
    pthread_mutex_lock(&b->mutex);
    for (;;) {
        unsigned due = wait_for_work(b);
        if (!due)
            break;
        b->due &= ~due;
        pthread_mutex_unlock(&b->mutex);
        /* What fails here fails again where somebody asks for it. */
        enum avj_status ignored = avj_maintain(b->journal, due, &how, &done, NULL);
        (void)ignored;
        pthread_mutex_lock(&b->mutex);
    }
    pthread_mutex_unlock(&b->mutex);
    return NULL;
}

static struct avj_background *begin(struct avj_journal *j)
{
    struct avj_background *b = calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    b->journal = j;
    clock_gettime(CLOCK_REALTIME, &b->patient_until);
    b->patient_until.tv_sec += PATIENCE_S;
    pthread_mutex_init(&b->mutex, NULL);
    pthread_cond_init(&b->told, NULL);
    if (avj_thread_start(&b->thread, work, b))
        return b;
    pthread_cond_destroy(&b->told);
    pthread_mutex_destroy(&b->mutex);
    free(b);
    return NULL;
}

void avj_background_wake(struct avj_journal *j, enum avj_due due)
{
    if (j->options.no_background)
        return;
    if (!j->background)
        j->background = begin(j);
    struct avj_background *b = j->background;
    if (!b)
        return; /* maintenance is never urgent */
    pthread_mutex_lock(&b->mutex);
    b->due |= due;
    pthread_cond_signal(&b->told);
    pthread_mutex_unlock(&b->mutex);
}

void avj_background_stop(struct avj_journal *j)
{
    struct avj_background *b = j->background;
    if (!b)
        return;
    pthread_mutex_lock(&b->mutex);
    b->stop = true;
    pthread_cond_signal(&b->told);
    pthread_mutex_unlock(&b->mutex);
    pthread_join(b->thread, NULL);
    pthread_cond_destroy(&b->told);
    pthread_mutex_destroy(&b->mutex);
    free(b);
    j->background = NULL;
}
