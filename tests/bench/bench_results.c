/* Results: series of values, one a round; medians; and the three ways they are printed. */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIES_MAX 512
#define UNITS_MAX  8

struct series {
    const char *name, *engine, *unit;
    size_t messages;
    double *values;
    int count;
};

static struct series all_series[SERIES_MAX];
static size_t series_count;

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
    s->values = realloc(s->values, (size_t)(s->count + 1) * sizeof *s->values);
    if (!s->values)
        bench_die("out of memory");
    s->values[s->count++] = value;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts the values: their order means nothing. */
static double median(const struct series *s)
{
    size_t n = (size_t)s->count;

    qsort(s->values, n, sizeof *s->values, by_value);
    return n % 2 ? s->values[n / 2] : (s->values[n / 2 - 1] + s->values[n / 2]) / 2;
}

double bench_median(const char *name, const char *engine, const char *unit)
{
    const struct series *s = find_series(name, engine, unit);

    return s ? median(s) : 0;
}

static bool fits(const char *name, const char *pattern)
{
    size_t len = strlen(pattern);

    if (len > 0 && pattern[len - 1] == '*')
        return strncmp(name, pattern, len - 1) == 0;
    return strcmp(name, pattern) == 0;
}

double bench_best(const char *name, const char *engine, const char *unit, bool more_is_better,
                  const char **found)
{
    double best = 0;

    *found = NULL;
    for (size_t i = 0; i < series_count; i++) {
        struct series *s = &all_series[i];
        if (strcmp(s->name, name) != 0 || strcmp(s->unit, unit) != 0 || !fits(s->engine, engine))
            continue;
        double value = median(s);
        if (!*found || (more_is_better ? value > best : value < best)) {
            *found = s->engine;
            best = value;
        }
    }
    return best;
}

static int by_ns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

void bench_add_latencies(const char *name, const char *engine, uint64_t *ns, size_t count)
{
    qsort(ns, count, sizeof *ns, by_ns);
    bench_add(name, engine, count, "us p50", (double)ns[count / 2] / 1e3);
    bench_add(name, engine, count, "us p99", (double)ns[count * 99 / 100] / 1e3);
}

/* ---- printing ---- */

static int decimals(double value)
{
    return value < 10 ? 3 : value < 1000 ? 1 : 0;
}

static void print_series_json(const struct series *s)
{
    printf("{\"bench\": \"%s\", \"engine\": \"%s\", \"messages\": %zu, \"value\": %.6g, "
           "\"unit\": \"%s\"}\n",
           s->name, s->engine, s->messages, median(s), s->unit);
}

static void print_bar_json(const struct bench_bar *bar)
{
    printf("{\"bench\": \"bar\", \"what\": \"%s\", \"engine\": \"%s\"", bar->what, bar->engine);
    if (bar->rival)
        printf(", \"rival\": \"%s\"", bar->rival);
    printf(", \"value\": %.6g, \"unit\": \"%s\"", bar->value, bar->unit);
    if (bar->bar[0])
        printf(", \"bar\": \"%s\", \"met\": %s", bar->bar, bar->met ? "true" : "false");
    puts("}");
}

static void print_series_text(const struct series *s)
{
    double value = median(s);

    printf("  %-24s %14.*f  %s\n", s->engine, decimals(value), value, s->unit);
}

static const char *verdict(const struct bench_bar *bar)
{
    return !bar->bar[0] ? "" : bar->met ? "met" : "missed";
}

static void print_bar_text(const struct bench_bar *bar)
{
    printf("  %-38s %s%s%s  %.*f %s", bar->what, bar->engine, bar->rival ? " / " : "",
           bar->rival ? bar->rival : "", decimals(bar->value), bar->value, bar->unit);
    if (bar->bar[0])
        printf(", bar %s, %s", bar->bar, verdict(bar));
    putchar('\n');
}

static bool came_before(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(all_series[k].name, all_series[i].name) == 0)
            return true;
    return false;
}

/* Units of one name, in the order they came. */
static size_t units_of(const char *name, const char *units[UNITS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < series_count; i++) {
        bool known = strcmp(all_series[i].name, name) != 0;
        for (size_t k = 0; k < count && !known; k++)
            known = strcmp(units[k], all_series[i].unit) == 0;
        if (!known && count < UNITS_MAX)
            units[count++] = all_series[i].unit;
    }
    return count;
}

static void print_row_markdown(const char *name, const char *engine, const char *const *units,
                               size_t count)
{
    printf("| %s |", engine);
    for (size_t i = 0; i < count; i++) {
        const struct series *s = find_series(name, engine, units[i]);
        if (s)
            printf(" %.*f |", decimals(median(s)), median(s));
        else
            printf(" |");
    }
    putchar('\n');
}

static bool engine_came_before(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(all_series[k].name, all_series[i].name) == 0 &&
            strcmp(all_series[k].engine, all_series[i].engine) == 0)
            return true;
    return false;
}

static void print_table_markdown(size_t first)
{
    const char *name = all_series[first].name, *units[UNITS_MAX];
    size_t count = units_of(name, units);

    printf("\n| %s, %zu messages |", name, all_series[first].messages);
    for (size_t i = 0; i < count; i++)
        printf(" %s |", units[i]);
    printf("\n|---|");
    for (size_t i = 0; i < count; i++)
        printf("--:|");
    putchar('\n');
    for (size_t k = first; k < series_count; k++)
        if (strcmp(all_series[k].name, name) == 0 && !engine_came_before(k))
            print_row_markdown(name, all_series[k].engine, units, count);
}

static void print_bar_markdown(const struct bench_bar *bar)
{
    printf("| %s | %s%s%s | %.*f%s%s | %s | %s |\n", bar->what, bar->engine,
           bar->rival ? " / " : "", bar->rival ? bar->rival : "", decimals(bar->value), bar->value,
           bar->rival ? "" : " ", bar->rival ? "" : bar->unit, bar->bar, verdict(bar));
}

static void report_markdown(void)
{
    struct bench_bar bar;

    puts("| what | of what | value | bar | |\n|---|---|--:|---|---|");
    for (size_t i = 0; bench_bar(i, &bar); i++)
        print_bar_markdown(&bar);
    for (size_t i = 0; i < series_count; i++)
        if (!came_before(i))
            print_table_markdown(i);
}

static void report_json(void)
{
    struct bench_bar bar;

    for (size_t i = 0; i < series_count; i++)
        print_series_json(&all_series[i]);
    for (size_t i = 0; bench_bar(i, &bar); i++)
        print_bar_json(&bar);
}

/* Results of one name stand together, whichever benchmark gave them. */
static void report_text(void)
{
    struct bench_bar bar;

    for (size_t i = 0; i < series_count; i++) {
        if (came_before(i))
            continue;
        printf("%s, %zu messages\n", all_series[i].name, all_series[i].messages);
        for (size_t k = i; k < series_count; k++)
            if (strcmp(all_series[k].name, all_series[i].name) == 0)
                print_series_text(&all_series[k]);
        putchar('\n');
    }
    puts("ratios of medians, and the bars");
    for (size_t i = 0; bench_bar(i, &bar); i++)
        print_bar_text(&bar);
}

void bench_report(const struct bench *bench)
{
    if (bench->json)
        report_json();
    else if (bench->markdown)
        report_markdown();
    else
        report_text();
}
