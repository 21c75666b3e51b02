/* Taking turns: see sim_sched.h. */
#include "tests/support/sim_sched.h"

#include <pthread.h>
#include <stdlib.h>

#define NOBODY      (-1)
#define PASS_ONE_IN 4

struct task {
    struct sim_sched *sched;
    void (*run)(void *arg);
    void *arg;
    pthread_t thread;
    pthread_cond_t turn;
    bool ended;
};

struct sim_sched {
    pthread_mutex_t mutex; /* guards `current` */
    pthread_cond_t all_ended;
    struct test_rng rng;
    struct task tasks[SIM_TASKS_MAX];
    int count;
    int current; /* whose turn it is */
};

struct sim_sched *sim_sched_new(uint64_t seed)
{
    struct sim_sched *sched = calloc(1, sizeof *sched);

    if (!sched || pthread_mutex_init(&sched->mutex, NULL) != 0 ||
        pthread_cond_init(&sched->all_ended, NULL) != 0)
        abort();
    test_rng_init(&sched->rng, seed);
    sched->current = NOBODY;
    return sched;
}

void sim_sched_free(struct sim_sched *sched)
{
    for (int i = 0; i < sched->count; i++)
        pthread_cond_destroy(&sched->tasks[i].turn);
    pthread_cond_destroy(&sched->all_ended);
    pthread_mutex_destroy(&sched->mutex);
    free(sched);
}

void sim_sched_add(struct sim_sched *sched, void (*run)(void *arg), void *arg)
{
    struct task *task = &sched->tasks[sched->count++];

    if (sched->count > SIM_TASKS_MAX || pthread_cond_init(&task->turn, NULL) != 0)
        abort();
    task->sched = sched;
    task->run = run;
    task->arg = arg;
}

/* A random task that has not ended, other than `but`. */
static int another(struct sim_sched *sched, int but)
{
    int candidates[SIM_TASKS_MAX], count = 0;

    for (int i = 0; i < sched->count; i++)
        if (i != but && !sched->tasks[i].ended)
            candidates[count++] = i;
    return count ? candidates[test_rng_below(&sched->rng, (uint64_t)count)] : NOBODY;
}

static void give_turn(struct sim_sched *sched, int next)
{
    sched->current = next;
    if (next == NOBODY)
        pthread_cond_signal(&sched->all_ended);
    else
        pthread_cond_signal(&sched->tasks[next].turn);
}

static void await_turn(struct sim_sched *sched, int me)
{
    while (sched->current != me)
        pthread_cond_wait(&sched->tasks[me].turn, &sched->mutex);
}

void sim_sched_pass(struct sim_sched *sched, bool must)
{
    int me, next;

    pthread_mutex_lock(&sched->mutex);
    me = sched->current;
    if (me != NOBODY && (must || test_rng_below(&sched->rng, PASS_ONE_IN) == 0)) {
        next = another(sched, me);
        if (next != NOBODY) {
            give_turn(sched, next);
            await_turn(sched, me);
        }
    }
    pthread_mutex_unlock(&sched->mutex);
}

static void *run_task(void *arg)
{
    struct task *task = arg;
    struct sim_sched *sched = task->sched;
    int me = (int)(task - sched->tasks);

    pthread_mutex_lock(&sched->mutex);
    await_turn(sched, me);
    pthread_mutex_unlock(&sched->mutex);
    task->run(task->arg);
    pthread_mutex_lock(&sched->mutex);
    task->ended = true;
    give_turn(sched, another(sched, me));
    pthread_mutex_unlock(&sched->mutex);
    return NULL;
}

void sim_sched_run(struct sim_sched *sched)
{
    for (int i = 0; i < sched->count; i++)
        if (pthread_create(&sched->tasks[i].thread, NULL, run_task, &sched->tasks[i]) != 0)
            abort();
    pthread_mutex_lock(&sched->mutex);
    give_turn(sched, another(sched, NOBODY));
    while (sched->current != NOBODY)
        pthread_cond_wait(&sched->all_ended, &sched->mutex);
    pthread_mutex_unlock(&sched->mutex);
    for (int i = 0; i < sched->count; i++)
        pthread_join(sched->tasks[i].thread, NULL);
}
