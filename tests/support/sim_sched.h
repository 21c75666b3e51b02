/*
 * Several processes on one simulated disk in an order that a seed decides: each is a thread, only
 * one of them runs at a time, and it passes the turn on where it says so (at calls of the file
 * interface) or where it sleeps.  The same seed gives the same run.
 *
 * Threading: sim_sched_pass is called by the task whose turn it is, the rest by the thread that
 * made the scheduler.
 */
#ifndef TEST_SIM_SCHED_H
#define TEST_SIM_SCHED_H

#include "tests/support/rng.h"

#include <stdbool.h>

#define SIM_TASKS_MAX 8

struct sim_sched;

struct sim_sched *sim_sched_new(uint64_t seed);
void sim_sched_free(struct sim_sched *sched);
void sim_sched_add(struct sim_sched *sched, void (*task)(void *arg), void *arg);
/* Runs all tasks to their ends. */
void sim_sched_run(struct sim_sched *sched);
/* Now and then gives the turn to another task; `must`: always, where there is one.  Does nothing
 * outside of sim_sched_run. */
void sim_sched_pass(struct sim_sched *sched, bool must);

#endif
