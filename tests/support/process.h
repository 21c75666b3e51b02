/*
 * Running programs in tests: start one, read what it says, kill it at a chosen moment.  What can
 * only fail when the machine does prints why and aborts. Threading: one thread a struct.
 */
#ifndef TEST_PROCESS_H
#define TEST_PROCESS_H

#include "tests/support/rng.h"

#include <sys/types.h>

struct process {
    pid_t pid;
    int out; /* its stdout */
};

/* Starts argv[0] (a path) with stdin from file `input` (NULL: nothing); stderr stays ours, or goes
 * nowhere with `quiet`. */
struct process process_start(char *const argv[], const char *input, int quiet);
/* Runs child(arg) in a copy of this process with a pipe to write to; its value is the exit code.
 * Where the system can, it is killed when this process ends. */
struct process process_fork(int (*child)(void *arg, int out), void *arg);
/* Reads its stdout to the end, waits, and gives the text (the caller frees; len may be NULL) and
 * the status of waitpid(2). */
char *process_finish(struct process *process, int *status, size_t *len);
/* Sleeps an even random time up to max_us, then sends SIGKILL; the process is still to be finished.
 */
void process_kill_within(const struct process *process, struct test_rng *rng, unsigned max_us);
/* Kills and buries all who were started and are not finished, up to 64. */
void process_kill_all(void);
/* SIGSTOP, and waits until the process stands still; SIGCONT. */
void process_stop(const struct process *process);
void process_continue(const struct process *process);
/* Runs $AVJ_BIN/avchat-fsck on the journal and gives its exit status (128 and the signal where it
 * was killed); what it found goes to stderr when that is neither 0 nor 64.  0 without AVJ_BIN. */
int process_fsck(const char *dir);
/* Microseconds on a clock that only goes forward. */
uint64_t test_now_us(void);

#endif
