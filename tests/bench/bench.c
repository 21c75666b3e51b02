/* build/tests/bench: options and rounds.  See bench.h. */
#include "tests/bench/engines.h"
#include "tests/bench/life/life.h"
#include "tests/support/files.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/magic.h>
#include <sys/vfs.h>
#endif

/* name, what it measures, one round of it */
static const struct {
    const char *name, *what;
    void (*round)(struct bench *bench);
} benchmarks[] = {
    {"durable", "one durable append of one message (and its bytes on disk)", bench_durable},
    {"bulk", "relaxed appends in batches of 1,000 (and their bytes on disk)", bench_bulk},
    {"single", "relaxed appends one at a time (and their bytes on disk)", bench_single},
    {"replay", "reading everything back, and replay to a view", bench_replay},
    {"read", "the newest 50 messages of a thread, warm", bench_read},
    {"large", "appends to a large journal beside an empty one", bench_large},
    {"wake", "another process sees an append", bench_wake},
    {"sealed", "sealing, and reading what was sealed (nothing where the journal cannot)",
     bench_sealed},
    {"calls", "which system calls an append makes, and what they take", bench_calls},
};

#define BENCHMARKS (sizeof benchmarks / sizeof benchmarks[0])

/* ---- options ---- */

static void print_names(FILE *out)
{
    for (size_t i = 0; i < BENCHMARKS; i++)
        fprintf(out, "     %-9s  %s\n", benchmarks[i].name, benchmarks[i].what);
    fputs("  --engine NAME  one of:\n", out);
    for (size_t i = 0; engine_table[i]; i++) {
        const struct engine *engine = engine_table[i];
        fprintf(out, "     %s", engine->name);
        if (engine->package)
            fprintf(out, " (not in this build: %s was missing)", engine->package);
        fputc('\n', out);
    }
}

static void usage(FILE *out)
{
    fputs("usage: bench [--json | --markdown] [--messages N | --data FILE] [--ops N] [--large N]\n"
          "             [--rounds N] [--level N] [--only NAME] [--engine NAME] [--dir DIR] "
          "[--seed N]\n"
          "       bench --life [--json | --markdown] [--messages N] [--threads N] [--order ORDER]\n"
          "             [--keep] [--ops N] [--rounds N] [--dir DIR] [--seed N]\n\n"
          "Measures the journal and the store beside SQLite, LMDB, LevelDB, RocksDB, zstd alone "
          "and bare system calls;\n"
          "prints medians, and what the design asks of them.\n"
          "  --json         one JSON object a line: bench, engine, messages, value, unit; last the "
          "bars\n"
          "  --markdown     tables\n"
          "  --messages N   how many messages (100000)\n"
          "  --data FILE    messages of this file of import lines, not made-up ones; --messages "
          "of them at most\n"
          "  --ops N        appends of each engine where every single one is timed (4000)\n"
          "  --large N      messages in the large journal (1000000)\n"
          "  --rounds N     how often each measurement is repeated (5)\n"
          "  --level N      zstd level of the journal and of zstd alone (3)\n"
          "  --dir DIR      where files are written (a folder beside the program); removed at the "
          "end\n"
          "  --seed N       of the made-up messages (1)\n"
          "  --life         the journal of a life beside SQLite and LMDB, in place of all that is "
          "below:\n"
          "                 opening after a crash, the newest messages, replay, search, check; "
          "with other\n"
          "                 defaults: 1000000 messages, 7 rounds, 2000 ops.  Takes 6 GB of disk\n"
          "  --threads N    of a life (a thread for 50 messages)\n"
          "  --order ORDER  of a life: real, scattered or both (both)\n"
          "  --keep         leaves the files of the last order, and says where\n"
          "  --only NAME    one of:\n",
          out);
    print_names(out);
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

static bool wanted(const struct bench *bench, const char *name)
{
    return !bench->only || strcmp(bench->only, name) == 0;
}

static void check_names(const struct bench *bench)
{
    bool known = false;

    for (size_t i = 0; i < BENCHMARKS; i++)
        known |= wanted(bench, benchmarks[i].name);
    if (!known)
        refuse("there is no such benchmark");
    if (bench->engine && !engine_exists(bench->engine))
        refuse("there is no such engine");
}

static const struct option options[] = {
    {"json", no_argument, NULL, 'j'},           {"markdown", no_argument, NULL, 'k'},
    {"messages", required_argument, NULL, 'm'}, {"data", required_argument, NULL, 'f'},
    {"ops", required_argument, NULL, 'n'},      {"large", required_argument, NULL, 'L'},
    {"rounds", required_argument, NULL, 'r'},   {"level", required_argument, NULL, 'l'},
    {"only", required_argument, NULL, 'o'},     {"engine", required_argument, NULL, 'e'},
    {"dir", required_argument, NULL, 'd'},      {"seed", required_argument, NULL, 's'},
    {"life", no_argument, NULL, 'i'},           {"threads", required_argument, NULL, 't'},
    {"order", required_argument, NULL, 'O'},    {"keep", no_argument, NULL, 'K'},
    {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
};

static void take_number(int option, struct bench *bench, uint64_t *seed)
{
    if (option == 'm')
        bench->messages = number(optarg, 20000000);
    else if (option == 'n')
        bench->ops = number(optarg, 1000000);
    else if (option == 'L')
        bench->large = number(optarg, 100000000);
    else if (option == 'r')
        bench->rounds = (int)number(optarg, 99);
    else if (option == 'l')
        bench->level = (int)number(optarg, 19);
    else if (option == 't')
        bench->threads = number(optarg, 10000000);
    else
        *seed = number(optarg, 1000000000);
}

static enum bench_order order(const char *name)
{
    if (strcmp(name, "real") == 0)
        return BENCH_ORDER_REAL;
    if (strcmp(name, "scattered") == 0)
        return BENCH_ORDER_SCATTERED;
    if (strcmp(name, "both") != 0)
        refuse("the order is real, scattered or both");
    return BENCH_ORDER_BOTH;
}

static void take_option(int option, struct bench *bench, uint64_t *seed)
{
    switch (option) {
    case 'j':
        bench->json = true;
        break;
    case 'k':
        bench->markdown = true;
        break;
    case 'f':
        bench->data = optarg;
        break;
    case 'o':
        bench->only = optarg;
        break;
    case 'e':
        bench->engine = optarg;
        break;
    case 'd':
        bench->dir = optarg;
        break;
    case 'i':
        bench->life = true;
        break;
    case 'K':
        bench->keep = true;
        break;
    case 'O':
        bench->order = order(optarg);
        break;
    case 'h':
        usage(stdout);
        exit(0);
    case '?':
        usage(stderr);
        exit(2);
    default:
        take_number(option, bench, seed);
    }
}

/* A life's is a larger journal, and each of its runs takes longer. */
static void set_defaults(struct bench *bench)
{
    if (bench->messages == 0)
        bench->messages = bench->life ? 1000000 : 100000;
    if (bench->threads == 0)
        bench->threads = bench->messages < 50 ? 1 : bench->messages / 50;
    if (bench->rounds == 0)
        bench->rounds = bench->life ? 7 : 5;
    if (bench->ops == 0)
        bench->ops = bench->life ? 2000 : 4000;
}

static void take_options(int argc, char **argv, struct bench *bench, uint64_t *seed)
{
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        take_option(option, bench, seed);
    if (optind < argc)
        refuse("too many arguments");
    check_names(bench);
    set_defaults(bench);
}

/* ---- the run ---- */

static char *make_folder(const char *asked)
{
    char *base = asked ? strdup(asked) : bench_own_folder(), *dir;

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

static void make_data(struct bench *bench, uint64_t seed)
{
    const char *source = bench->data ? "file" : "made up";

    if (bench->data)
        bench_data_read(bench);
    else
        bench_data_make(bench, seed);
    bench_data_cycle(bench);
    bench_add("data", source, bench->messages, "different messages", (double)bench->messages);
    bench_add("data", source, bench->messages, "threads", (double)(bench->count - bench->messages));
    bench_add("data", source, bench->messages, "JSON bytes/message",
              (double)bench->json_bytes / (double)bench->messages);
}

static void one_round(struct bench *bench)
{
    for (size_t i = 0; i < BENCHMARKS; i++)
        if (wanted(bench, benchmarks[i].name))
            benchmarks[i].round(bench);
}

static void all_rounds(struct bench *bench, uint64_t seed)
{
    make_data(bench, seed);
    for (bench->round = 0; bench->round < bench->rounds; bench->round++)
        one_round(bench);
    bench_data_free(bench);
}

int main(int argc, char **argv)
{
    struct bench bench = {.large = 1000000, .level = 3};
    uint64_t seed = 1;

    take_options(argc, argv, &bench, &seed);
    bench.dir = make_folder(bench.dir);
    if (bench.life)
        bench_life(&bench, seed);
    else
        all_rounds(&bench, seed);
    bench_report(&bench);
    if (bench.keep)
        fprintf(stderr, "bench: its files are in %s\n", bench.dir);
    else
        test_dir_free(bench.dir);
    return 0;
}
