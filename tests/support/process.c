/* Running programs in tests: see process.h. */
#include "tests/support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

static void must(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "test support: %s: %s\n", what, strerror(errno));
    abort();
}

#define ALIVE_MAX 64

static pid_t alive[ALIVE_MAX]; /* started and not finished; 0: free */

static void replace_alive(pid_t what, pid_t with)
{
    for (size_t i = 0; i < ALIVE_MAX; i++) {
        if (alive[i] == what) {
            alive[i] = with;
            return;
        }
    }
}

void process_kill_all(void)
{
    for (size_t i = 0; i < ALIVE_MAX; i++) {
        if (alive[i] == 0)
            continue;
        kill(alive[i], SIGKILL);
        waitpid(alive[i], NULL, 0);
        alive[i] = 0;
    }
}

uint64_t test_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* A test that fails leaves nobody behind. */
static void die_with(pid_t parent)
{
#if defined(__linux__)
    must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "prctl");
    if (getppid() != parent)
        _exit(126);
#else
    (void)parent;
#endif
}

struct process process_fork(int (*child)(void *arg, int out), void *arg)
{
    struct process process;
    pid_t parent = getpid();
    int ends[2];

    must(pipe2(ends, O_CLOEXEC) == 0, "pipe");
    fflush(NULL);
    process.pid = fork();
    must(process.pid >= 0, "fork");
    if (process.pid == 0) {
        close(ends[0]);
        memset(alive, 0, sizeof alive); /* none of these is its child */
        die_with(parent);
        _exit(child(arg, ends[1]));
    }
    replace_alive(0, process.pid);
    close(ends[1]);
    process.out = ends[0];
    return process;
}

struct program {
    char *const *argv;
    const char *input;
    int quiet;
};

static int become(void *arg, int out)
{
    const struct program *program = arg;
    int in = open(program->input ? program->input : "/dev/null", O_RDONLY | O_CLOEXEC);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (in < 0 || nowhere < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0)
        return 126;
    if (program->quiet && dup2(nowhere, 2) < 0)
        return 126;
    execv(program->argv[0], program->argv);
    fprintf(stderr, "%s: %s\n", program->argv[0], strerror(errno));
    return 127;
}

struct process process_start(char *const argv[], const char *input, int quiet)
{
    struct program program = {argv, input, quiet};

    return process_fork(become, &program);
}

char *process_finish(struct process *process, int *status, size_t *len)
{
    size_t used = 0, cap = 4096;
    char *text = malloc(cap);
    ssize_t got;

    must(text != NULL, "allocate");
    while ((got = read(process->out, text + used, cap - used - 1)) != 0) {
        must(got > 0 || errno == EINTR, "read");
        if (got > 0)
            used += (size_t)got;
        if (cap - used < 2) {
            char *grown = realloc(text, cap *= 2);
            must(grown != NULL, "allocate");
            text = grown;
        }
    }
    text[used] = '\0';
    close(process->out);
    must(waitpid(process->pid, status, 0) == process->pid, "waitpid");
    replace_alive(process->pid, 0);
    if (len)
        *len = used;
    return text;
}

void process_kill_within(const struct process *process, struct test_rng *rng, unsigned max_us)
{
    uint64_t us = test_rng_below(rng, (uint64_t)max_us + 1);
    struct timespec wait = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};

    nanosleep(&wait, NULL);
    must(kill(process->pid, SIGKILL) == 0, "kill");
}

void process_stop(const struct process *process)
{
    int status;

    must(kill(process->pid, SIGSTOP) == 0, "stop");
    must(waitpid(process->pid, &status, WUNTRACED) == process->pid, "waitpid");
    must(WIFSTOPPED(status), "stopped");
}

void process_continue(const struct process *process)
{
    must(kill(process->pid, SIGCONT) == 0, "continue");
}

int process_fsck(const char *dir)
{
    const char *bin = getenv("AVJ_BIN");
    char program[4096], *said;
    char *argv[] = {program, (char *)(uintptr_t)dir, NULL};
    struct process process;
    int status;

    if (!bin)
        return 0;
    snprintf(program, sizeof program, "%s/avchat-fsck", bin);
    process = process_start(argv, NULL, 0);
    said = process_finish(&process, &status, NULL);
    status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (status != 0 && status != 64)
        fprintf(stderr, "avchat-fsck %s: status %d\n%s", dir, status, said);
    free(said);
    return status;
}
