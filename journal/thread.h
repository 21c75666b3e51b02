/* Threads of the library's own: they take no signal, which belong to the program. */
#ifndef AVJ_THREAD_H
#define AVJ_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

static inline bool avj_thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r == 0;
}

#endif
