/* What all benchmarks need: failing, clocks, memory, and what a folder takes on the disk. */
#include "tests/bench/bench.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

static uint64_t timeval_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
}

uint64_t bench_cpu_ns(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
}

void *bench_calloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (!memory)
        bench_die("out of memory");
    return memory;
}

static uint64_t usage_so_far; /* nftw(3) passes nothing on */

static int add_usage(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)path;
    (void)where;
    if (type == FTW_F)
        usage_so_far += (uint64_t)info->st_blocks * 512;
    return 0;
}

uint64_t bench_disk_usage(const char *dir)
{
    usage_so_far = 0;
    if (nftw(dir, add_usage, 16, FTW_PHYS) != 0)
        bench_die("can not look through %s", dir);
    return usage_so_far;
}

char *bench_own_folder(void)
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
