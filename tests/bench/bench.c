/* build/tests/bench: options, rounds, results.  See bench.h. */
#include "tests/bench/bench.h"
#include "tests/support/files.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/magic.h>
#include <sys/vfs.h>
#endif

#define ROUNDS_MAX 99
#define SERIES_MAX 128

struct series {
    const char *name, *engine, *unit;
    size_t messages;
    double values[ROUNDS_MAX];
    int count;
};

static struct series all_series[SERIES_MAX];
static size_t series_count;

/* name, what it measures, one round of it */
static const struct {
    const char *name, *what;
    void (*round)(struct bench *bench);
} benchmarks[] = {
    {"durable", "one durable append of one message (and its bytes on disk)", bench_durable},
    {"bulk", "relaxed appends in batches of 1,000 (and their bytes on disk)", bench_bulk},
    {"replay", "reading everything back, and replay to a view", bench_replay},
    {"read", "the newest 50 messages of a thread, warm", bench_read},
};

void bench_die(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    exit(1);
}

void bench_ok(enum avj_status status, const struct avj_error *err, const char *what)
{
    if (status != AVJ_OK)
        bench_die("%s: %s: %s", what, avj_status_text(status), err->message);
}

uint64_t bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool bench_wanted(const struct bench *bench, const char *name)
{
    return !bench->only || strcmp(bench->only, name) == 0;
}

static struct series *find_series(const char *name, const char *engine, const char *unit)
{
    for (size_t i = 0; i < series_count; i++) {
        struct series *s = &all_series[i];
        if (strcmp(s->name, name) == 0 && strcmp(s->engine, engine) == 0 &&
            strcmp(s->unit, unit) == 0)
            return s;
    }
    return NULL;
}

void bench_add(const char *name, const char *engine, size_t messages, const char *unit,
               double value)
{
    struct series *s = find_series(name, engine, unit);

    if (!s) {
        if (series_count == SERIES_MAX)
            bench_die("too many results");
        s = &all_series[series_count++];
        *s = (struct series){.name = name, .engine = engine, .unit = unit, .messages = messages};
    }
    if (s->count < ROUNDS_MAX)
        s->values[s->count++] = value;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const struct series *s)
{
    double sorted[ROUNDS_MAX];

    memcpy(sorted, s->values, (size_t)s->count * sizeof *sorted);
    qsort(sorted, (size_t)s->count, sizeof *sorted, by_value);
    return s->count % 2 ? sorted[s->count / 2]
                        : (sorted[s->count / 2 - 1] + sorted[s->count / 2]) / 2;
}

double bench_median(const char *name, const char *engine, const char *unit)
{
    const struct series *s = find_series(name, engine, unit);

    return s ? median(s) : 0;
}

static int by_ns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

void bench_add_latencies(const char *name, const char *engine, uint64_t *ns, size_t count)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += ns[i];
    qsort(ns, count, sizeof *ns, by_ns);
    bench_add(name, engine, count, "us p50", (double)ns[count / 2] / 1e3);
    bench_add(name, engine, count, "us p99", (double)ns[count * 99 / 100] / 1e3);
    bench_add(name, engine, count, "ops/s", (double)count * 1e9 / (double)sum);
}

/* name of the ratio, engine and rival, the benchmark and unit they are taken from */
static const struct {
    const char *name, *engine, *rival, *from, *unit;
} ratios[] = {
    {"durable-append-to-sqlite", "journal", "sqlite-wal-full", "durable-append", "us p50"},
    {"durable-append-to-sqlite", "store", "sqlite-wal-full", "durable-append", "us p50"},
    {"durable-append-to-bare", "journal", "pwrite+fdatasync", "durable-append", "us p50"},
    {"bulk-append-to-zstd", "journal", "zstd", "bulk-append", "MB/s"},
    {"bulk-append-to-zstd", "store", "zstd", "bulk-append", "MB/s"},
    {"bulk-append-to-sqlite", "journal", "sqlite-wal-normal", "bulk-append", "msgs/s"},
    {"bulk-append-to-sqlite", "store", "sqlite-wal-normal", "bulk-append", "msgs/s"},
    {"replay-to-zstd", "cursor", "zstd", "replay", "MB/s"},
    {"replay-to-zstd", "store-open", "zstd", "replay", "MB/s"},
};

void bench_ratios(void)
{
    for (size_t i = 0; i < sizeof ratios / sizeof ratios[0]; i++) {
        const struct series *own = find_series(ratios[i].from, ratios[i].engine, ratios[i].unit);
        double rival = bench_median(ratios[i].from, ratios[i].rival, ratios[i].unit);
        if (own && rival > 0)
            bench_add(ratios[i].name, ratios[i].engine, own->messages, "ratio",
                      median(own) / rival);
    }
}

static void print_row(const struct series *s, bool json)
{
    double value = median(s);

    if (json)
        printf("{\"bench\": \"%s\", \"engine\": \"%s\", \"messages\": %zu, \"value\": %.6g, "
               "\"unit\": \"%s\"}\n",
               s->name, s->engine, s->messages, value, s->unit);
    else
        printf("  %-20s %14.*f  %s\n", s->engine,
               value < 10     ? 3
               : value < 1000 ? 1
                              : 0,
               value, s->unit);
}

static bool came_before(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(all_series[k].name, all_series[i].name) == 0)
            return true;
    return false;
}

/* Results of one name stand together, whichever benchmark gave them. */
void bench_report(bool json)
{
    for (size_t i = 0; i < series_count; i++) {
        if (came_before(i))
            continue;
        if (!json)
            printf("%s%s, %zu messages\n", i ? "\n" : "", all_series[i].name,
                   all_series[i].messages);
        for (size_t k = i; k < series_count; k++)
            if (strcmp(all_series[k].name, all_series[i].name) == 0)
                print_row(&all_series[k], json);
    }
}

static void usage(FILE *out)
{
    fputs("usage: bench [--json] [--messages N] [--rounds N] [--level N] [--only NAME] [--dir DIR] "
          "[--seed N]\n\n"
          "Measures the journal and the store beside SQLite, zstd alone and bare system calls; "
          "prints medians.\n"
          "  --json        one JSON object a line: bench, engine, messages, value, unit\n"
          "  --messages N  how many messages (100000)\n"
          "  --rounds N    how often each measurement is repeated (5)\n"
          "  --level N     zstd level of the journal and of zstd alone (3)\n"
          "  --dir DIR     where files are written (a folder beside the program); removed at the "
          "end\n"
          "  --seed N      of the made-up messages (1)\n"
          "  --only NAME   one of:\n",
          out);
    for (size_t i = 0; i < sizeof benchmarks / sizeof benchmarks[0]; i++)
        fprintf(out, "     %-9s  %s\n", benchmarks[i].name, benchmarks[i].what);
}

static _Noreturn void refuse(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    usage(stderr);
    exit(2);
}

static unsigned long number(const char *text, unsigned long most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value == 0 || value > most)
        refuse("a number is out of range");
    return value;
}

static void check_only(const char *only)
{
    for (size_t i = 0; i < sizeof benchmarks / sizeof benchmarks[0]; i++)
        if (strcmp(only, benchmarks[i].name) == 0)
            return;
    refuse("there is no such benchmark");
}

static void take_options(int argc, char **argv, struct bench *bench, uint64_t *seed)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"messages", required_argument, NULL, 'm'},
        {"rounds", required_argument, NULL, 'r'},
        {"level", required_argument, NULL, 'l'},
        {"only", required_argument, NULL, 'o'},
        {"dir", required_argument, NULL, 'd'},
        {"seed", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'j':
            bench->json = true;
            break;
        case 'm':
            bench->messages = number(optarg, 20000000);
            break;
        case 'r':
            bench->rounds = (int)number(optarg, ROUNDS_MAX);
            break;
        case 'l':
            bench->level = (int)number(optarg, 19);
            break;
        case 'o':
            bench->only = optarg;
            break;
        case 'd':
            bench->dir = optarg;
            break;
        case 's':
            *seed = number(optarg, 1000000000);
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(2);
        }
    }
    if (optind < argc)
        refuse("too many arguments");
    if (bench->only)
        check_only(bench->only);
}

/* The folder of this program, on the disk where it was built: /tmp is often kept in memory. */
static char *own_folder(void)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    if (len <= 0)
        return strdup(".");
    path[len] = '\0';
    slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return strdup(path);
}

static char *make_folder(const char *asked)
{
    char *base = asked ? strdup(asked) : own_folder(), *dir;

    if (!base)
        bench_die("out of memory");
    (void)mkdir(base, 0700); /* --dir may name a new one */
    dir = test_path(base, "bench-XXXXXX");
    if (!mkdtemp(dir))
        bench_die("can not make a folder in %s: give another with --dir", base);
    free(base);
#ifdef __linux__
    struct statfs info;
    if (statfs(dir, &info) == 0 && info.f_type == TMPFS_MAGIC)
        fprintf(stderr,
                "bench: %s is in memory: syncs cost nothing there; give a disk with --dir\n", dir);
#endif
    return dir;
}

int main(int argc, char **argv)
{
    struct bench bench = {.messages = 100000, .rounds = 5, .level = 3};
    uint64_t seed = 1;

    take_options(argc, argv, &bench, &seed);
    bench.dir = make_folder(bench.dir);
    bench_data_make(&bench, seed);
    for (int round = 0; round < bench.rounds; round++)
        for (size_t i = 0; i < sizeof benchmarks / sizeof benchmarks[0]; i++)
            if (bench_wanted(&bench, benchmarks[i].name))
                benchmarks[i].round(&bench);
    bench_ratios();
    bench_report(bench.json);
    bench_data_free(&bench);
    test_dir_free(bench.dir);
    return 0;
}
