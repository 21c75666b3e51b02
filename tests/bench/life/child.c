/* build/tests/bench-child VERB ENGINE FOLDER...: see child.h and life.h. */
#include "tests/bench/life/child.h"
#include "tests/support/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEARCHES 3

size_t child_number(const struct child *child, size_t i)
{
    for (size_t k = 0; k <= i; k++)
        if (!child->rest[k])
            bench_die("bench-child: an argument is missing");
    return (size_t)strtoull(child->rest[i], NULL, 10);
}

void child_say(const char *name, uint64_t value)
{
    printf("%s %" PRIu64 "\n", name, value);
}

static int by_ns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

uint64_t child_percentile(uint64_t *ns, size_t count, size_t percent)
{
    qsort(ns, count, sizeof *ns, by_ns);
    return ns[count * percent / 100];
}

/* Resident memory as the kernel counts it, in KiB; of the last moment, all but the peak. */
static void say_memory(void)
{
    static const char *const names[][2] = {{"VmRSS:", "resident_kb"},
                                           {"VmHWM:", "peak_kb"},
                                           {"RssAnon:", "anonymous_kb"},
                                           {"RssFile:", "file_kb"}};
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];

    while (file && fgets(line, sizeof line, file))
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strncmp(line, names[i][0], strlen(names[i][0])) == 0)
                child_say(names[i][1], strtoull(line + strlen(names[i][0]), NULL, 10));
    if (file)
        fclose(file);
}

/* Opens, and gets the first threads of the list. */
static void child_open(const struct child *child)
{
    size_t limit = child_number(child, 0);
    uint64_t start = bench_now_ns();
    void *state = child->engine->open(child->engine, child->dir, LIFE_USED);
    uint64_t opened = bench_now_ns();
    struct life_found found = child->engine->threads(state, limit, NULL, NULL);
    uint64_t end = bench_now_ns();

    say_memory();
    child_say("ns", end - start);
    child_say("open_ns", opened - start);
    child_say("count", found.count);
    child_say("digest", found.digest);
}

/* ---- the newest messages of threads ---- */

struct names {
    char (*ids)[64];
    size_t count, cap;
};

static void take_name(void *arg, const char *id, size_t len)
{
    struct names *names = arg;

    if (names->count == names->cap) {
        names->cap = names->cap ? 2 * names->cap : 1024;
        names->ids = realloc(names->ids, names->cap * sizeof *names->ids);
        if (!names->ids)
            bench_die("out of memory");
    }
    snprintf(names->ids[names->count++], sizeof *names->ids, "%.*s", (int)len, id);
}

/* The same random threads with every engine, since their lists are the same. */
static void child_newest(const struct child *child)
{
    size_t reads = child_number(child, 0), messages = 0;
    void *state = child->engine->open(child->engine, child->dir, LIFE_USED);
    uint64_t *ns = bench_calloc(reads, sizeof *ns), digest = 0;
    struct names names = {0};
    struct test_rng rng;

    (void)child->engine->threads(state, 0, take_name, &names);
    test_rng_init(&rng, 7);
    for (size_t i = 0; i < reads; i++) {
        const char *id = names.ids[test_rng_below(&rng, names.count)];
        uint64_t start = bench_now_ns();
        struct life_found found = child->engine->newest(state, id, LIFE_NEWEST);
        ns[i] = bench_now_ns() - start;
        messages += found.count;
        digest += found.digest;
    }
    say_memory();
    child_say("p50_ns", child_percentile(ns, reads, 50));
    child_say("p99_ns", child_percentile(ns, reads, 99));
    child_say("messages", messages);
    child_say("digest", digest);
}

static void child_search(const struct child *child)
{
    void *state = child->engine->open(child->engine, child->dir, LIFE_USED);
    size_t limit = child_number(child, 1), found = 0;
    uint64_t ns[SEARCHES];

    for (size_t i = 0; i < SEARCHES; i++) {
        uint64_t start = bench_now_ns();
        found = child->engine->search(state, child->rest[0], limit);
        ns[i] = bench_now_ns() - start;
    }
    say_memory();
    child_say("ns", child_percentile(ns, SEARCHES, 50));
    child_say("hits", found);
}

/* Runs a program on the folder; its output is not wanted. */
static void child_run(const struct child *child)
{
    struct rusage usage;
    uint64_t start = bench_now_ns();
    pid_t pid;
    int status;

    pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(126);
        execl(child->rest[0], child->rest[0], child->dir, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
        bench_die("%s: can not run it", child->rest[0]);
    child_say("ns", bench_now_ns() - start);
    child_say("exit", WIFEXITED(status) ? (uint64_t)WEXITSTATUS(status) : 128);
    child_say("peak_kb", (uint64_t)usage.ru_maxrss);
}

static const struct {
    const char *name;
    void (*call)(const struct child *child);
} verbs[] = {
    {"open", child_open},     {"newest", child_newest}, {"search", child_search},
    {"append", child_append}, {"write", child_write},   {"zstd", child_zstd},
    {"run", child_run},
};

/* Ends without closing, so that what it opened stays as it was found. */
int main(int argc, char **argv)
{
    struct child child;

    if (argc < 4)
        bench_die("bench-child is run by bench --life");
    child.engine = life_engine(argv[2]);
    child.dir = argv[3];
    child.rest = argv + 4;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (child.engine && strcmp(verbs[i].name, argv[1]) == 0) {
            verbs[i].call(&child);
            fflush(NULL);
            _exit(0);
        }
    }
    bench_die("bench-child: %s %s", argv[1], argv[2]);
}
